import Basics
import Differentiation
import GraphIR
import LoopIR
import Lowering
import Operators
import Testing

@testable import TestSupport

/// Every operator's examples as compiled code, forward and backward: each a program of its own, all of them one file for each compiler.
/// Literals within the example's tolerance, the same bits from the interpreter and every compiler, gradients against central differences.
@Suite struct OperatorCodeTests {
  /// An example with its program: inputs are the operands and then the cotangents, outputs the results and then the gradients.
  private struct Case {
    var title: String
    var example: OperatorExample
    var program: Program
    var inputs: [Tensor]
    var types: [TensorType]
    var resultCount: Int
    /// Which operand each gradient belongs to.
    var wanted: [Int]
  }

  private static let examples = allOperators.flatMap { op in op.examples.map { (title: "\(op.name): \($0.title)", example: $0) } }

  private func cases(_ float: ElementType, usesBLAS: Bool) throws -> [Case] {
    try Self.examples.compactMap { title, example in
      var builder = GraphBuilder(name: "run", symbols: [Symbol(name: "n", maximum: 1)])
      var inputs: [Tensor] = []
      func leaf(_ tensor: Tensor) -> ValueID {
        inputs.append(tensor)
        return builder.leaf(Leaf("x\(inputs.count - 1)", .input(inputs.count - 1)), tensor.type)
      }
      let operands = example.inputs.map { leaf(Tensor($0, float: float)) }
      let node: ValueID
      // An attribute or a tuple that names f32 is only an example in f32.
      do { node = try builder.add(example.op, operands) } catch { return nil }
      let declared = builder.graph[node].types
      guard float == .f32 || !declared.contains(where: { $0.element == .f32 }), !(example.op is Element) else { return nil }
      let results = try builder.elements(node)
      for (k, value) in results.enumerated() { builder.output("y\(k)", value) }
      var wanted: [Int] = []
      let floats = results.filter { builder.type($0).element.isFloat }
      if type(of: example.op).isDifferentiable, !(example.op is Cast), !floats.isEmpty {
        let cotangents = floats.enumerated().map { leaf(cotangent(builder.type($0.element), $0.offset)) }
        let candidates = operands.indices.filter { builder.type(operands[$0]).element == float }
        let gradients = try builder.gradients(of: floats, cotangents: cotangents, withRespectTo: candidates.map { operands[$0] })
        for (k, gradient) in zip(candidates, gradients) {
          guard let gradient, !wanted.contains(where: { operands[$0] == operands[k] }) else { continue }
          builder.output("dx\(k)", gradient)
          wanted.append(k)
        }
      }
      let graph = builder.graph
      var model = Model(name: "example", element: float, symbols: graph.symbols)
      model.graphs = [graph]
      model.inputs = inputs.enumerated().map { Port(name: "x\($0.offset)", element: $0.element.element, dims: $0.element.shape) }
      let types = graph.outputs.map { graph.type($0.value) }
      model.outputs = zip(graph.outputs, types).map { Port(name: $0.name, element: $1.element, dims: $1.shape.map(\.coefficient)) }
      let program = try lower(model, options: LoweringOptions(usesBLAS: usesBLAS))
      return Case(
        title: title, example: example, program: program, inputs: inputs, types: types, resultCount: results.count, wanted: wanted)
    }
  }

  private func outputs(_ machine: Machine, _ joined: JoinedProgram, _ cases: [Case], inputs: [[Tensor]]) throws -> [[Tensor]] {
    var memory = Array(repeating: UInt8(0), count: joined.inputBytes)
    for (tensors, offsets) in zip(inputs, joined.inputs) {
      for (tensor, offset) in zip(tensors, offsets) { memory.replaceSubrange(offset..<(offset + tensor.bytes.count), with: tensor.bytes) }
    }
    let found = try machine.run([memory], rows: 1)[0]
    return zip(cases, joined.outputs).map { test, offsets in
      zip(test.types, offsets).map { type, offset in
        let count = type.count.coefficient * type.element.size
        return Tensor(type.element, type.shape.map(\.coefficient), bytes: Array(found[offset..<(offset + count)]))
      }
    }
  }

