import CRuntime
import Foundation
import Gradc
import ONNX
import XCTest

@testable import GradcCommand

/// `gradc export`: ONNX, and weights alone.
final class ExportTests: CommandTestCase {
  override func setUpWithError() throws {
    try super.setUpWithError()
    try write(
      "net.gradc",
      """
      model net {
        input features: f32[N, 3]
        chance = features |> dense(4, activation: relu) |> batch_norm |> dense(1) |> sigmoid
        output chance
      }
      """)
  }

  func testNamesAndBatchStay() throws {
    let outcome = gradc("export", path("net.gradc"), "--seed", "4", "-o", path("net.onnx"))
    XCTAssertEqual(outcome.code, 0, outcome.err)
    XCTAssertEqual(outcome.out, "wrote \(path("net.onnx")): 7 nodes of operator set 20, 8 tensors of 37 weights\n")
    let model = try ModelMessage(path: path("net.onnx"))
    XCTAssertEqual(model.opsetImport, [OperatorSetMessage(version: 20)])
    XCTAssertEqual(model.producerName, "gradc")
    XCTAssertEqual(model.graph.input.map(\.name), ["features"])
    XCTAssertEqual(model.graph.output.map(\.name), ["chance"])
    let float = TensorDataType.float.rawValue
    let batch = DimensionMessage(.parameter("N"))
    XCTAssertEqual(model.graph.input[0].type, TypeMessage(.tensor(element: float, shape: [batch, DimensionMessage(.value(3))])))
    XCTAssertEqual(
      model.graph.node.map(\.opType), ["MatMul", "Add", "Relu", "BatchNormalization", "MatMul", "Add", "Sigmoid"])
    XCTAssertEqual(
      model.graph.node[3].input.dropFirst(),
      [
        "batch_norm1.gamma", "batch_norm1.beta", "batch_norm1.running_mean", "batch_norm1.running_var",
      ])
    let first = try Data(contentsOf: URL(fileURLWithPath: path("net.onnx")))
    gradc("export", path("net.gradc"), "--seed", "4", "-o", path("again.onnx"))
    XCTAssertEqual(try Data(contentsOf: URL(fileURLWithPath: path("again.onnx"))), first)
  }

  func testWeightsComeThroughEveryKindOfFile() throws {
    XCTAssertEqual(gradc("export", path("net.gradc"), "--seed", "4", "-o", path("net.onnx")).code, 0)
    XCTAssertEqual(gradc("export", path("net.gradc"), "--seed", "4", "-o", path("net.safetensors")).code, 0)
    XCTAssertEqual(gradc("export", path("net.onnx"), "-o", path("back.safetensors")).code, 0)
    XCTAssertEqual(gradc("export", path("net.gradc"), "--weights", path("back.safetensors"), "-o", path("third.safetensors")).code, 0)
    let wanted = try Dictionary(uniqueKeysWithValues: Tensor.read([path("net.safetensors")]).map { ($0.name, $0.bytes) })
    XCTAssertEqual(wanted.count, 8)
    for name in ["back", "third"] {
      let found = try Dictionary(uniqueKeysWithValues: Tensor.read([path("\(name).safetensors")]).map { ($0.name, $0.bytes) })
      XCTAssertEqual(found, wanted)
    }
  }

  /// The checksums are those of Python's zlib over what numpy.save writes of [1, -2.5] in float32 and of 0 … 5 as 2 x 3 in float64.
  func testArchiveHoldsWhatNumPyWrites() throws {
    let first = Tensor("a.b", dims: [2], dtype: GRADC_DTYPE_F32, bytes: [0, 0, 0x80, 0x3F, 0, 0, 0x20, 0xC0])
    let numbers = (0..<6).flatMap { withUnsafeBytes(of: Double($0).bitPattern.littleEndian) { Array($0) } }
    let second = Tensor("c", dims: [2, 3], dtype: GRADC_DTYPE_F64, bytes: numbers)
    try Tensor.writeArchive([first, second], to: path("two.npz"))
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path("two.npz"))))
    func number(_ at: Int, _ count: Int) -> Int { (0..<count).reduce(0) { $0 | Int(bytes[at + $1]) << (8 * $1) } }
    XCTAssertEqual(Array(bytes[..<4]), [0x50, 0x4B, 3, 4])
    XCTAssertEqual(number(14, 4), 0x9F97_6D18)
    XCTAssertEqual(number(18, 4), 136)
    XCTAssertEqual(String(decoding: bytes[30..<37], as: UTF8.self), "a.b.npy")
    let next = 37 + 136
    XCTAssertEqual(number(next + 14, 4), 0x463B_CDF0)
    // The end: two members, and where the directory is.
    let end = bytes.count - 22
    XCTAssertEqual(Array(bytes[end..<end + 4]), [0x50, 0x4B, 5, 6])
    XCTAssertEqual(number(end + 10, 2), 2)
    let directory = number(end + 16, 4)
    XCTAssertEqual(Array(bytes[directory..<directory + 4]), [0x50, 0x4B, 1, 2])
    XCTAssertEqual(number(directory + 42, 4), 0)
    XCTAssertEqual(directory + number(end + 12, 4), end)
  }

  func testErrorsSayWhatToDo() throws {
    let ending = gradc("export", path("net.gradc"), "--seed", "1", "-o", path("net.pt"))
    XCTAssertEqual(ending.code, 2)
    XCTAssertTrue(ending.err.contains("expected a file whose name ends in .onnx, .safetensors or .npz"), ending.err)
    let missing = gradc("export", path("net.gradc"), "-o", path("net.onnx"))
    XCTAssertEqual(missing.code, 2)
    XCTAssertTrue(missing.err.contains("--weights is missing"), missing.err)
    gradc("export", path("net.gradc"), "--seed", "4", "-o", path("net.onnx"))
    let fresh = gradc("export", path("net.onnx"), "--seed", "4", "-o", path("other.onnx"))
    XCTAssertEqual(fresh.code, 2)
    XCTAssertTrue(fresh.err.contains("--seed makes fresh weights, but there are some already"), fresh.err)
  }
}
