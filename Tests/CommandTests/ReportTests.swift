import Foundation
import XCTest

@testable import Gradc

final class ReportTests: XCTestCase {
  /// A history of losses; the best epoch is that of the lowest validation loss.
  private func history(
    _ training: [Double], _ validation: [Double?] = [], stop: TrainingHistory.Stop = .epochs, evaluation: EvaluationResult? = nil
  ) -> TrainingHistory {
    let epochs = training.enumerated().map { index, loss in
      TrainingHistory.Epoch(number: index + 1, loss: loss, validationLoss: validation.indices.contains(index) ? validation[index] : nil)
    }
    let best = epochs.filter { $0.validationLoss != nil }.min { $0.validationLoss! < $1.validationLoss! }
    return TrainingHistory(
      model: "m", epochs: epochs, bestEpoch: best?.number, bestValue: best?.validationLoss, stop: stop, validation: evaluation)
  }

  private let balanced = EvaluationResult(rows: 20, loss: 0.69, confusion: [[5, 5], [5, 5]])

  // MARK: Words

  func testOverfitting() {
    let history = history([0.6, 0.5, 0.4, 0.3, 0.2, 0.1], [0.6, 0.5, 0.45, 0.5, 0.6, 0.7])
    XCTAssertEqual(history.verdict.kind, .overfitting)
    XCTAssertEqual(
      history.verdict.finding,
      "Overfitting: validation loss was lowest at epoch 3 (0.45) and rose to 0.7 by the end, while training loss went on falling from 0.4 "
        + "to 0.1.")
    XCTAssertTrue(history.verdict.remedies.contains { $0.contains("early_stopping") })
    XCTAssertTrue(history.verdictText.contains("Usual remedies: "), history.verdictText)
  }

  func testEarlyStoppingIsNoRemedyForWhatItStopped() {
    let history = history([0.6, 0.5, 0.4, 0.3, 0.2, 0.1], [0.6, 0.5, 0.45, 0.5, 0.6, 0.7], stop: .early)
    XCTAssertEqual(history.verdict.kind, .overfitting)
    XCTAssertFalse(history.verdict.remedies.contains { $0.contains("early_stopping") })
  }

  func testBothRisingIsNotOverfitting() {
    XCTAssertNotEqual(history([0.6, 0.5, 0.55, 0.6, 0.7], [0.6, 0.5, 0.55, 0.6, 0.7]).verdict.kind, .overfitting)
  }

  func testUnderfittingAgainstTheSharesOfTheClasses() {
    // Two classes of ten rows each: guessing costs ln 2.
    XCTAssertEqual(balanced.constantPredictionLoss!, 0.6931471805599453, accuracy: 1e-15)
    let verdict = history([0.7, 0.693, 0.692], [0.694, 0.693, 0.6925], evaluation: balanced).verdict
    XCTAssertEqual(verdict.kind, .underfitting)
    XCTAssertTrue(verdict.finding.contains("both losses stayed high"), verdict.finding)
    XCTAssertTrue(verdict.finding.contains("0.6931"), verdict.finding)
    XCTAssertNotEqual(history([0.7, 0.5, 0.3], [0.7, 0.5, 0.31], evaluation: balanced).verdict.kind, .underfitting)
  }

  func testAnotherLossIsNotComparedWithTheSharesOfTheClasses() {
    var history = history([7, 5, 3], [7, 5, 3.1], evaluation: balanced)
    XCTAssertEqual(history.verdict.kind, .underfitting)
    history.isCrossEntropy = false
    XCTAssertNotEqual(history.verdict.kind, .underfitting)
  }

  func testUnderfittingOfARegression() {
    let evaluation = EvaluationResult(rows: 20, loss: 1, metrics: [.init("r2", 0.02)])
    XCTAssertEqual(history([1.2, 1, 1], [1, 1, 1], evaluation: evaluation).verdict.kind, .underfitting)
  }

  func testUnderfittingWithoutValidation() {
    XCTAssertEqual(history([2, 1.99, 1.98]).verdict.kind, .underfitting)
  }

