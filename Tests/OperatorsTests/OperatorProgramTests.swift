import Basics
import Differentiation
import GraphIR
import LoopIR
import Lowering
import Operators
import Testing

@testable import TestSupport

/// Examples through the compiler: expanded, fused and lowered to a loop program, which must verify, and whose interpreter must give the
/// example's literals, and for the gradient what the unfused graph gives.
@Suite struct OperatorProgramTests {
  private static let batch = Symbol(name: "n", maximum: 1)

  @Test(arguments: ExampleCase.all) func literals(_ test: ExampleCase) throws {
    for float in [ElementType.f32, .f64] {
      var (builder, leaves, _, node) = try test.graph(float: float)
      // An attribute or a tuple that names f32 is only an example in f32.
      let types = builder.graph[node].types
      guard float == .f32 || !types.contains(where: { $0.element == .f32 }), !(test.example.op is Element) else { continue }
      for (k, value) in try builder.elements(node).enumerated() { builder.output("y\(k)", value) }
      let tolerance = float == .f32 ? test.example.tolerance : min(test.example.tolerance, 1e-8)
      for (result, literal) in zip(try run(builder.graph, float, leaves), test.example.outputs) {
        expectEqual(result.doubles, literal.values, tolerance)
      }
    }
  }

  @Test(arguments: ExampleCase.all) func gradients(_ test: ExampleCase) throws {
    guard type(of: test.example.op).isDifferentiable, test.example.outputs.contains(where: { $0.element.isFloat }) else { return }
    for float in [ElementType.f32, .f64] {
      var (builder, leaves, operands, node) = try test.graph(float: float)
      let wanted = operands.filter { builder.type($0).element.isFloat }
      guard !(test.example.op is Element), !(test.example.op is Cast), !wanted.isEmpty else { return }
      let results = try builder.elements(node).filter { builder.type($0).element.isFloat }
      let cotangents = results.enumerated().map { k, result -> ValueID in
        let type = builder.type(result)
        let tensor = cotangent(type, k)
        leaves[Leaf("d\(k)", .target(k))] = tensor
        return builder.leaf(Leaf("d\(k)", .target(k)), type)
      }
      let found = try builder.gradients(of: results, cotangents: cotangents, withRespectTo: wanted).compactMap { $0 }
      for (k, gradient) in found.enumerated() { builder.output("dx\(k)", gradient) }
      let values = try GraphEvaluator(symbols: ["n": 1]).run(builder.graph, leaves: leaves)
      for (result, gradient) in zip(try run(builder.graph, float, leaves), found) {
        expectEqual(result.doubles, values[gradient]![0].doubles, float == .f32 ? 5e-6 : 1e-11)
      }
    }
  }

  private func expectEqual(_ values: [Double], _ wanted: [Double], _ tolerance: Double) {
    #expect(values.count == wanted.count)
    for (a, b) in zip(values, wanted) {
      #expect(a == b || a.isNaN && b.isNaN || abs(a - b) <= tolerance * (1 + abs(b)), "\(values), not \(wanted)")
    }
  }

  /// The outputs of a graph as a program of one entry.
  private func run(_ source: Graph, _ element: ElementType, _ leaves: [Leaf: Tensor]) throws -> [Tensor] {
    var graph = source
    graph.name = "run"
    graph.symbols = [Self.batch]
    var model = Model(name: "example", element: element, symbols: [Self.batch])
    model.graphs = [graph]
    for (leaf, tensor) in leaves.sorted(by: { $0.key.name < $1.key.name }) {
      let port = Port(name: leaf.name, element: tensor.element, dims: tensor.shape)
      if case .target = leaf.role { model.targets.append(port) } else { model.inputs.append(port) }
    }
    model.outputs = graph.outputs.map { output in
      let type = graph.type(output.value)
      return Port(name: output.name, element: type.element, dims: type.shape.map(\.coefficient))
    }
    let program = try lower(model)
    #expect(program.verify().map(\.description) == [])
    var memory: [Block: [UInt8]] = [:]
    for (leaf, tensor) in leaves {
      switch leaf.role {
      case .input(let k): memory[.input(k)] = tensor.bytes
      case .target(let k): memory[.target(k)] = tensor.bytes
      default: Issue.record("a leaf of another role")
      }
    }
    let types = graph.outputs.map { graph.type($0.value) }
    for (k, type) in types.enumerated() {
      memory[.output(k)] = Array(repeating: 0x7F, count: max(1, type.count.coefficient) * type.element.size)
    }
    let status = try Interpreter(program).run("run", memory: &memory, symbols: ["n": 1])
    #expect(status == 0)
    return types.enumerated().map { Tensor($0.element.element, $0.element.shape.map(\.coefficient), bytes: memory[.output($0.offset)]!) }
  }
}
