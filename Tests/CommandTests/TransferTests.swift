import Foundation
import Gradc
import XCTest

@testable import GradcCommand

/// Starting from other weights, frozen layers, replaced heads.
final class TransferTests: CommandTestCase {
  private static func model(body: String, train: String = "") -> String {
    """
    layer block(x, units) { return x |> dense(units, bias: false) |> batch_norm |> relu }
    model net {
      input x: f32[N, 6]
      class = \(body)
      output class
    }
    data {
      csv "rows.csv"
      target "class"
      standardize "*"
      split train 0.7, validation 0.3, stratified, seed 3
    }
    train {
      loss sparse_categorical_cross_entropy(class, target)
      batch 16
      epochs 2
      \(train)
    }
    """
  }

  private static let body = "x |> block(8, name: \"block1\") |> block(8, name: \"block2\") |> dense(4) |> softmax"

  override func setUpWithError() throws {
    try super.setUpWithError()
    try writeTable("rows.csv", rows: 80, columns: 6, classes: 4)
    try writeTable("three.csv", rows: 60, columns: 6, classes: 3)
    try write("net.gradc", Self.model(body: Self.body))
  }

  /// Trains without a report, and gives what was written.
  private func train(_ words: String..., save: String = "net.safetensors") throws -> (outcome: Outcome, tensors: [String: Tensor]) {
    let outcome = gradc(["train", path("net.gradc"), "--save", path(save), "--jit", "tcc", "--report", "none"] + words)
    XCTAssertEqual(outcome.code, 0, outcome.err)
    return (outcome, try Dictionary(uniqueKeysWithValues: Tensor.read([path(save)]).map { ($0.name, $0) }))
  }

  // MARK: Weights by name and shape

  func testWhatFitsIsTaken() throws {
    let first = try train().tensors
    // No update: what was taken comes out again.
    let same = try train("--weights", path("net.safetensors"), "--epochs", "0", save: "same.safetensors")
    XCTAssertTrue(same.outcome.out.contains("net.safetensors: all 12 tensors taken\n"), same.outcome.out)
    for (name, tensor) in first { XCTAssertEqual(same.tensors[name]?.bytes, tensor.bytes, name) }

    // One layer of another size, one that is new, one that is gone.
    try write("net.gradc", Self.model(body: "x |> block(8, name: \"block1\") |> dense(7, name: \"middle\") |> dense(4) |> softmax"))
    let other = try train("--weights", path("net.safetensors"), "--epochs", "0", save: "other.safetensors")
    XCTAssertTrue(other.outcome.out.contains("net.safetensors: 6 of 9 tensors taken\n"), other.outcome.out)
    XCTAssertTrue(other.outcome.out.contains("  not in the file, fresh: middle.weight, middle.bias\n"), other.outcome.out)
    XCTAssertTrue(other.outcome.out.contains("  not in the model, left out: block2."), other.outcome.out)
    XCTAssertTrue(
      other.outcome.out.contains(
        "  does not fit: tensor 'dense1.weight' of '\(path("net.safetensors"))' has shape [8, 4], the model expects [7, 4]\n"),
      other.outcome.out)
    for (name, tensor) in other.tensors where name.hasPrefix("block1") { XCTAssertEqual(tensor.bytes, first[name]?.bytes, name) }
  }

  func testWeightsOfWhichNothingFitsAreRefused() throws {
    _ = try Tensor.write([Tensor("a", dims: [2], AlignedBuffer(.f32, [1, 2]))], to: path("a.safetensors"))
    let strange = gradc("train", path("net.gradc"), "--weights", path("a.safetensors"), "--save", path("w.safetensors"), "--jit", "tcc")
    XCTAssertEqual(strange.code, 1)
    XCTAssertTrue(
      strange.err.contains("no tensor of '\(path("a.safetensors"))' has a name that 'net' has: the file holds a; the model has "))
    _ = try Tensor.write([Tensor("dense1.bias", dims: [2], AlignedBuffer(.f32, [1, 2]))], to: path("b.safetensors"))
    let small = gradc("train", path("net.gradc"), "--weights", path("b.safetensors"), "--save", path("w.safetensors"), "--jit", "tcc")
    XCTAssertEqual(small.code, 1)
    XCTAssertTrue(small.err.contains("has shape [2], the model expects [4]"), small.err)
  }

  // MARK: Freezing

