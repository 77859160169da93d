import CRuntime
import XCTest

final class EncoderTests: XCTestCase {
  /// All rows of a table in an f64 model's features.
  private func encode(_ fit: inout Fit, _ table: inout gradc_table) throws -> [[Double]] {
    let width = gradc_encoder_width(&fit.encoder)
    let ports = Ports(inputs: [("x", GRADC_F64, width)], outputs: [], targets: [], element: GRADC_F64)
    var dataset = gradc_dataset()
    try check { gradc_dataset_encode(&table, &fit.encoder, &ports.model, nil, 0, false, &dataset, $0) }
    defer { gradc_dataset_free(&dataset) }
    return rows(dataset.inputs[0], dataset.row_count)
  }

  private func names(_ encoder: inout gradc_encoder) -> [String] {
    (0..<gradc_encoder_width(&encoder)).map { index in
      let name = gradc_encoder_column_name(&encoder, 0, index)
      defer { gradc_text_free(name) }
      return String(cString: name!)
    }
  }

  private func text(_ encoder: inout gradc_encoder) throws -> String {
    var text: UnsafeMutablePointer<CChar>?
    try check { gradc_encoder_print(&encoder, &text, $0) }
    defer { gradc_text_free(text) }
    return String(cString: text!)
  }

  /// scikit-learn's StandardScaler on the same column.
  func testStandardize() throws {
    try withFit("x\n1.5\n2.25\n-3.0\n8.125\n0.5\n", line("standardize x")) { fit, table in
      XCTAssertEqual(fit.encoder.columns[0].offset, 1.875)
      XCTAssertEqual(fit.encoder.columns[0].scale, 13.0.squareRoot(), accuracy: 1e-15)
      assertEqual(
        try encode(&fit, &table).map { $0[0] },
        [-0.10400628679223047, 0.10400628679223047, -1.352081728298996, 1.733438113203841, -0.381356384904845], accuracy: 1e-15)
    }
  }

  func testMinMaxConstantAndNumeric() throws {
    let csv = "a,b,c\n2,7,-1\n4,7,5\n3,7,0.1\n"
    try withFit(csv, line("numeric c") + line("min_max a") + line("standardize b")) { fit, table in
      XCTAssertEqual(names(&fit.encoder), ["c", "a", "b"])
      XCTAssertEqual(try encode(&fit, &table), [[-1, 0, 0], [5, 1, 0], [0.1, 0.5, 0]])
    }
    try withFit("a\n7\n7\n", line("min_max a")) { fit, table in XCTAssertEqual(try encode(&fit, &table), [[0], [0]]) }
  }

  /// Numbers sort as numbers and match by value; texts sort by bytes.
  func testOneHot() throws {
    let csv = "n,t\n10,b\n9,B\n9.0,a\n-1,é\n"
    try withFit(csv, line("one_hot n") + line("one_hot drop_first t")) { fit, table in
      XCTAssertEqual(names(&fit.encoder), ["n=-1", "n=9", "n=10", "t=a", "t=b", "t=é"])
      XCTAssertEqual(
        try encode(&fit, &table), [[0, 0, 1, 0, 1, 0], [0, 1, 0, 0, 0, 0], [0, 1, 0, 1, 0, 0], [1, 0, 0, 0, 0, 1]])
    }
  }

  func testStatisticsComeFromTrainingRowsCategoriesFromAll() throws {
    let csv = "x,c\n" + (0..<20).map { "\($0 * $0),k\($0)\n" }.joined()
    try withFit(csv, line("standardize x") + line("one_hot c") + line("split train 0.5 test 0.5 seed 3")) { fit, _ in
      let rows = (0..<fit.split.counts.0).map { Double(fit.split.rows[$0]) }
      XCTAssertEqual(rows.count, 10)
      let mean = rows.reduce(0) { $0 + $1 * $1 } / 10
      let variance = rows.reduce(0) { $0 + ($1 * $1 - mean) * ($1 * $1 - mean) } / 10
      XCTAssertEqual(fit.encoder.columns[0].offset, mean)
      XCTAssertEqual(fit.encoder.columns[0].scale, variance.squareRoot(), accuracy: 1e-12)
      XCTAssertEqual(fit.encoder.columns[1].width, 20)
    }
  }