  func testStillImprovingAndFitting() {
    XCTAssertEqual(history([0.6, 0.5, 0.4], [0.6, 0.5, 0.4]).verdict.kind, .stillImproving)
    XCTAssertEqual(history([0.6, 0.4, 0.3, 0.3], [0.6, 0.4, 0.3, 0.301]).verdict.kind, .fitting)
    XCTAssertEqual(history([0.6, .nan], stop: .notFinite).verdict.kind, .diverged)
    XCTAssertEqual(history([0.6]).verdict.kind, .unknown)
  }

  func testNotesOfHealthAndDeadUnits() {
    var history = history([0.6, 0.5, 0.4], [0.6, 0.5, 0.4])
    history.health = "gradients vanish in dense1.weight"
    history.deadUnits = [.init(layer: "relu1", share: 0.25), .init(layer: "relu2", share: 0.01)]
    XCTAssertEqual(history.verdict.notes.count, 2)
    XCTAssertEqual(history.verdict.notes[1], "Dead relu units, zero on every training row: relu1 25 %, relu2 1 %.")
    history.deadUnits[1].share = 1
    XCTAssertTrue(
      history.verdict.notes[1].hasPrefix("Dead relu units, zero on every training row: relu2 100 %, relu1 25 %. A smaller rate"))
  }

  // MARK: Terminal

  func testCurveInBlocks() {
    // 16 steps from 0 to 1.5: each character one step higher, over two lines.
    let curve = TerminalCurve([.init("loss", (0..<16).map { Double($0) / 10 })]).text(columns: 80, isUnicode: true)
    XCTAssertEqual(
      curve, "                 ▁▂▃▄▅▆▇█\nloss  0  ▁▂▃▄▅▆▇█████████  1.5")
  }

  func testCurveInASCII() {
    let curve = TerminalCurve([.init("loss", [1, 0])], best: 1).text(columns: 80, isUnicode: false)
    XCTAssertEqual(curve, "         # \nloss  1  #_  0\n          ^ best: epoch 2")
    XCTAssertTrue(curve.utf8.allSatisfy { $0 < 128 })
  }

  func testCurveKeepsToItsWidth() {
    let values = (0..<1000).map { Double?.some(1 / Double($0 + 1)) }
    for columns in [30, 40, 80, 200] {
      for best in [0, 500, 999] {
        let text = TerminalCurve([.init("loss", values), .init("val_loss", values)], best: best).text(columns: columns, isUnicode: true)
        for line in text.split(separator: "\n") { XCTAssertLessThanOrEqual(line.count, columns, String(line)) }
      }
    }
  }

  func testCurveWithGaps() {
    let curve = TerminalCurve([.init("loss", [nil, 1, .nan, 2])]).text(columns: 80, isUnicode: false)
    XCTAssertEqual(curve, "            #\nloss  1   _ #  2")
  }

  // MARK: HTML

  func testReportIsOneWellFormedFile() throws {
    var history = history(
      [0.6, 0.5, 0.4], [0.6, 0.5, 0.45],
      evaluation: EvaluationResult(
        rows: 20, loss: 0.5, metrics: [.init("accuracy", 0.75)], confusion: [[9, 1], [4, 6]], labels: ["<no>", "yes & \"no\""]))
    history.model = "a<b>&c"
    let html = history.htmlReport()
    XCTAssertTrue(html.contains("<title>a&lt;b&gt;&amp;c: training report</title>"))
    XCTAssertTrue(html.contains("&lt;no&gt;") && html.contains("yes &amp; &quot;no&quot;"))
    XCTAssertFalse(html.contains("a<b>"))
    XCTAssertFalse(html.contains("<script") || html.contains("http://") || html.contains("https://"))
    XCTAssertTrue(html.contains("prefers-color-scheme: dark"))
    XCTAssertTrue(html.contains("best: epoch 3"))
    // 9 of 10 rows of the first class: nine tenths of the strongest shade. 4 of 10 of the second are wrong.
    XCTAssertTrue(html.contains("fill-opacity=\"0.80\"><title>&lt;no&gt; as &lt;no&gt;: 9 of 10</title>"), html)
    XCTAssertTrue(
      html.contains("class=\"miss\"") && html.contains("fill-opacity=\"0.59\"><title>yes &amp; &quot;no&quot; as &lt;no&gt;: 4 of 10"))
    // Recall 9 of 10, precision 9 of 13.
    XCTAssertTrue(html.contains(">90.0 %</text>") && html.contains(">69.2 %</text>"))
    for element in ["svg", "table", "tr", "td", "section", "figure", "text", "details", "div"] {
      let opened = html.components(separatedBy: "<\(element)>").count + html.components(separatedBy: "<\(element) ").count - 2
      XCTAssertEqual(opened, html.components(separatedBy: "</\(element)>").count - 1, element)
    }
  }

