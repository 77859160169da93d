import Basics
import Differentiation
import Foundation
import GraphIR
import LoopIR
import Operators
import Testing

@testable import TestSupport

/// An example with a name for the test report.
struct ExampleCase: CustomTestStringConvertible, Sendable {
  var example: OperatorExample
  var testDescription: String { "\(type(of: example.op).name): \(example.title)" }

  static let all = allOperators.flatMap { $0.examples.map { ExampleCase(example: $0) } }

  /// A graph of the operator alone, its operands leaves; floats are `float` where it is given.
  func graph(float: ElementType? = nil) throws -> (builder: GraphBuilder, leaves: [Leaf: Tensor], operands: [ValueID], node: ValueID) {
    var builder = GraphBuilder(name: "example", symbols: [])
    var leaves: [Leaf: Tensor] = [:]
    let operands = example.inputs.enumerated().map { k, literal -> ValueID in
      let tensor = Tensor(literal, float: float)
      leaves[Leaf("x\(k)", .input(k))] = tensor
      return builder.leaf(Leaf("x\(k)", .input(k)), tensor.type)
    }
    let node = try builder.add(example.op, operands)
    return (builder, leaves, operands, node)
  }
}

@Suite struct OperatorExampleTests {
  @Test func everyOperatorHasExamples() {
    for op in allOperators { #expect(!op.examples.isEmpty, "\(op.name) has no example") }
    #expect(Set(allOperators.map { $0.name }).count == allOperators.count)
  }

  @Test func registryIsTheFolders() throws {
    let sources = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Sources")
    let files = try ["Operators", "GraphIR/Structural"].flatMap { folder in
      try FileManager.default.contentsOfDirectory(atPath: sources.appendingPathComponent(folder).path)
        .filter { $0.hasSuffix(".swift") && $0 != "Registry.swift" }.map { String($0.dropLast(6)) }
    }
    #expect(files.sorted() == allOperators.map { "\($0)" }.sorted())
  }

  @Test(arguments: ExampleCase.all) func typeIsThatOfTheLiteral(_ test: ExampleCase) throws {
    let types = try test.example.op.resultTypes(test.example.inputs.map(\.type))
    #expect(types == test.example.outputs.map(\.type))
  }

  @Test(arguments: ExampleCase.all) func textComesBack(_ test: ExampleCase) throws {
    let graph = try test.graph().builder.graph
    let text = graph.description
    let parsed = try GraphParser.parse(text, operators: allOperators)
    #expect(parsed.description == text)
    let isSame = isEqual(test.example.op, try #require(parsed.nodes.last?.op, "\(text)"))
    #expect(isSame)
    #expect(graph.verify().map(\.message) == [])
  }

  @Test(arguments: ExampleCase.all) func scalarsAreWellTyped(_ test: ExampleCase) throws {
    for float in [ElementType.f32, .f64] {
      let operands = test.example.inputs.map { Tensor($0, float: float).type }
      guard let results = try? test.example.op.resultTypes(operands), !(test.example.op is Element) else { continue }
      let environment = TypeEnvironment(operands: operands.map(\.element))
      switch test.example.op.lowering(operands, results) {
      case .map(let scalar): #expect(try scalar.type(in: environment) == results[0].element)
      case .reduction(let reduction): #expect(try reduction.body.type(in: environment) == results[0].element)
      default: break
      }
    }
  }

  @Test(arguments: ExampleCase.all) func lowerings(_ test: ExampleCase) throws {
    let example = test.example
    let results = try GraphEvaluator().apply(example.op, example.inputs.map { Tensor($0) })
    try compare(results, example.outputs, tolerance: example.tolerance)
    // In f64 the literals' ten digits hold, where attributes do not ask for f32.
    let doubles = example.inputs.map { Tensor($0, float: .f64) }
    let types = try example.op.resultTypes(doubles.map(\.type))
    guard !types.contains(where: { $0.element == .f32 }), !(example.op is Cast) else { return }
    try compare(GraphEvaluator().apply(example.op, doubles), example.outputs, tolerance: min(example.tolerance, 1e-8))
  }

  private func isEqual<Op: Operator>(_ op: Op, _ other: any Operator) -> Bool { other as? Op == op }

  private func compare(_ results: [Tensor], _ expected: [TensorLiteral], tolerance: Double) throws {
    try #require(results.map(\.shape) == expected.map(\.shape))
    for (result, literal) in zip(results, expected) {
      for (value, wanted) in zip(result.doubles, literal.values) {
        #expect(value == wanted || abs(value - wanted) <= tolerance * (1 + abs(wanted)), "\(result.doubles), not \(literal.values)")
      }
    }
  }
}

@Suite struct OperatorGradientTests {
  /// The gradients by the operator's own rule, or nil where it has none.
  private func gradients(_ test: ExampleCase, derived: Bool) throws -> (GraphBuilder, [Leaf: Tensor], [ValueID?])? {
    var (builder, leaves, operands, node) = try test.graph(float: .f64)
    let results = try builder.elements(node)
    let cotangents = results.enumerated().map { k, result -> ValueID? in
      let type = builder.type(result)
      guard type.element == .f64 else { return nil }
      leaves[Leaf("d\(k)", .target(k))] = cotangent(type, k)
      return builder.leaf(Leaf("d\(k)", .target(k)), type)
    }
    if !derived {
      let request = GradientRequest(operands: operands, results: results, cotangents: cotangents)
      guard let own = try test.example.op.gradient(request, &builder) else { return nil }
      return (builder, leaves, own)
    }
    guard case .composite(let build) = test.example.op.lowering(operands.map { builder.type($0) }, builder.graph[node].types) else {
      return nil
    }
    let expanded = try build(&builder, operands)
    let given = zip(expanded, cotangents).filter { $0.1 != nil }
    guard !given.isEmpty else { return nil }
    let wanted = operands.filter { builder.type($0).element == .f64 }
    let found = try builder.gradients(of: given.map(\.0), cotangents: given.map { $0.1! }, withRespectTo: wanted)
    let byOperand = Dictionary(uniqueKeysWithValues: zip(wanted, found))
    return (builder, leaves, operands.map { byOperand[$0] ?? nil })
  }

  private func values(_ gradients: (GraphBuilder, [Leaf: Tensor], [ValueID?])) throws -> [[Double]?] {
    let (builder, leaves, ids) = gradients
    #expect(builder.graph.verify().map(\.message) == [])
    let values = try GraphEvaluator().run(builder.graph, leaves: leaves)
    return ids.map { $0.map { values[$0]![0].doubles } }
  }

  @Test(arguments: ExampleCase.all) func gradientIsTheDifferenceQuotient(_ test: ExampleCase) throws {
    // Integers have no cotangents, and rules are not asked for any; reverse mode itself takes tuples apart.
    guard test.example.outputs.contains(where: { $0.element.isFloat }), !(test.example.op is Element) else { return }
    guard let own = try gradients(test, derived: false) else {
      Issue.record("no gradient rule")
      return
    }
    if !type(of: test.example.op).isDifferentiable { #expect(own.2.allSatisfy { $0 == nil }) }
    guard test.example.checksGradient, type(of: test.example.op).isDifferentiable else { return }
    #expect(own.2.contains { $0 != nil })
    let found = try values(own)
    let inputs = test.example.inputs.map { Tensor($0, float: .f64) }
    for (k, input) in inputs.enumerated() {
      guard input.element == .f64 else {
        #expect(found[k] == nil)
        continue
      }
      try #require(found[k] == nil || found[k]!.count == input.count)
      for position in 0..<input.count {
        let slope = try differenceQuotient(test.example.op, inputs, k, position)
        let gradient = found[k]?[position] ?? 0
        #expect(abs(gradient - slope) <= 2e-7 * (1 + abs(slope)), "operand \(k)[\(position)]: \(gradient), differences \(slope)")
      }
    }
  }

  private func differenceQuotient(_ op: any Operator, _ inputs: [Tensor], _ operand: Int, _ position: Int) throws -> Double {
    let x = inputs[operand].doubles[position]
    let step = 1e-5 * max(1, abs(x) / 100)
    let sides = try [x + step, x - step].map { value -> Double in
      var moved = inputs
      moved[operand].values[position] = value.bitPattern
      let results = try GraphEvaluator().apply(op, moved)
      return results.enumerated().filter { $0.element.element == .f64 }.reduce(0) { total, result in
        total + zip(result.element.doubles, cotangent(result.element.type, result.offset).doubles).reduce(0) { $0 + $1.0 * $1.1 }
      }
    }
    return (sides[0] - sides[1]) / ((x + step) - (x - step))
  }

  @Test(arguments: ExampleCase.all) func ownGradientIsThatOfTheExpansion(_ test: ExampleCase) throws {
    guard test.example.checksGradient, type(of: test.example.op).isDifferentiable,
      let derived = try gradients(test, derived: true), let own = try gradients(test, derived: false)
    else { return }
    for (a, b) in zip(try values(own), try values(derived)) {
      for (x, y) in zip(a ?? [], b ?? []) { #expect(abs(x - y) <= 1e-10 * (1 + abs(y)), "\(a ?? []), derived \(b ?? [])") }
    }
  }
}
