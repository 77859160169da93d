import Basics
import XCTest

@testable import GradcCommand

final class ArgumentsTests: XCTestCase {
  private let verb = Verb(
    "paint", "paints", operands: "MODEL", count: 1...1, about: "",
    flags: [
      Flag("batch-size", "N", "rows"), Flag("output", "DIR", "where", short: "o"), Flag("quiet", nil, "no lines"),
      Flag("freeze", "LAYER", "keeps", repeats: true), Flag("lr", "R", "rate"),
    ], examples: [], run: { _, _ in 0 })

  private func failure(_ words: [String]) -> Diagnostic? {
    do {
      _ = try verb.parse(words)
      return nil
    } catch {
      return error as? Diagnostic
    }
  }

  func testFlagsWithValues() throws {
    let found = try verb.parse(["m.gradc", "--batch-size", "32", "-o", "out", "--lr=-0.5", "--quiet"])
    XCTAssertEqual(found.operands, ["m.gradc"])
    XCTAssertEqual(found.value("batch-size"), "32")
    XCTAssertEqual(found.value("output"), "out")
    XCTAssertEqual(found.value("lr"), "-0.5")
    XCTAssertTrue(found.has("quiet"))
    XCTAssertFalse(found.has("freeze"))
  }

  func testUnderscoresAreDashes() throws {
    XCTAssertEqual(try verb.parse(["m", "--batch_size=8"]).value("batch-size"), "8")
  }

  func testNegativeNumbersAreValuesAndFlagsAreNot() throws {
    XCTAssertEqual(try verb.parse(["m", "--lr", "-1"]).value("lr"), "-1")
    XCTAssertEqual(failure(["m", "--lr", "--quiet"])?.message, "--lr needs a value: --lr R")
    XCTAssertEqual(failure(["m", "--output="])?.message, "--output needs a value: --output DIR")
  }

  func testRepeatedFlags() throws {
    XCTAssertEqual(try verb.parse(["m", "--freeze", "a", "--freeze=b"]).values("freeze"), ["a", "b"])
    XCTAssertEqual(failure(["m", "--lr", "1", "--lr", "2"])?.message, "--lr is given twice")
  }

  func testOperands() throws {
    XCTAssertEqual(try verb.parse(["-"]).operands, ["-"])
    XCTAssertEqual(try verb.parse(["--", "--odd"]).operands, ["--odd"])
    XCTAssertEqual(failure([])?.message, "gradc paint needs MODEL: gradc paint MODEL")
    XCTAssertEqual(failure(["a", "b"])?.message, "gradc paint does not take \"b\": gradc paint MODEL")
  }

  func testUnknownFlagsNameTheNearest() {
    XCTAssertEqual(failure(["m", "--batchsize", "3"])?.message, "unknown flag --batchsize for gradc paint; did you mean --batch-size?")
    XCTAssertEqual(failure(["m", "--zzzzzz"])?.message, "unknown flag --zzzzzz for gradc paint; gradc paint --help lists them")
    XCTAssertEqual(failure(["m", "--quiet=1"])?.message, "--quiet takes no value, but \"1\" was given")
    XCTAssertEqual(failure(["m", "--zzzzzz"])?.kind, .usage)
  }

  func testNumbersInRange() throws {
    let found = try verb.parse(["m", "--batch-size", "0"])
    XCTAssertThrowsError(try found.integer("batch-size", in: 1...(.max))) {
      XCTAssertEqual(($0 as? Diagnostic)?.message, "--batch-size: found \"0\", expected a whole number from 1 on")
    }
  }
}