  func testFrozenLayersStayToTheLastBit() throws {
    let first = try train().tensors
    let names = ["block1", "block1,block2", "block*"]
    for (freeze, kept) in zip(names, [["block1"], ["block1", "block2"], ["block1", "block2"]]) {
      let second = try train("--weights", path("net.safetensors"), "--freeze", freeze, save: "second.safetensors")
      for (name, tensor) in first {
        // Running statistics of a frozen batch normalisation too.
        let isKept = kept.contains { name.hasPrefix($0 + ".") }
        XCTAssertEqual(second.tensors[name]!.bytes == tensor.bytes, isKept, "\(freeze): \(name)")
      }
      XCTAssertTrue(second.outcome.out.contains(" of them frozen); 56 rows"), second.outcome.out)
    }
  }

  func testTheRecipeFreezes() throws {
    let first = try train().tensors
    try write("net.gradc", Self.model(body: Self.body, train: "freeze \"block1\", \"block2\""))
    let second = try train("--weights", path("net.safetensors"), save: "second.safetensors").tensors
    XCTAssertEqual(second["block2.dense1.weight"]?.bytes, first["block2.dense1.weight"]?.bytes)
    XCTAssertNotEqual(second["dense1.weight"]?.bytes, first["dense1.weight"]?.bytes)
    // The flag's word counts.
    let third = try train("--weights", path("net.safetensors"), "--freeze", "none", save: "third.safetensors").tensors
    XCTAssertNotEqual(third["block2.dense1.weight"]?.bytes, first["block2.dense1.weight"]?.bytes)
    try write("net.gradc", Self.model(body: Self.body, train: "freeze \"blok1\""))
    let unknown = gradc("train", path("net.gradc"))
    XCTAssertEqual(unknown.code, 1)
    XCTAssertTrue(
      unknown.err.contains("net.gradc:17:10: error: no layer 'blok1' with parameters to freeze; did you mean 'block1'?"), unknown.err)
  }

  func testFrozenLayersCostNothingBackwards() throws {
    func gradients(_ words: String...) throws -> Int {
      let outcome = gradc(["summary", path("net.gradc")] + words)
      let line = try XCTUnwrap(outcome.out.split(separator: "\n").first { $0.hasPrefix("gradients  ") }, outcome.err)
      return try XCTUnwrap(Int(line.split(separator: " ")[1].filter(\.isNumber)))
    }
    // 8 x 4 weights and 4 biases of four bytes, rounded up to 64: nothing else has a gradient.
    XCTAssertEqual(try gradients("--freeze", "block*"), 192)
    XCTAssertGreaterThan(try gradients(), 192 + 4 * 6 * 8)
    let graph = gradc("dump", path("net.gradc"), "--after", "differentiated", "--entry", "backward", "--freeze", "block*").out
    XCTAssertTrue(graph.contains("gradient \"dense1.weight\""), graph)
    XCTAssertFalse(graph.contains("gradient \"block"), graph)
    let code = gradc("dump", path("net.gradc"), "--after", "program", "--entry", "backward", "--freeze", "block*").out
    XCTAssertTrue(code.contains("gradient") || code.contains("dense1"), code)
    for line in code.split(separator: "\n") where line.contains("block") {
      XCTAssertFalse(line.contains("_dw") || line.contains("_dx") || line.contains("gradient"), String(line))
    }
    // With one block to learn, the one below it still costs nothing.
    let upper = gradc("dump", path("net.gradc"), "--after", "differentiated", "--entry", "backward", "--freeze", "block1").out
    XCTAssertTrue(upper.contains("gradient \"block2"), upper)
    XCTAssertFalse(upper.contains("gradient \"block1"), upper)
  }

  func testFrozenFreshLayersAreDoubted() {
    let outcome = gradc(
      "train", path("net.gradc"), "--freeze", "block1", "--save", path("w.safetensors"), "--jit", "tcc", "--report", "none")
    XCTAssertEqual(outcome.code, 0)
    XCTAssertTrue(outcome.err.contains("warning: frozen layers keep fresh random weights"), outcome.err)
  }

  // MARK: Another head

