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

  /// Tensors without elements: what is made of them is empty too, or a combination of nothing; what they are joined with stays.
  @Test(arguments: [ElementType.f32, .f64]) func emptyTensors(_ float: ElementType) throws {
    var builder = GraphBuilder(name: "run", symbols: [Self.batch])
    func leaf(_ k: Int, _ values: [Double], _ shape: [Int]) -> (ValueID, Leaf, Tensor) {
      let tensor = Tensor(TensorLiteral(values, shape: shape, element: float)), leaf = Leaf("x\(k)", .input(k))
      return (builder.leaf(leaf, tensor.type), leaf, tensor)
    }
    let (x, xLeaf, xTensor) = leaf(0, [], [2, 0]), (y, yLeaf, yTensor) = leaf(1, [1, 2], [2, 1])
    let found: [(ValueID, [Double])] = [
      (try builder.exp(builder.multiply(x, y)), []),
      (try builder.sum(x, axes: [1]), [0, 0]),
      (try builder.add(builder.product(x, axes: [1]), builder.reshape(y, [2])), [2, 3]),
      (try builder.max(x, axes: [1]), [-.infinity, -.infinity]),
      (try builder.mean(x), [.nan]),
      (try builder.matmul(x, builder.transpose(x, [1, 0])), [0, 0, 0, 0]),
      (try builder.matmul(builder.transpose(x, [1, 0]), y), []),
      (try builder.add(Concat(axis: 1), [x, y, x]), [1, 2]),
      (try builder.softmax(x), []),
      (try builder.reshape(x, [0, 7]), []),
      (try builder.broadcast(builder.reshape(x, [2, 0, 1]), to: [2, 0, 3]), []),
    ]
    for (k, (value, _)) in found.enumerated() { builder.output("y\(k)", value) }
    let gradients = try builder.gradients(of: builder.sum(builder.add(Concat(axis: 1), [x, y])), withRespectTo: [x, y]).compactMap { $0 }
    for (k, gradient) in gradients.enumerated() { builder.output("dx\(k)", gradient) }
    let results = try run(builder.graph, float, [xLeaf: xTensor, yLeaf: yTensor])
    for (result, (_, wanted)) in zip(results, found + [(x, []), (y, [1, 1])]) { expectEqual(result.doubles, wanted, 0) }
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
