import CRuntime
import Foundation
import XCTest

final class TableTests: XCTestCase {
  func testQuotesNewlinesAndBlanks() throws {
    let text = "\u{FEFF}name, age ,\"note\"\r\n\"Smith, J.\",41,\"said \"\"hi\"\"\nand left\"\r\n\r\n  Ann , 7 ,\" x \"\n\"\",,\"\"\"\""
    try withTable(text) { table in
      XCTAssertEqual(table.separator, CChar(UInt8(ascii: ",")))
      XCTAssertEqual(strings(table.columns), ["name", "age", "note"])
      XCTAssertEqual(
        try cells(&table), [["Smith, J.", "41", "said \"hi\"\nand left"], ["Ann", "7", " x "], ["", "", "\""]])
      XCTAssertEqual(gradc_table_line(&table, 0), 2)
      XCTAssertEqual(gradc_table_line(&table, 1), 5)
    }
  }

  func testSeparators() throws {
    let texts = ["a,b\n1.5,x;y;z\n", "a;b\n1,5;x,y\n", "a\tb\n1,5\tx;y\n", "\"a;;;\",b\n1,2\n"]
    for text in texts {
      try withTable(text) { table in XCTAssertEqual(table.columns.count, 2, text) }
    }
    try withTable("only\n1;2\n") { table in XCTAssertEqual(try cells(&table), [["1;2"]]) }
    try withTable("a|b\n1|2\n", separator: CChar(UInt8(ascii: "|"))) { table in
      XCTAssertEqual(try cells(&table), [["1", "2"]])
    }
    try withTable("a b\n1 2\n", separator: CChar(UInt8(ascii: " "))) { table in
      XCTAssertEqual(try cells(&table), [["1", "2"]])
    }
  }

  func testWithoutHeader() throws {
    try withTable("1,2\n3,4", header: false) { table in
      XCTAssertEqual(strings(table.columns), ["c0", "c1"])
      XCTAssertEqual(try cells(&table), [["1", "2"], ["3", "4"]])
    }
  }

  func testLineEnds() throws {
    for end in ["\n", "\r\n", "\r"] {
      try withTable("a,b\(end)1,2\(end)\(end)3,4\(end)") { table in
        XCTAssertEqual(try cells(&table), [["1", "2"], ["3", "4"]])
        XCTAssertEqual(gradc_table_line(&table, 1), 4)
      }
    }
  }

  private func parseFailure(_ text: String, header: Bool = true) -> String {
    var table = gradc_table()
    return failure { gradc_table_parse(text, text.utf8.count, "t.csv", 0, header, &table, $0) }
  }

  func testErrorsNameTheLine() {
    assertContains(parseFailure(""), "t.csv", "empty")
    assertContains(parseFailure("\n\r\n"), "empty")
    assertContains(parseFailure("a,b\n"), "no rows")
    assertContains(parseFailure("a,b\n1,2\n\n3\n"), "t.csv:4", "row 2 has 1 cells, expected 2", "\"b\"")
    assertContains(parseFailure("a,b\n1,2,3\n"), "t.csv:2", "3 cells", "goes on after")
    assertContains(parseFailure("a,b\n1,\"2\n3,4\n"), "t.csv:2", "column 2", "never closed")
    assertContains(parseFailure("a,b\n1,\"2\"x\n"), "t.csv:2", "after a closing quote")
    assertContains(parseFailure("a,b,a\n1,2,3\n"), "two columns are named \"a\"")
    assertContains(parseFailure("a,b\n1,\0\n"), "t.csv:2", "zero byte", "UTF-8")
  }

  func testMissingColumnNamesTheNearest() throws {
    try withTable("age,chol\n1,2\n") { table in
      var index = 0
      try check { gradc_table_column(&table, "chol", &index, $0) }
      XCTAssertEqual(index, 1)
      assertContains(failure { gradc_table_column(&table, "cohl", &index, $0) }, "\"cohl\"", "did you mean \"chol\"")
      assertContains(failure { gradc_table_column(&table, "thalassemia", &index, $0) }, "there are age, chol")
    }
  }

  func testFiles() throws {
    try withFolder { folder in
      var table = gradc_table()
      assertContains(failure { gradc_table_read(folder + "/no.csv", 0, true, &table, $0) }, "no.csv", "No such file")
      assertContains(failure { gradc_table_read(folder, 0, true, &table, $0) }, "folder")
      try "a,b\n1,2\n".write(toFile: folder + "/t.csv", atomically: true, encoding: .utf8)
      try check { gradc_table_read(folder + "/t.csv", 0, true, &table, $0) }
      XCTAssertEqual(try cells(&table), [["1", "2"]])
      gradc_table_free(&table)
    }
  }

  /// Any bytes give a table or an error, and a table's rows can be read.
  func testHostileBytes() throws {
    let alphabet = Array("a\",;\n\r\t \u{0}1".utf8)
    for trial in 0..<3000 as Range<UInt64> {
      let length = Int(gradc_random(trial, 0) % 40)
      let bytes = (0..<length).map { alphabet[Int(gradc_random(trial, UInt64($0) + 1) % UInt64(alphabet.count))] }
      var table = gradc_table()
      let code = bytes.withUnsafeBytes {
        gradc_table_parse($0.baseAddress?.assumingMemoryBound(to: CChar.self), $0.count, "t", 0, trial % 2 == 0, &table, nil)
      }
      if code == 0 { XCTAssertEqual(try cells(&table).count, table.row_count) }
      gradc_table_free(&table)
    }
  }

  func testHeartData() throws {
    let path = try sharedData("heart/heart.csv")
    var table = gradc_table()
    try check { gradc_table_read(path, 0, true, &table, $0) }
    defer { gradc_table_free(&table) }
    XCTAssertEqual(table.row_count, 303)
    XCTAssertEqual(table.columns.count, 14)
    let rows = try cells(&table)
    XCTAssertEqual(rows[0], ["63", "1", "1", "145", "233", "1", "2", "150", "0", "2.3", "3", "0", "fixed", "0"])
    XCTAssertEqual(rows.filter { $0[13] == "1" }.count, 83)
  }

  func testWineData() throws {
    let path = try sharedData("wine_quality/winequality-red.csv")
    var table = gradc_table()
    try check { gradc_table_read(path, 0, true, &table, $0) }
    defer { gradc_table_free(&table) }
    XCTAssertEqual(table.separator, CChar(UInt8(ascii: ";")))
    XCTAssertEqual(table.row_count, 1599)
    XCTAssertEqual(strings(table.columns).first, "fixed acidity")
  }
}