  func testAPictureIsTheFileThatPythonWrites() {
    // zlib.compress(…, 0) of the same scanlines, by Python 3.
    let picture = PortableNetworkGraphics(width: 2, height: 2, channels: 3, pixels: [255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30])
    XCTAssertEqual(
      picture.dataAddress,
      "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAGUlEQVR4AQEOAPH/AP8AAAD/AAAAAP8KFB4aWAM6zZjbSwAAAABJRU5ErkJggg=="
    )
    XCTAssertEqual(["", "f", "fo", "foo"].map { PortableNetworkGraphics.base64(Array($0.utf8)) }, ["", "Zg==", "Zm8=", "Zm9v"])
    // More than one stored block: 300 x 300 bytes are longer than 65,535.
    let large = PortableNetworkGraphics(width: 300, height: 300, channels: 1, pixels: Array(repeating: 7, count: 90_000))
    XCTAssertEqual(large.bytes.count, 8 + 25 + 12 + 2 + 2 * 5 + 300 * 301 + 4 + 12)
  }

  func testTheWorstImagesAreShown() {
    var history = history([0.6, 0.5], [0.6, 0.5])
    XCTAssertFalse(history.htmlReport().contains("images with the highest loss"))
    history.test = EvaluationResult(rows: 4, loss: 1, confusion: [[1, 1], [1, 1]], labels: ["cat", "dog"])
    history.worst = [
      WorstImage(
        width: 200, height: 100, channels: 1, pixels: Array(repeating: 9, count: 20_000), source: "a<b.png", actual: "cat",
        predicted: "dog",
        probability: 0.998, actualProbability: 0.002
      ).shrunk()
    ]
    history.worstPart = "test"
    let html = history.htmlReport()
    XCTAssertTrue(html.contains("Test: images with the highest loss"))
    XCTAssertTrue(html.contains("alt=\"a&lt;b.png: cat, predicted dog\""), html)
    XCTAssertTrue(html.contains("<b>cat</b> (0.2\u{A0}%)<br>predicted dog (99.8\u{A0}%)"))
    XCTAssertEqual(history.worst[0].width, 66)
    XCTAssertEqual(history.worst[0].pixels, Array(repeating: 9, count: 66 * 33))
  }

  func testManyClassesKeepToTheirWidth() throws {
    for classes in [2, 3, 10, 37, 100] {
      let counts = (0..<classes).map { row in (0..<classes).map { ($0 * 7 + row) % 5 == 0 ? $0 : 0 } }
      let svg = HeatMap(counts: counts, labels: counts.indices.map { "class number \($0)" }).svg()
      let rects = svg.components(separatedBy: "<rect ").dropFirst()
      XCTAssertEqual(rects.count, classes * classes)
      for rect in rects.prefix(classes) {
        let words = rect.split(separator: "\"", maxSplits: 8)
        XCTAssertEqual(words[2], " x=")
        XCTAssertEqual(words[6], " width=")
        XCTAssertLessThanOrEqual(try XCTUnwrap(Double(words[3])) + XCTUnwrap(Double(words[7])), 705)
      }
    }
  }

  func testNumbersInWords() {
    XCTAssertEqual(NumberText.grouped(183_242), "183,242")
    XCTAssertEqual(NumberText.grouped(-1000), "-1,000")
    XCTAssertEqual(NumberText.grouped(497), "497")
    XCTAssertEqual(NumberText.significant(0.34126, 4), "0.3413")
    XCTAssertEqual(NumberText.percent(0.965), "96.5 %")
    XCTAssertEqual(NumberText.seconds(1.5e-6), "1.5 µs")
    XCTAssertEqual(NumberText.seconds(200), "3 min 20 s")
    XCTAssertEqual(NumberText.bytes(1988), "1.99 kB")
  }
}
