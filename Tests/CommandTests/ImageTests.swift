import CRuntime
import Foundation
import Toolchain
import XCTest

@testable import GradcCommand

/// Images from their files to predictions, in a folder of their own.
final class ImageTests: XCTestCase {
  private var folder = ""

  override func setUpWithError() throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent("gradc-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    setenv("XDG_CACHE_HOME", folder + "/cache", 1)
  }

  override func tearDown() {
    unsetenv("XDG_CACHE_HOME")
    try? FileManager.default.removeItem(atPath: folder)
  }

  private func path(_ name: String) -> String { "\(folder)/\(name)" }

  private func write(_ name: String, _ data: Data) throws {
    let file = path(name)
    try FileManager.default.createDirectory(
      atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try data.write(to: URL(fileURLWithPath: file))
  }

  private func write(_ name: String, _ text: String) throws { try write(name, Data(text.utf8)) }

  private struct Outcome {
    var code: Int32
    var out: String
    var err: String
  }

  @discardableResult
  private func gradc(_ words: String...) -> Outcome {
    var (out, err) = ("", "")
    let code = runCommand(words, Console(write: { out += $0 }, writeError: { err += $0 }))
    return Outcome(code: code, out: out, err: err)
  }

  private func train(_ words: String..., name: String = "sides") -> Outcome {
    var (out, err) = ("", "")
    let all = ["train", path("\(name).gradc"), "--save", path("\(name).safetensors"), "--report", "none", "--jit", "tcc"] + words
    let code = runCommand(all, Console(write: { out += $0 }, writeError: { err += $0 }))
    return Outcome(code: code, out: out, err: err)
  }

  /// Images of 8 x 8 whose left (class 0) or right half is bright, with noise.
  private func pixels(_ row: Int, channels: Int = 1) -> [UInt8] {
    (0..<8 * 8 * channels).map { at -> UInt8 in
      let x = at / channels % 8
      let noise = (row * 7919 + at * 104_729) % 90
      let isBright = (x < 4) == (row % 2 == 0)
      return UInt8(isBright ? 160 + noise : noise)
    }
  }

  private func writeIDX(_ count: Int, images: String = "images.idx", labels: String = "labels.idx") throws {
    try write(images, ImageFiles.idx((0..<count).flatMap { pixels($0) }, dims: [count, 8, 8]))
    try write(labels, ImageFiles.idx((0..<count).map { UInt8($0 % 2) }, dims: [count]))
  }

  private func writeFolder(_ name: String, _ count: Int) throws {
    for row in 0..<count {
      try write("\(name)/\(["left", "right"][row % 2])/\(row).png", ImageFiles.png(pixels(row), height: 8, width: 8))
    }
  }

  private func model(_ data: String, input: String = "f32[N, 1, 8, 8]", more: String = "epochs 12") -> String {
    """
    model sides {
      input image: \(input)
      output side = image |> flatten |> dense(2) |> softmax
    }
    data {
    \(data.split(separator: ";").map { "  \($0)" }.joined(separator: "\n"))
    }
    train {
      loss sparse_categorical_cross_entropy(side, target)
      optimizer adam(rate: 0.02)
      batch 8
      \(more)
      metrics accuracy
    }
    """
  }

  private let idx = "idx \"images.idx\", labels \"labels.idx\";classes \"left\", \"right\";standardize channels;split test 0.2, stratified"

  // MARK: Training

  func testTrainsOnIDXAndPredictsFiles() throws {
    try writeIDX(80)
    try write("sides.gradc", model(idx))
    let outcome = train()
    XCTAssertEqual(outcome.code, 0, outcome.err)
    XCTAssertTrue(
      outcome.out.hasPrefix("sides: 130 parameters; 64 rows to train on, 0 for validation, 16 for the test\n"), outcome.out)
    XCTAssertTrue(outcome.out.contains("test (16 rows)") && outcome.out.contains("accuracy 1\n"), outcome.out)
    XCTAssertTrue(outcome.out.contains("left") && outcome.out.contains("right"), "the confusion matrix names classes: \(outcome.out)")

    try writeFolder("photos", 4)
    let predicted = gradc(
      "predict", path("sides.gradc"), path("photos/left/0.png"), path("photos/right"), "--weights", path("sides.safetensors"), "--jit",
      "tcc")
    XCTAssertEqual(predicted.code, 0, predicted.err)
    let lines = predicted.out.split(separator: "\n").map(String.init)
    XCTAssertEqual(lines.first, "file,class,probability,probability_left,probability_right")
    XCTAssertEqual(
      lines.dropFirst().map { $0.split(separator: ",").prefix(2).joined(separator: " ") },
      ["\(path("photos/left/0.png")) left", "\(path("photos/right/1.png")) right", "\(path("photos/right/3.png")) right"])

    let evaluated = gradc("eval", path("sides.gradc"), "--weights", path("sides.safetensors"), "--jit", "tcc")
    XCTAssertTrue(evaluated.out.hasPrefix("test (16 rows)  loss "), evaluated.out + evaluated.err)
  }

  func testTheSameWithAnyNumberOfThreadsAndAfterAResume() throws {
    try writeIDX(60)
    try write("sides.gradc", model(idx + ";augment flip, shift 1, rotate 5", more: "epochs 4"))
    XCTAssertEqual(train().code, 0)
    let once = try Data(contentsOf: URL(fileURLWithPath: path("sides.safetensors")))
    XCTAssertEqual(train("--threads", "2").code, 0)
    XCTAssertEqual(try Data(contentsOf: URL(fileURLWithPath: path("sides.safetensors"))), once)
    XCTAssertEqual(train("--epochs", "2").code, 0)
    XCTAssertEqual(train("--resume", path("sides.checkpoint")).code, 0)
    XCTAssertEqual(try Data(contentsOf: URL(fileURLWithPath: path("sides.safetensors"))), once)
    XCTAssertEqual(train("--seed", "1").code, 0)
    XCTAssertNotEqual(try Data(contentsOf: URL(fileURLWithPath: path("sides.safetensors"))), once)
  }

  func testTrainsOnAFolderOfColourImagesWithATestFolder() throws {
    for row in 0..<24 {
      let name = "\(row < 16 ? "train" : "test")/\(["left", "right"][row % 2])/\(row).png"
      try write(name, ImageFiles.png(pixels(row, channels: 3), height: 8, width: 8, channels: 3))
    }
    let data = "images \"train\";test images \"test\";standardize channels"
    try write("sides.gradc", model(data, input: "f32[N, 3, 4, 4]"))
    let outcome = train()
    XCTAssertEqual(outcome.code, 0, outcome.err)
    XCTAssertTrue(outcome.out.contains("16 rows to train on, 0 for validation, 8 for the test"), outcome.out)
    XCTAssertTrue(outcome.out.contains("accuracy 1\n"), outcome.out)
  }

  func testTrainsOnCIFARRecords() throws {
    var bytes: [UInt8] = []
    for row in 0..<24 {
      let channel = (0..<1024).map { at -> UInt8 in
        let isBright = (at % 32 < 16) == (row % 2 == 0)
        return UInt8((isBright ? 150 : 0) + (row * 31 + at * 7) % 100)
      }
      bytes.append(UInt8(row % 2))
      for _ in 0..<3 { bytes += channel }
    }
    try write("batch.bin", Data(bytes))
    let text = model("cifar10 \"batch.bin\";split test 0.25, stratified", input: "f32[N, 3, 32, 32]").replacingOccurrences(
      of: "dense(2)", with: "dense(10)")
    try write("sides.gradc", text)
    let outcome = train()
    XCTAssertEqual(outcome.code, 0, outcome.err)
    XCTAssertTrue(outcome.out.contains("accuracy 1\n"), outcome.out)
  }

  /// 64 columns of a table are an image of 8 x 8.
  func testColumnsFillAnImage() throws {
    var text = (0..<64).map { "p\($0)" }.joined(separator: ",") + ",side\n"
    for row in 0..<40 { text += pixels(row).map(String.init).joined(separator: ",") + ",\(row % 2)\n" }
    try write("table.csv", text)
    try write("sides.gradc", model("csv \"table.csv\";target \"side\";min_max \"*\";split test 0.2"))
    let outcome = train()
    XCTAssertEqual(outcome.code, 0, outcome.err)
  }

  // MARK: What is refused

  func testASizeThatDoesNotFitIsSaidBeforeTraining() throws {
    try writeIDX(10)
    try write("sides.gradc", model(idx, input: "f32[N, 1, 9, 8]"))
    let outcome = train()
    XCTAssertEqual(outcome.code, 1)
    XCTAssertTrue(outcome.err.contains("images.idx") && outcome.err.contains("8 x 8") && outcome.err.contains("9 x 8"), outcome.err)
    XCTAssertEqual(outcome.out, "")
  }

  func testBadFilesAreNamedOrLeftOut() throws {
    try writeFolder("photos", 12)
    let whole = ImageFiles.png(pixels(0), height: 8, width: 8)
    try write("photos/left/bad.png", whole.prefix(60))
    try write("photos/right/worse.jpg", Data([0xFF, 0xD8, 0xFF, 0x00]))
    try write("sides.gradc", model("images \"photos\""))
    let refused = train()
    XCTAssertEqual(refused.code, 1)
    XCTAssertTrue(refused.err.contains("photos/left/bad.png"), refused.err)
    let outcome = train("--skip-bad")
    XCTAssertEqual(outcome.code, 0, outcome.err)
    XCTAssertTrue(outcome.err.contains("2 images") && outcome.err.contains("bad.png") && outcome.err.contains("worse.jpg"), outcome.err)
    XCTAssertTrue(outcome.out.contains("12 rows to train on"), outcome.out)
    let predict = ["predict", path("sides.gradc"), path("photos/left"), "--weights", path("sides.safetensors"), "--jit", "tcc"]
    var (out, err) = ("", "")
    let console = Console(write: { out += $0 }, writeError: { err += $0 })
    XCTAssertEqual(runCommand(predict, console), 1)
    XCTAssertTrue(err.contains("bad.png"), err)
    (out, err) = ("", "")
    XCTAssertEqual(runCommand(predict + ["--skip-bad"], console), 0, err)
    XCTAssertEqual(out.split(separator: "\n").count, 7)
  }

  func testFoldersThatAreNoClassesAndLabelsOutOfRange() throws {
    try writeFolder("photos", 4)
    try FileManager.default.removeItem(atPath: path("photos/right"))
    try write("sides.gradc", model("images \"photos\""))
    let single = train()
    XCTAssertEqual(single.code, 1)
    XCTAssertTrue(single.err.contains("photos"), single.err)
    try write("sides.gradc", model("images \"nowhere\""))
    XCTAssertEqual(train().code, 1)

    try writeIDX(10)
    try write("labels.idx", ImageFiles.idx([0, 1, 0, 1, 0, 9, 0, 1, 0, 1], dims: [10]))
    try write("sides.gradc", model("idx \"images.idx\", labels \"labels.idx\""))
    let outcome = train()
    XCTAssertEqual(outcome.code, 1)
    XCTAssertTrue(outcome.err.contains("9"), outcome.err)
    try write("images.idx", Data([0, 0, 8, 3, 0, 0, 0, 10, 0x7F]))
    XCTAssertEqual(train().code, 1)
  }

  func testAModelOfRowsTakesNoImageFiles() throws {
    var text = "a,b,c\n"
    for row in 0..<20 { text += "\(row % 5),\(row % 3),\(row % 2)\n" }
    try write("table.csv", text)
    let model = "model rows {\n  input x: f32[N, 2]\n  output y = x |> dense(2) |> softmax\n}\n"
    let blocks =
      "data {\n  csv \"table.csv\"\n  target \"c\"\n  numeric \"*\"\n}\ntrain {\n  loss sparse_categorical_cross_entropy(y, target)\n}\n"
    try write("rows.gradc", model + blocks)
    XCTAssertEqual(train("--epochs", "1", name: "rows").code, 0)
    let outcome = gradc("predict", path("rows.gradc"), path("a.png"), "--weights", path("rows.safetensors"), "--jit", "tcc")
    XCTAssertEqual(outcome.code, 2)
    XCTAssertTrue(outcome.err.contains("a.png"), outcome.err)
  }

  func testAnArenaLargerThanMemoryIsRefused() throws {
    let memory = Int(clamping: gradc_physical_memory())
    // A thousand rows need several times what there is.
    let width = memory / 2000
    let wide = "model wide {\n  input x: f32[N, 4]\n  output y = x |> dense(\(width)) |> tanh |> dense(2) |> softmax\n}\n"
    let blocks = """
      data {
        csv "table.csv"
        target "t"
        numeric "*"
      }
      train {
        loss sparse_categorical_cross_entropy(y, target)
        batch 1000
      }

      """
    try write("table.csv", "a,b,c,d,t\n1,2,3,4,0\n4,3,2,1,1\n")
    try write("wide.gradc", wide + blocks)
    let outcome = train(name: "wide")
    XCTAssertEqual(outcome.code, 1)
    XCTAssertTrue(outcome.err.contains("training with a batch of 1,000 needs "), outcome.err)
    let rows = try XCTUnwrap(outcome.err.split(separator: " ").last.flatMap { Int($0.dropLast()) })
    XCTAssertTrue(50...900 ~= rows, outcome.err)
  }

  // MARK: Emitted code

  func testEmittedCodeMakesInputsOfPixelsAsTheCommandDoes() throws {
    guard CCompiler(command: "gcc") != nil else { throw XCTSkip("no gcc") }
    try writeIDX(40)
    try write("sides.gradc", model(idx, more: "epochs 3"))
    XCTAssertEqual(train().code, 0)
    try writeFolder("photos", 1)
    let built = gradc(
      "build", path("sides.gradc"), "--weights", path("sides.safetensors"), "-o", path("out"), "--blas", "none")
    XCTAssertTrue(built.out.contains("sides_image.c, sides_image.h"), built.out + built.err)
    let bytes = pixels(0).map(String.init).joined(separator: ", ")
    try write(
      "out/main.c",
      """
      #include "sides.h"
      #include "sides_image.h"
      #include <stdio.h>
      _Alignas(64) static sides model;
      _Alignas(64) static unsigned char scratch[SIDES_SCRATCH_BYTES + 1], bytes[1 << 16];
      static const uint8_t pixels[] = {\(bytes)};
      int main(void) {
        float image[SIDES_IMAGE_CHANNELS * SIDES_IMAGE_HEIGHT * SIDES_IMAGE_WIDTH], side[2];
        FILE *file = fopen("\(path("sides.safetensors"))", "rb");
        size_t size = fread(bytes, 1, sizeof bytes, file);
        if (sides_load(&model, bytes, size) != GRADC_OK) return 1;
        sides_pixels(pixels, 1, image);
        if (sides_run(&model, image, side, 1, scratch) != GRADC_OK) return 2;
        printf("%s %.9g %.9g\\n", sides_labels[side[1] > side[0]], (double)side[0], (double)side[1]);
        return 0;
      }

      """)
    let flags = "-std=c11 -Wall -Wextra -Wconversion -Wpedantic -Werror -ffp-contract=off"
    XCTAssertEqual(
      try shell("cd \(path("out")) && gcc \(flags) main.c sides.c sides_image.c -lm -o main && make -s CC=gcc && ./sides_example"), 0)
    let own = try output("\(path("out"))/main")
    let predicted = gradc(
      "predict", path("sides.gradc"), path("photos/left/0.png"), "--weights", path("sides.safetensors"), "--jit", "tcc", "--blas", "none")
    let cells = try XCTUnwrap(predicted.out.split(separator: "\n").last).split(separator: ",")
    let words = own.split(separator: " ").map { $0.trimmingCharacters(in: .whitespacesAndNewlines) }
    XCTAssertEqual(words[0], String(cells[1]))
    XCTAssertEqual(Float(words[1]), Float(cells[3]))
    XCTAssertEqual(Float(words[2]), Float(cells[4]))
  }

  func testANativeTrainerOfImagesTrainsAsTheCommandDoes() throws {
    guard CCompiler(command: "gcc") != nil else { throw XCTSkip("no gcc") }
    try writeIDX(40)
    try write("sides.gradc", model(idx + ";augment shift 1", more: "epochs 3"))
    XCTAssertEqual(train("--blas", "none").code, 0)
    // The result does not depend on it, and the runtime is compiled sooner.
    setenv("CFLAGS", "-O1", 1)
    defer { unsetenv("CFLAGS") }
    let built = gradc("build", path("sides.gradc"), "-o", path("out"), "--trainer", "--blas", "none", "--cc", "gcc")
    XCTAssertEqual(built.code, 0, built.err)
    XCTAssertEqual(
      try shell("cd \(path("out")) && ./sides_trainer --quiet --data \(folder) --save again.safetensors > said.txt 2>&1"), 0)
    XCTAssertEqual(
      try Data(contentsOf: URL(fileURLWithPath: path("out/again.safetensors"))),
      try Data(contentsOf: URL(fileURLWithPath: path("sides.safetensors"))))
  }

  private func shell(_ command: String) throws -> Int32 {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", command]
    try process.run()
    process.waitUntilExit()
    return process.terminationStatus
  }

  private func output(_ program: String) throws -> String {
    let file = path("output.txt")
    XCTAssertEqual(try shell("\(program) > \(file)"), 0)
    return try String(contentsOfFile: file, encoding: .utf8)
  }
}