  /// Expected: scikit-learn's SimpleImputer before its StandardScaler.
  func testMissingValuesAreFilledBeforeScaling() throws {
    let csv = "x,y\n1,0\n,0\n4,0\n10,0\n?,0\n"
    let expected = [
      "mean": [-1.3801311186847083, 0, -0.34503277967117707, 1.7251638983558855, 0],
      "median": [-1.224744871391589, -0.20412414523193137, -0.20412414523193137, 1.8371173070873836, -0.20412414523193137],
    ]
    for (kind, values) in expected {
      try withFit(csv, line("missing_marker ? NA") + line("missing \(kind)") + line("standardize x")) { fit, table in
        assertEqual(try encode(&fit, &table).map { $0[0] }, values, accuracy: 1e-14)
      }
    }
  }

  func testOtherRulesForMissingValues() throws {
    let csv = "x,c\n1,a\n,\n3,b\n3,b\n8,a\n"
    func encoded(_ rules: String) throws -> [[Double]] {
      try withFit(csv, rules + line("numeric x") + line("one_hot c")) { fit, table in try encode(&fit, &table) }
    }
    XCTAssertEqual(try encoded(line("missing zero"))[1], [0, 0, 0])
    XCTAssertEqual(try encoded(line("missing most_frequent"))[1], [3, 1, 0])
    XCTAssertEqual(try encoded(line("missing constant -1 x") + line("missing constant none c"))[1], [-1, 0, 0, 1])
    XCTAssertEqual(try encoded(line("missing drop")).count, 4)
    XCTAssertEqual(try encoded(line("missing median x") + line("missing drop c")).count, 4)
    let rules = line("numeric x") + line("one_hot c")
    assertContains(fitFailure(csv, rules), "row 2 (line 3)", "\"x\"", "missing")
    assertContains(fitFailure(csv, rules + line("missing mean")), "row 2", "\"c\"", "missing")
    assertContains(fitFailure(csv, rules + line("missing mean c")), "\"c\"", "no mean")
    assertContains(fitFailure(csv, rules + line("missing constant many x")), "\"x\"", "\"many\"", "number")
    assertContains(fitFailure("x\n\"\"\n\"\"\n", line("numeric x") + line("missing drop")), "no rows are left")
    assertContains(fitFailure("x\n\"\"\n\"\"\n", line("numeric x") + line("missing mean")), "\"x\"", "no value")
  }

  func testErrorsNameRowAndColumn() {
    assertContains(
      fitFailure("x,y\n1,2\nabc,3\n", line("target y") + line("standardize x")), "t.csv", "row 2 (line 3)", "\"x\"", "\"abc\"", "number")
    assertContains(fitFailure("x,y\n1,2\n1e999,3\n", line("numeric x")), "1e999", "finite")
    assertContains(fitFailure("x,y\n1,2\n", line("numeric z")), "\"z\"", "there are x, y")
    assertContains(fitFailure("x,y\n1,2\n", line("numeric x") + line("target why")), "\"why\"")
    assertContains(fitFailure("x,y\n1,2\n", line("target y")), "names no input columns")
    assertContains(fitFailure("x,y\n1,\n", line("numeric x") + line("target y")), "row 1", "\"y\"", "target is missing")
    assertContains(fitFailure("x,y\n1,2\n", line("numeric x") + line("missing drop q")), "\"q\"")
    assertContains(fitFailure("x,y\n1,2\n", line("numeric x y") + line("input a x")), "\"y\"", "feeds no input")
    assertContains(fitFailure("x,y\n1,2\n", line("numeric x") + line("input a x y")), "\"a\"", "\"y\"")
    assertContains(fitFailure("x,w\n1,-2\n", line("numeric x") + line("sample_weight w")), "row 1", "\"w\"", "-2")
    assertContains(fitFailure("x,y\n1,a\n2,b\n", line("numeric x") + line("target y") + line("standardize_target")), "classes")
    assertContains(fitFailure("x,y\n1,a\n2,b\n", line("numeric x") + line("target y") + line("target_encoding numeric")), "\"a\"")
    assertContains(fitFailure("x,y\n1,2\n2,3\n", line("numeric x") + line("split train 0.9 test 0.1")), "no rows", "test")
  }

