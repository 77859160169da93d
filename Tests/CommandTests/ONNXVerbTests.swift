import Foundation
import Gradc
import XCTest

/// Verbs on ONNX files that PyTorch's exporters made.
final class ONNXVerbTests: CommandTestCase {
  private func file(_ name: String) -> String {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("references/\(name)").path
  }

  private func tensors(_ path: String) throws -> [String: Tensor] {
    Dictionary(uniqueKeysWithValues: try Tensor.read([path]).map { ($0.name, $0) })
  }

  func testCheckNamesEveryNodeThatCannotBeRead() {
    let outcome = gradc("check", file("unknown.onnx"))
    XCTAssertEqual(outcome.code, 3)
    XCTAssert(
      outcome.out.contains("node 'first' (Frobnicate): the operator is not supported (domain 'nobody.knows', version 1)"), outcome.out)
    XCTAssert(outcome.out.contains("node 'third'"), outcome.out)
    XCTAssertFalse(outcome.out.contains("node 'second'"), outcome.out)
  }

  func testCheckNamesNodesWithoutGradient() {
    let outcome = gradc("check", file("steps.onnx"))
    XCTAssertEqual(outcome.code, 3)
    XCTAssert(outcome.out.contains("node 'rounded' (Floor): no gradient passes through it"), outcome.out)
    XCTAssertFalse(outcome.out.contains("scaled"), outcome.out)
  }

  func testCheckHasNothingAgainstAWholeModel() {
    let outcome = gradc("check", file("scores.onnx"))
    XCTAssertEqual(outcome.code, 0, outcome.err)
    XCTAssert(outcome.out.contains("nothing to complain about"), outcome.out)
  }

  func testScoresNeedAWordAndThenTrain() throws {
    try writeTable("rows.csv", rows: 90, columns: 4, classes: 3)
    let words = [
      "train", file("scores.onnx"), "--data", path("rows.csv"), "--target", "class", "--save", path("w.safetensors"), "--jit", "tcc",
    ]
    let silent = gradc(words + ["--loss", "cross_entropy"])
    XCTAssertEqual(silent.code, 2)
    XCTAssert(silent.err.contains("from_logits=true"), silent.err)
    let loss = ["--loss", "cross_entropy,from_logits=true"]
    let outcome = gradc(words + loss + ["--metrics", "accuracy", "--epochs", "20", "--lr", "0.02"])
    XCTAssertEqual(outcome.code, 0, outcome.err)
    let (before, after) = (try Tensor.read([file("test_data_set_0")]), try tensors(path("w.safetensors")))
    XCTAssertEqual(before.count, 1)
    XCTAssertEqual(after.mapValues(\.dims), ["0.weight": [8, 4], "0.bias": [8], "2.weight": [3, 8], "2.bias": [3]])
    let rows = ["--data", path("rows.csv"), "--target", "class", "--metrics", "accuracy", "--jit", "tcc"]
    let judged = gradc(["eval", file("scores.onnx"), "--weights", path("w.safetensors")] + loss + rows)
    XCTAssertEqual(judged.code, 0, judged.err)
    let accuracy = judged.out.components(separatedBy: "accuracy ").last.flatMap { Double($0.prefix { $0 != "\n" && $0 != " " }) }
    XCTAssertGreaterThan(try XCTUnwrap(accuracy), 0.85, judged.out)
    // Without weights the file's own are judged, which know nothing of these rows.
    let own = gradc(["eval", file("scores.onnx")] + loss + rows)
    XCTAssertEqual(own.code, 0, own.err)
    XCTAssertNotEqual(own.out, judged.out)
  }

  func testPredictionsOfScoresAreProbabilities() throws {
    try writeTable("rows.csv", rows: 30, columns: 4, classes: 3)
    let outcome = gradc(
      "predict", file("scores.onnx"), "--data", path("rows.csv"), "--target", "class", "--loss", "cross_entropy,from_logits=true", "--jit",
      "tcc")
    XCTAssertEqual(outcome.code, 0, outcome.err)
    let rows = outcome.out.split(separator: "\n").dropFirst().map { $0.split(separator: ",") }
    XCTAssertEqual(rows.count, 30)
    for row in rows { XCTAssertEqual(row.suffix(3).compactMap { Double($0) }.reduce(0, +), 1, accuracy: 1e-5) }
  }

