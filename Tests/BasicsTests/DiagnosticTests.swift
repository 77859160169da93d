import Basics
import XCTest

final class DiagnosticTests: XCTestCase {
  func testErrorIsPrintedLikeClang() {
    let error = Diagnostic(
      "unknown layer 'dens'", at: SourceLocation(file: "m.gradc", line: 2, column: 5), length: 4, fixIt: "dense")
    XCTAssertEqual(
      error.rendered(source: "model m {\n  x |dens(3)\n}"),
      "m.gradc:2:5: error: unknown layer 'dens'\n    x |dens(3)\n      ^~~~\n      dense")
  }

  func testNearestName() {
    XCTAssertEqual(nearestName(to: "dens", among: ["dropout", "dense", "flatten"]), "dense")
    XCTAssertEqual(nearestName(to: "sigmiod", among: ["sigmoid", "softmax"]), "sigmoid")
    XCTAssertNil(nearestName(to: "zebra", among: ["dense", "relu"]))
  }
}
