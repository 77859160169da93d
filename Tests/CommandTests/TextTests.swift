import Foundation
import XCTest

/// Texts, columns of text and time series through the verbs.
final class TextTests: CommandTestCase {
  private func writeText() throws {
    let words = ["the", "cat", "sat", "on", "a", "mat", "and", "dogs", "ran"]
    try write("text.txt", (0..<400).map { words[($0 * 7 + $0 / 5) % words.count] + ($0 % 11 == 10 ? "\n" : " ") }.joined())
  }

  private func writeModel(_ tokens: String, classes: Int, train: String = "") throws {
    try write(
      "m.gradc",
      """
      model m {
        input tokens: f32[N, 8]
        scores = tokens / \(classes) |> dense(16) |> relu |> dense(\(8 * classes)) |> reshape([8, \(classes)])
        output scores
      }
      data {
        text "text.txt"
        tokens \(tokens)
        split train 0.8, validation 0.1, test 0.1
      }
      train {
        loss sparse_categorical_cross_entropy(scores, target, from_logits: true)
        optimizer adam(rate: 0.01)
        batch 16
        epochs 4
        metrics accuracy, perplexity, bits_per_character
      \(train)
      }

      """)
  }

  private func train(_ words: String...) -> Outcome {
    gradc(["train", path("m.gradc"), "--report", "none", "--jit", "tcc"] + words)
  }

  func testCharactersLearnAndResume() throws {
    try writeText()
    try writeModel("characters", classes: 24, train: "  steps 10\n  evaluate 5")
    let whole = train("--save", path("a.safetensors"))
    XCTAssertEqual(whole.code, 0, whole.err)
    XCTAssertTrue(whole.out.contains("bits_per_character"), whole.out)
    XCTAssertFalse(whole.out.contains("actual \\ predicted"), whole.out)
    XCTAssertEqual(train("--save", path("b.safetensors"), "--epochs", "2", "--checkpoint", path("c")).code, 0)
    let rest = train("--save", path("b.safetensors"), "--resume", path("c"), "--threads", "2")
    XCTAssertEqual(rest.code, 0, rest.err)
    XCTAssertEqual(
      try Data(contentsOf: URL(fileURLWithPath: path("a.safetensors"))), try Data(contentsOf: URL(fileURLWithPath: path("b.safetensors"))))
    let judged = gradc("eval", path("m.gradc"), "--weights", path("a.safetensors"), "--jit", "tcc")
    XCTAssertTrue(judged.out.contains("perplexity"), judged.out + judged.err)
    let other = train("--resume", path("c"), "--steps", "0", "--save", path("d.safetensors"))
    XCTAssertEqual(other.code, 1)
    XCTAssertTrue(other.err.contains("the same data and split are needed") || other.err.contains("drawn at random"), other.err)
  }

  func testOrdersAndVocabularies() throws {
    try writeText()
    try writeModel("bpe(260)", classes: 260, train: "  order contiguous")
    var outcome = train("--save", path("a.safetensors"))
    XCTAssertEqual(outcome.code, 0, outcome.err)
    try writeModel("characters", classes: 5)
    outcome = train("--save", path("b.safetensors"))
    XCTAssertEqual(outcome.code, 1)
    XCTAssertTrue(outcome.err.contains("its last layer needs"), outcome.err)
    // A text to evaluate with a character that the training did not have.
    try writeModel("characters", classes: 24)
    XCTAssertEqual(train("--save", path("c.safetensors")).code, 0)
    try write("other.txt", String(repeating: "the cat ", count: 20) + "Z")
    outcome = gradc("eval", path("m.gradc"), "--weights", path("c.safetensors"), "--data", path("other.txt"), "--jit", "tcc")
    XCTAssertEqual(outcome.code, 1)
    XCTAssertTrue(outcome.err.contains("other.txt: the character \"Z\" (U+005A) at byte 160"), outcome.err)
  }

  func testReviewsAreClassified() throws {
    var table = "review,mood\n"
    for row in 0..<60 {
      let good = row % 2 == 0
      table += "\"\(good ? "fine" : "dull"), number\(row % 7) it is\",\(good ? "glad" : "sad")\n"
    }
    try write("reviews.csv", table)
    try write(
      "m.gradc",
      """
      model m {
        input words: f32[N, 4]
        output y = words |> dense(8, activation: relu) |> dense(1) |> sigmoid
      }
      data {
        csv "reviews.csv"
        tokens words(20), "review"
        length 4
        target "mood"
      }
      train {
        loss bce(y, target)
        optimizer adam(rate: 0.02)
        epochs 60
        metrics accuracy
      }

      """)
    let trained = train("--save", path("m.safetensors"))
    XCTAssertEqual(trained.code, 0, trained.err)
    try write("new.csv", "review\n\"dull, unheard it is\"\nfine number1 it is\n")
    let told = gradc("predict", path("m.gradc"), "--weights", path("m.safetensors"), "--data", path("new.csv"), "--jit", "tcc")
    XCTAssertEqual(told.code, 0, told.err)
    XCTAssertEqual(told.out.split(separator: "\n").map { $0.split(separator: ",")[1] }, ["class", "sad", "glad"])
  }

  func testSeriesInTheirOwnUnit() throws {
    try write("series.csv", "load,heat\n" + (0..<120).map { "\(100 + $0 % 4),\($0 % 3)\n" }.joined())
    try write(
      "m.gradc",
      """
      model m {
        input past: f32[N, 6, 2]
        output next = past |> flatten |> dense(2)
      }
      data {
        csv "series.csv"
        window 6, ahead 2
        standardize "load", "heat"
        target "load"
        standardize_target
        split train 0.8, validation 0.2
      }
      train {
        loss mse(next, target)
        optimizer adam(rate: 0.02)
        epochs 60
        metrics mae
      }

      """)
    let trained = train("--save", path("m.safetensors"))
    XCTAssertEqual(trained.code, 0, trained.err)
    let told = gradc("predict", path("m.gradc"), "--weights", path("m.safetensors"), "--jit", "tcc")
    let lines = told.out.split(separator: "\n").map { $0.split(separator: ",") }
    XCTAssertEqual(lines[0], ["row", "load_predicted_1", "load_predicted_2"])
    XCTAssertEqual(lines.count, 1 + 115)
    // The window of lines 0 to 5 is followed by 102 and 103.
    XCTAssertEqual(Double(lines[1][1])!, 102, accuracy: 0.5)
    XCTAssertEqual(Double(lines[1][2])!, 103, accuracy: 0.5)
  }
}