  func testReplacedHeadIsFreshAndTheRestIsTheFiles() throws {
    try writeTable("rows.csv", rows: 60, columns: 4, classes: 4)
    try write(
      "five.gradc",
      """
      data {
        csv "rows.csv"
        target "class"
        numeric "*"
      }
      train {
        loss sparse_categorical_cross_entropy(scores, target, from_logits: true)
        freeze "0"
        epochs 1
      }
      """)
    let outcome = gradc(
      "train", file("scores.onnx"), "--recipe", path("five.gradc"), "--replace-head", "4", "--save", path("w.safetensors"), "--jit", "tcc")
    XCTAssertEqual(outcome.code, 0, outcome.err)
    let found = try tensors(path("w.safetensors"))
    XCTAssertEqual(found["2.weight"]?.dims, [4, 8])
    XCTAssertEqual(found["2.bias"]?.dims, [4])
    // Frozen, so the values are those of the file, which its own weights tell.
    XCTAssertEqual(gradc("export", file("scores.onnx"), "-o", path("own.safetensors")).code, 0)
    XCTAssertEqual(found["0.weight"]?.bytes, try tensors(path("own.safetensors"))["0.weight"]?.bytes)
    XCTAssertNotEqual(found["2.bias"]?.bytes, [UInt8](repeating: 0, count: 16))
  }

  func testARecipeHasNoModel() throws {
    try write("both.gradc", "model m { input x: f32[N, 4]\n output y = x |> dense(3) }\ntrain { loss mse(scores, target) }\n")
    let outcome = gradc("summary", file("scores.onnx"), "--recipe", path("both.gradc"))
    XCTAssertEqual(outcome.code, 1)
    XCTAssert(outcome.err.contains("a recipe has `data` and `train` blocks alone"), outcome.err)
  }

  func testGoldenVerifiesTheTensorsOfONNXRuntime() throws {
    let folder = file("test_data_set_0")
    let outcome = gradc("golden", "verify", file("scores.onnx"), folder)
    XCTAssertEqual(outcome.code, 0, outcome.err)
    XCTAssert(outcome.out.contains("output_0"), outcome.out)
    XCTAssertEqual(gradc("golden", "record", file("training_form.onnx"), path("test_data_set_1")).code, 0)
    XCTAssertEqual(gradc("golden", "verify", file("training_form.onnx"), path("test_data_set_1"), "--exact").code, 0)
    XCTAssertEqual(gradc("golden", "verify", file("inference_form.onnx"), path("test_data_set_1"), "--tolerance", "1e-9").code, 4)
  }

  func testNormalisationLearnsItsStatisticsAndFoldedOneIsToldOf() throws {
    try writeTable("rows.csv", rows: 48, columns: 36, classes: 3)
    func train(_ name: String, _ save: String) -> Outcome {
      gradc(
        "train", file(name), "--data", path("rows.csv"), "--target", "class", "--loss", "cross_entropy", "--epochs", "2", "--save",
        path(save),
        "--jit", "tcc")
    }
    let learned = train("training_form.onnx", "a.safetensors")
    XCTAssertEqual(learned.code, 0, learned.err)
    XCTAssertFalse(learned.err.contains("exported for inference"), learned.err)
    let mean = try XCTUnwrap(tensors(path("a.safetensors"))["1.running_mean"])
    XCTAssertNotEqual(mean.bytes, [UInt8](repeating: 0, count: 12))
    let folded = train("inference_form.onnx", "b.safetensors")
    XCTAssertEqual(folded.code, 0, folded.err)
    XCTAssert(folded.err.contains("batch normalisation is folded into '/0/Conv'"), folded.err)
  }

  func testBuildGivesTheFilesWeights() throws {
    let outcome = gradc("build", file("scores.onnx"), "-o", path("c"), "--inference", "--blas", "none")
    XCTAssertEqual(outcome.code, 0, outcome.err)
    XCTAssertEqual(try tensors(path("c/scores.safetensors"))["2.weight"]?.dims, [3, 8])
    XCTAssert(try read("c/scores.h").contains("scores_run"))
  }

  func testGradientsOfAnExportedModelAreRight() {
    let outcome = gradc("gradcheck", file("training_form.onnx"))
    XCTAssertEqual(outcome.code, 0, outcome.out + outcome.err)
  }
}