  func testTheHeadIsReplaced() throws {
    let first = try train().tensors
    let words = ["--weights", path("net.safetensors"), "--replace-head", "3", "--data", path("three.csv"), "--freeze", "block*"]
    let outcome = gradc(
      ["train", path("net.gradc"), "--save", path("three.safetensors"), "--jit", "tcc", "--report", "none"] + words)
    XCTAssertEqual(outcome.code, 0, outcome.err)
    XCTAssertTrue(
      outcome.out.contains("net.safetensors: 10 of 12 tensors taken\n  replaced, fresh: dense1.weight, dense1.bias\n"), outcome.out)
    let second = try Dictionary(uniqueKeysWithValues: Tensor.read([path("three.safetensors")]).map { ($0.name, $0) })
    XCTAssertEqual(second["dense1.weight"]?.dims, [8, 3])
    XCTAssertEqual(second["dense1.bias"]?.dims, [3])
    XCTAssertEqual(second["block2.dense1.weight"]?.bytes, first["block2.dense1.weight"]?.bytes)

    // What comes after needs no flag: the weights say how many classes there are.
    let predicted = gradc(
      "predict", path("net.gradc"), "--weights", path("three.safetensors"), "--data", path("three.csv"), "--jit", "tcc")
    XCTAssertEqual(predicted.code, 0, predicted.err)
    XCTAssertTrue(predicted.out.hasPrefix("row,class,probability,probability_c0,probability_c1,probability_c2\n"), predicted.out)
    XCTAssertTrue(predicted.err.contains("has 3 outputs of 'dense1' where \(path("net.gradc")) has 4: its head is taken"), predicted.err)
    let build = gradc("build", path("net.gradc"), "--weights", path("three.safetensors"), "-o", path("c"), "--inference")
    XCTAssertEqual(build.code, 0, build.err)
    let weights = try Tensor.read([path("c/net.safetensors")])
    XCTAssertEqual(weights.first { $0.name == "dense1.bias" }?.dims, [3])
  }

  func testAFreshHeadOfTheSameSizeIsFresh() throws {
    let first = try train().tensors
    let second = try train(
      "--weights", path("net.safetensors"), "--replace-head", "4", "--seed", "9", "--epochs", "0", save: "second.safetensors"
    ).tensors
    XCTAssertNotEqual(second["dense1.weight"]?.bytes, first["dense1.weight"]?.bytes)
    XCTAssertEqual(second["block1.dense1.weight"]?.bytes, first["block1.dense1.weight"]?.bytes)
  }

  func testAConvolutionCanBeTheHead() throws {
    try write(
      "image.gradc",
      """
      model image {
        input x: f32[N, 1, 8, 8]
        y = x |> conv2d(4, 3) |> batch_norm |> relu |> conv2d(10, 1) |> global_average_pooling2d |> softmax
        output y
      }
      train { loss sparse_categorical_cross_entropy(y, target) }
      """)
    let outcome = gradc("summary", path("image.gradc"), "--replace-head", "3")
    XCTAssertEqual(outcome.code, 0, outcome.err)
    XCTAssertTrue(
      outcome.out.contains("f32[N, 3, 6, 6]"), outcome.out)
    XCTAssertTrue(outcome.out.contains("Trainable params:     63 "), outcome.out)
    // 4 x 9 + 4 + 8 elements do not learn any longer; nothing is computed for them backwards.
    let frozen = gradc("summary", path("image.gradc"), "--freeze", "conv2d1,batch_norm1")
    XCTAssertTrue(frozen.out.contains("Trainable params:      50 "), frozen.out)
    let graph = gradc("dump", path("image.gradc"), "--after", "differentiated", "--entry", "backward", "--freeze", "conv2d1,batch_norm1")
      .out
    XCTAssertFalse(graph.contains("state \"batch_norm1.running_mean\" <-") || graph.contains("gradient \"conv2d1"), graph)
    // Nothing below the first layer that learns needs a gradient.
    let all = gradc("dump", path("image.gradc"), "--after", "program", "--entry", "backward").out
    let rest = gradc("dump", path("image.gradc"), "--after", "program", "--entry", "backward", "--freeze", "conv2d1,batch_norm1").out
    XCTAssertTrue(all.contains("; input_gradient, "), all)
    XCTAssertFalse(rest.contains("; input_gradient, "), rest)
    XCTAssertTrue(rest.contains("; filter_gradient, "), rest)
  }

  func testAModelWithoutAHead() throws {
    try write("none.gradc", "model none {\n  input x: f32[N, 4]\n  y = x |> batch_norm |> softmax\n  output y\n}\n")
    let none = gradc("summary", path("none.gradc"), "--replace-head", "3")
    XCTAssertEqual(none.code, 1)
    XCTAssertEqual(
      none.err,
      "error: there is no head to replace: no dense layer or convolution with parameters leads to the output 'y' of model 'none'\n")
    try write("sum.gradc", "model sum {\n  input x: f32[N, 4]\n  y = dense(x, 4) + x\n  output y\n}\n")
    let sum = gradc("summary", path("sum.gradc"), "--replace-head", "3")
    XCTAssertEqual(sum.code, 1)
    XCTAssertTrue(sum.err.contains("the head 'dense1' cannot give 3 outputs instead of 4: "), sum.err)
    XCTAssertEqual(gradc("summary", path("net.gradc"), "--replace-head", "0").code, 2)
  }
}
