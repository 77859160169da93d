import Foundation
import XCTest

@testable import GradcCommand

/// Images through the command: the report's sheet, tuned convolutions, profiles.
final class ImageReportTests: CommandTestCase {
  private static let model = """
    model stripes {
      input x: f32[N, 1, 8, 8]
      kind = x |> conv2d(4, 3) |> relu |> flatten |> dense(2) |> softmax
      output kind
    }
    data {
      idx "images", labels "labels"
      split train 0.6, test 0.4, seed 1
    }
    train {
      loss sparse_categorical_cross_entropy(kind, target)
      batch 16
      epochs 3
      metrics accuracy
    }
    """

  override func setUpWithError() throws {
    try super.setUpWithError()
    try write("stripes.gradc", Self.model)
    // Stripes along and across, 60 images of 8 x 8.
    func header(_ dims: [Int]) -> [UInt8] { [0, 0, 8, UInt8(dims.count)] + dims.flatMap { [0, 0, UInt8($0 >> 8), UInt8($0 & 255)] } }
    var images = header([60, 8, 8])
    for image in 0..<60 {
      for y in 0..<8 { for x in 0..<8 { images.append(((image % 2 == 0 ? x : y) + image / 2) % 3 == 0 ? UInt8(120 + image * 2) : 0) } }
    }
    try Data(images).write(to: URL(fileURLWithPath: path("images")))
    try Data(header([60]) + (0..<60).map { UInt8($0 % 2) }).write(to: URL(fileURLWithPath: path("labels")))
  }

  func testTheReportShowsTheWorstImages() throws {
    let outcome = gradc("train", path("stripes.gradc"), "--save", path("s.safetensors"), "--jit", "tcc")
    XCTAssertEqual(outcome.code, 0, outcome.err)
    let html = try read("s.html")
    XCTAssertTrue(html.contains("Test: images with the highest loss"), html)
    XCTAssertEqual(html.components(separatedBy: "src=\"data:image/png;base64,").count - 1, 24)
    XCTAssertTrue(html.contains("aria-label=\"confusion matrix\""))
  }

  func testConvolutionsAreTunedOnce() throws {
    let first = gradc("profile", path("stripes.gradc"), "--entry", "run", "--batch-size", "4", "--tune")
    XCTAssertEqual(first.code, 0, first.err)
    let shape = "forward, f32 [4, 1, 8, 8] by 4 filters 3x3 to 6x6"
    XCTAssertTrue(first.err.contains("tune: \(shape): "), first.err)
    XCTAssertTrue(first.out.contains("conv2d1  \(shape)"), first.out)
    XCTAssertTrue(first.out.contains("This machine: ") && first.out.contains("of peak"), first.out)
    // Nothing is a hundred times faster than the machine can be.
    for line in first.out.split(separator: "\n") where line.hasSuffix(" %") {
      let share = try XCTUnwrap(Double(line.split(separator: " ").dropLast().last ?? ""))
      XCTAssertLessThan(share, 10_000, String(line))
    }
    XCTAssertTrue(try read("cache/gradc/.tuning").contains("\t1\t\(shape)\t"))
    let second = gradc("profile", path("stripes.gradc"), "--entry", "run", "--batch-size", "4", "--tune")
    XCTAssertEqual(second.code, 0, second.err)
    XCTAssertFalse(second.err.contains("tune: "), second.err)
    // A damaged file counts as empty.
    try write("cache/gradc/.tuning", "what\tis\nthis\u{0}")
    XCTAssertTrue(gradc("profile", path("stripes.gradc"), "--entry", "run", "--batch-size", "4", "--tune").err.contains("tune: "))
  }

  func testAReplacedLossDropsMetricsOfClassifiers() throws {
    try writeTable("rows.csv", rows: 40, columns: 3, classes: 2)
    try write(
      "m.gradc",
      """
      model m {
        input x: f32[N, 3]
        y = x |> dense(1) |> sigmoid
        output y
      }
      data {
        csv "rows.csv"
        target "class"
        numeric "*"
        split train 0.7, validation 0.3, seed 3
      }
      train {
        loss binary_cross_entropy(y, target)
        metrics accuracy, mae
        epochs 2
        early_stopping(monitor: val_accuracy)
      }
      """)
    let outcome = gradc("train", path("m.gradc"), "--loss", "mse", "--save", path("m.safetensors"), "--jit", "tcc", "--report", "none")
    XCTAssertEqual(outcome.code, 0, outcome.err)
    XCTAssertTrue(outcome.err.contains("warning: with this loss the model is no classifier: accuracy cannot be computed"), outcome.err)
    XCTAssertTrue(outcome.out.contains("val_mae") && !outcome.out.contains("accuracy"), outcome.out)
    let nothing = gradc("train", path("m.gradc"), "--epochs", "0", "--save", path("m.safetensors"), "--jit", "tcc", "--report", "none")
    XCTAssertEqual(nothing.code, 0, nothing.err)
    XCTAssertTrue(nothing.out.contains("stopped: no epochs were asked for\n"), nothing.out)
    XCTAssertTrue(nothing.out.contains("Nothing was trained: "), nothing.out)
  }
}
