import Basics
import GraphIR
import LoopIR
import ModelLanguage
import XCTest

@testable import Layers

/// Layers over tokens and positions: values by definition, and what they refuse.
final class SequenceLayerTests: XCTestCase {
  /// The values of a layer's result on given inputs and parameters.
  private func values(
    _ inputs: [Values], _ parameters: [String: Values], _ build: (inout ModelBuilder, [ValueID]) throws -> ValueID
  ) throws -> Values {
    var b = ModelBuilder(name: "run", mode: .inference, element: .f64, symbols: [Symbol(name: "n", maximum: 8)])
    let leaves = try inputs.enumerated().map { k, value in
      try b.input("x\(k)", dims: Array(value.shape.dropFirst()), element: value.element)
    }
    let result = try build(&b, leaves)
    let evaluated = try GraphEvaluator(b.graph.graph, n: inputs[0].shape[0]) { leaf, _ in
      if case .input(let k) = leaf.role { return inputs[k] }
      if case .table(let tensor) = leaf.role { return Values(tensor.doubles, shape: tensor.shape, tensor.element) }
      return try XCTUnwrap(parameters[leaf.name])
    }
    return evaluated[result]
  }

  private func assertEqual(_ values: Values, _ shape: [Int], _ wanted: [Double], line: UInt = #line) {
    XCTAssertEqual(values.shape, shape, line: line)
    for (a, b) in zip(values.doubles, wanted) { XCTAssertEqual(a, b, accuracy: 1e-12, line: line) }
  }

  func testEmbeddingAndUnembedding() throws {
    let table = Values([1, 2, 3, 4, 5, 6], shape: [3, 2])
    let tokens = Values([2, 0, 1, 1], shape: [2, 2], .i32)
    let parameters = ["table.weight": table]
    let vectors = try values([tokens], parameters) { try $0.embedding($1[0], vocabulary: 3, width: 2, name: "table") }
    assertEqual(vectors, [2, 2, 2], [5, 6, 1, 2, 3, 4, 3, 4])
    let scores = try values([tokens], parameters) {
      try $0.unembed($0.embedding($1[0], vocabulary: 3, width: 2, name: "table"), embedding: "table")
    }
    // Vector 2 with all three: 5 + 12, 15 + 24, 25 + 36.
    XCTAssertEqual(Array(scores.doubles[0..<3]), [17, 39, 61])
    XCTAssertEqual(scores.shape, [2, 2, 3])
  }

  func testPaddingMask() throws {
    let tokens = Values([4, 0, 7, 0, 0, 0], shape: [2, 3], .i32)
    assertEqual(try values([tokens], [:]) { try $0.paddingMask($1[0]) }, [2, 3], [1, 0, 1, 0, 0, 0])
  }

  func testRMSNormIsPyTorchs() throws {
    // torch.nn.functional.rms_norm(torch.tensor([[1., 2, 3], [-4, 0, 4]], dtype=torch.float64), (3,), torch.tensor([1., 2, .5]), 1e-6)
    let x = Values([1, 2, 3, -4, 0, 4], shape: [2, 3])
    let result = try values([x], ["rms_norm1.gamma": Values([1, 2, 0.5])]) { try $0.rmsNorm($1[0]) }
    assertEqual(
      result, [2, 3], [0.4629100002887783, 1.8516400011551133, 0.6943650004331675, -1.2247448139816772, 0, 0.6123724069908386])
  }

  func testPositions() throws {
    let x = Values(Array(repeating: 1, count: 12), shape: [1, 3, 4])
    let waves = try values([x], [:]) { try $0.positionalEmbedding($1[0], kind: .sinusoidal) }
    assertEqual(
      waves, [1, 3, 4],
      [
        1, 1, 2, 2, 1.8414709848078965, 1.0099998333341667, 1.5403023058681398, 1.9999500004166653,
        1.9092974268256817, 1.0199986666933331, 0.5838531634528576, 1.9998000066665778,
      ])
    let table = Values((0..<12).map { Double($0) }, shape: [3, 4])
    let learned = try values([x], ["positional_embedding1.weight": table]) { try $0.positionalEmbedding($1[0]) }
    XCTAssertEqual(learned.doubles, (0..<12).map { Double($0) + 1 })
  }

  func testTheLanguageTiesWeights() throws {
    let text = """
      model tied {
        input tokens: i32[N, 4]
        table = layer embedding(7, 3)
        scores = unembed(table(tokens) |> rms_norm, table)
        output scores
      }
      """
    var b = ModelBuilder(name: "run", mode: .inference, element: .f32, symbols: [Symbol(name: "n", maximum: 2)])
    try ModelFile(text: text, file: "tied.gradc").definition.build(&b)
    XCTAssertEqual(b.parameters.map(\.name), ["table.weight", "rms_norm1.gamma"])
    XCTAssertEqual(b.type(b.outputs[0].value).description, "f32[N, 4, 7]")
  }

  func testErrors() {
    var b = ModelBuilder(name: "run", mode: .inference, element: .f32, symbols: [Symbol(name: "n", maximum: 2)])
    XCTAssertThrowsError(try b.embedding(b.input("x", dims: [4]), vocabulary: 5, width: 2)) {
      XCTAssertEqual(
        ($0 as? Diagnostic)?.message,
        "layer 'embedding1' needs whole numbers, got f32[N, 4]; declare the input as i32: `input tokens: i32[N, 64]`")
    }
    XCTAssertThrowsError(try b.unembed(b.input("y", dims: [4]), embedding: "table")) {
      XCTAssertEqual(($0 as? Diagnostic)?.message, "layer 'unembed1': there is no embedding 'table' before it")
    }
    XCTAssertThrowsError(try b.positionalEmbedding(b.input("z", dims: [4]))) {
      XCTAssertEqual(
        ($0 as? Diagnostic)?.message,
        "layer 'positional_embedding1': expected an input [N, positions, features], got f32[N, 4]")
    }
  }
}