  func testIgnoredColumnsAndRest() throws {
    try withFit("a,b,c,d\n1,2,3,4\n", line("numeric b") + line("ignore d")) { fit, _ in
      XCTAssertEqual(strings(fit.encoder.ignored), ["a", "c"])
    }
    try withFit("a,b,c,d\n1,2,3,4\n", line("target d") + line("numeric b") + line("standardize *")) { fit, _ in
      XCTAssertEqual(names(&fit.encoder), ["b", "a", "c"])
      XCTAssertEqual(strings(fit.encoder.ignored), [])
    }
  }

  private let recipe =
    line("id k") + line("target y") + line("standardize x") + line("one_hot unknown=zeros c") + line("one_hot d")
    + line("missing median x") + line("missing_marker ?")

  private let table = "k,x,c,d,y\nu,0.1,p,1,no\nv,0.7,q\tr,2,yes\nw,?,p,3,no\n"

  func testTextRoundTrip() throws {
    try withFit(table, recipe) { fit, table in
      let printed = try text(&fit.encoder)
      var again = Fit()
      try check { gradc_encoder_parse(printed, &again.encoder, $0) }
      defer { gradc_encoder_free(&again.encoder) }
      XCTAssertEqual(try text(&again.encoder), printed)
      XCTAssertEqual(try encode(&again, &table), try encode(&fit, &table))
      XCTAssertEqual(String(cString: gradc_encoder_label(&again.encoder, 1)), "yes")
      XCTAssertNil(gradc_encoder_label(&again.encoder, 2))
      XCTAssertEqual(fit.encoder.columns[0].fill, 0.4, accuracy: 1e-15)
    }
  }

  /// New rows have no target; an unseen category is an error, or zeros where the recipe says so.
  func testNewRows() throws {
    try withFit(table, recipe) { fit, _ in
      try withTable("c,d,x,k\nnew,3.0,0.4,z\n") { rows in
        let encoded = try encode(&fit, &rows)
        XCTAssertEqual(encoded[0].count, 1 + 2 + 3)
        assertEqual(encoded[0], [0, 0, 0, 0, 0, 1], accuracy: 1e-15)
      }
      try withTable("c,d,x,k\np,1,1,z\np,4,1,z\n") { rows in
        let message = failure {
          var dataset = gradc_dataset()
          return gradc_dataset_encode(&rows, &fit.encoder, nil, nil, 0, false, &dataset, $0)
        }
        assertContains(message, "row 2 (line 3)", "\"d\"", "\"4\"", "\"1\", \"2\", \"3\"", "unknown")
      }
      try withTable("c,x,k\np,1,z\n") { rows in
        var dataset = gradc_dataset()
        assertContains(failure { gradc_dataset_encode(&rows, &fit.encoder, nil, nil, 0, false, &dataset, $0) }, "no column \"d\"")
        assertContains(failure { gradc_dataset_encode(&rows, &fit.encoder, nil, nil, 0, true, &dataset, $0) }, "no column")
      }
    }
  }

  func testHostileText() throws {
    try withFit(table, recipe) { fit, _ in
      let whole = Array(try text(&fit.encoder).utf8)
      for trial in 0..<5000 as Range<UInt64> {
        var bytes = Array(whole.prefix(trial % 3 == 0 ? Int(gradc_random(trial, 9) % UInt64(whole.count)) : whole.count))
        if !bytes.isEmpty {
          bytes[Int(gradc_random(trial, 0) % UInt64(bytes.count))] = Array("\t\n0-19.e\\xc".utf8)[Int(gradc_random(trial, 1) % 11)]
        }
        var encoder = gradc_encoder()
        if gradc_encoder_parse(String(decoding: bytes, as: UTF8.self), &encoder, nil) == 0 {
          XCTAssertGreaterThan(encoder.input_count, 0)
          for input in 0..<encoder.input_count {
            for index in 0..<encoder.inputs[input].width { gradc_text_free(gradc_encoder_column_name(&encoder, input, index)) }
          }
        }
        gradc_encoder_free(&encoder)
      }
    }
    for text in ["", "gradc.encoder\t2\n", "gradc.encoder\t1\n", "gradc.encoder\t1\ninput\t\t0\n"] {
      var encoder = gradc_encoder()
      assertContains(failure { gradc_encoder_parse(text, &encoder, $0) }, "preprocessing")
    }
  }
}