  @Test(arguments: [ElementType.f32, .f64], [true, false])
  func examplesCompiled(_ float: ElementType, _ usesBLAS: Bool) throws {
    let cases = try cases(float, usesBLAS: usesBLAS)
    #expect(cases.count > allOperators.count)
    let joined = JoinedProgram(cases.map(\.program), name: "examples")
    let program = joined.program
    let inputs = cases.map(\.inputs)
    let interpreted = try outputs(.interpreting(program, blas: usesBLAS ? .cblas : .none), joined, cases, inputs: inputs)
    for (test, results) in zip(cases, interpreted) {
      let tolerance = float == .f32 ? test.example.tolerance : min(test.example.tolerance, 1e-8)
      for (result, literal) in zip(results.prefix(test.resultCount), test.example.outputs) {
        for (a, b) in zip(result.doubles, literal.values) {
          #expect(
            a == b || a.isNaN && b.isNaN || abs(a - b) <= tolerance * (1 + abs(b)),
            "\(test.title): \(result.doubles), not \(literal.values)")
        }
      }
    }
    for compiler in TestCompiler.all {
      let machine = try compiler.machine(program, blas: usesBLAS ? .cblas : .none)
      for (test, (found, expected)) in zip(cases, zip(try outputs(machine, joined, cases, inputs: inputs), interpreted)) {
        for (k, (a, b)) in zip(found, expected).enumerated() {
          #expect(sameBits(a.bytes, b.bytes, a.element), "\(compiler): \(test.title), output \(k): \(a.doubles), interpreter \(b.doubles)")
        }
      }
      if float == .f64, compiler.command == nil { try compareWithDifferences(machine, joined, cases, interpreted) }
    }
  }

  /// Moves the same element of every example's operand at once: the whole file is run twice an element.
  private func compareWithDifferences(_ machine: Machine, _ joined: JoinedProgram, _ cases: [Case], _ values: [[Tensor]]) throws {
    for operand in 0..<(cases.map { $0.example.inputs.count }.max() ?? 0) {
      func isMoved(_ test: Case, _ position: Int) -> Bool {
        test.example.checksGradient && operand < test.example.inputs.count && test.inputs[operand].element == .f64
          && position < test.inputs[operand].count && !test.wanted.isEmpty
      }
      for position in 0..<(cases.compactMap { operand < $0.inputs.count ? $0.inputs[operand].count : nil }.max() ?? 0) {
        let steps = cases.map { isMoved($0, position) ? 1e-5 * max(1, abs($0.inputs[operand].doubles[position]) / 100) : 0 }
        let sides = try [1.0, -1.0].map { sign in
          try outputs(
            machine, joined, cases,
            inputs: zip(cases, steps).map { test, step in
              var moved = test.inputs
              if step > 0 { moved[operand].values[position] = (moved[operand].doubles[position] + sign * step).bitPattern }
              return moved
            })
        }
        for (index, test) in cases.enumerated() where isMoved(test, position) {
          let x = test.inputs[operand].doubles[position]
          let totals = sides.map { side -> Double in
            let results = side[index].prefix(test.resultCount).filter { $0.element == .f64 }
            return zip(results, test.inputs.dropFirst(test.example.inputs.count)).reduce(0) { total, pair in
              total + zip(pair.0.doubles, pair.1.doubles).reduce(0) { $0 + $1.0 * $1.1 }
            }
          }
          let slope = (totals[0] - totals[1]) / ((x + steps[index]) - (x - steps[index]))
          let gradient = test.wanted.firstIndex(of: operand).map { values[index][test.resultCount + $0].doubles[position] } ?? 0
          #expect(
            abs(gradient - slope) <= 2e-7 * (1 + abs(slope)),
            "\(test.title), operand \(operand)[\(position)]: \(gradient), differences \(slope)")
        }
      }
    }
  }
}
