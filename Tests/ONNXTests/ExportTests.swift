import Basics
import GraphIR
import Layers
import LoopIR
import ONNX
import Operators
import Testing

@testable import TestSupport

/// An operator's example as a model of its own.
struct ExportCase: CustomTestStringConvertible, Sendable {
  var example: OperatorExample
  var testDescription: String { "\(type(of: example.op).name): \(example.title)" }

  static let all = allOperators.flatMap { $0.examples.map { ExportCase(example: $0) } }

  /// Operators that stand in no graph of inference, and those whose numbers no other program could make.
  static let withoutExport: Set<String> = [
    "attention_gradient", "convolution_filter_gradient", "disjoint_pool_gradient", "pool_gradient", "pool_position", "random_normal",
    "random_uniform",
    "resample_weight_gradient", "resize_linear_gradient", "resize_nearest_gradient", "sum_pool_gradient",
  ]

  /// Whether ONNX has no words for this, or for these numbers.
  var isWithoutExport: Bool {
    let name = type(of: example.op).name
    switch name {
    case "bit_shift": return !example.inputs[0].element.isUnsigned
    case "convolution", "convolution_input_gradient": return !example.inputs[0].element.isFloat
    default: return Self.withoutExport.contains(name)
    }
  }

  /// The operator over inputs `x0`, `x1` …, its results the outputs `y0`, `y1` ….
  func model() throws -> Model {
    var builder = GraphBuilder(name: "run", symbols: [Symbol(name: "n", maximum: 4)])
    var model = Model(name: "example", element: .f32, symbols: builder.graph.symbols)
    let operands = example.inputs.enumerated().map { k, literal in
      model.inputs.append(Port(name: "x\(k)", element: literal.element, dims: literal.shape, isBatched: false))
      return builder.leaf(Leaf("x\(k)", .input(k)), literal.type)
    }
    for (k, value) in try builder.elements(builder.add(example.op, operands)).enumerated() { builder.output("y\(k)", value) }
    model.graphs = [builder.graph]
    return model
  }
}

@Suite struct OperatorExportTests {
  @Test(arguments: ExportCase.all) func exampleComesBack(_ test: ExportCase) throws {
    let name = type(of: test.example.op).name
    let message: ModelMessage
    do {
      message = try ModelMessage(test.model(), gradcVersion: "0") { _ in throw Diagnostic("there are no parameters") }
    } catch let error as Diagnostic where error.kind == .unsupported {
      #expect(test.isWithoutExport, "\(error.message)")
      #expect(error.message.contains("'\(name)'"))
      return
    }
    #expect(!test.isWithoutExport)
    let bytes = try message.encoded()
    let read = try ModelMessage(bytes: bytes, name: "example.onnx")
    var builder = ModelBuilder(name: "run", mode: .inference, element: .f32, symbols: [Symbol(name: "n", maximum: 4)])
    try ONNXModel(read, path: "example.onnx").build(&builder)
    var leaves: [Leaf: Tensor] = [:]
    for (k, literal) in test.example.inputs.enumerated() { leaves[Leaf("x\(k)", .input(k))] = Tensor(literal) }
    for node in builder.graph.graph.nodes {
      guard let leaf = node.leaf, case .table(let table) = leaf.role else { continue }
      leaves[leaf] = Tensor(table.element, table.shape, bytes: table.bytes)
    }
    let values = try GraphEvaluator().run(builder.graph.graph, leaves: leaves)
    try #require(builder.outputs.count == test.example.outputs.count)
    for (output, wanted) in zip(builder.outputs, test.example.outputs) {
      let found = values[output.value]![0]
      #expect(found.element == wanted.element)
      try #require(found.shape == wanted.shape)
      let tolerance = max(test.example.tolerance, 2e-6)
      for (a, b) in zip(found.doubles, wanted.values) where !(a == b || a.isNaN && b.isNaN || abs(a - b) <= tolerance * (1 + abs(b))) {
        Issue.record("\(found.doubles), not \(wanted.values)")
        break
      }
    }
  }

  @Test func sameBytesEachTime() throws {
    for test in ExportCase.all.filter({ type(of: $0.example.op).name == "group_normalize" }) {
      let encoded = try (0..<2).map { _ in
        try ModelMessage(test.model(), gradcVersion: "0", weights: { _ in throw Diagnostic("there are no parameters") }).encoded()
      }
      #expect(encoded[0] == encoded[1])
    }
  }
}
