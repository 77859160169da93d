import CRuntime
import Foundation
import XCTest

/// Rows that are windows: of a text, of the lines of a table; and columns of tokens.
final class TextWindowTests: XCTestCase {
  /// Loads a file by a recipe whose first line names it.
  private func load<T>(
    _ source: String, _ content: String, _ recipe: String, _ ports: Ports, _ body: (inout gradc_dataset, inout gradc_encoder) throws -> T
  ) throws -> T {
    try withFolder { folder in
      try content.write(toFile: folder + "/data", atomically: true, encoding: .utf8)
      return try withRecipe("\(source)\t\(folder)/data\n" + recipe) { recipe in
        var dataset = gradc_dataset()
        var encoder = gradc_encoder()
        try check { gradc_dataset_load(&recipe, &ports.model, nil, &dataset, &encoder, $0) }
        defer {
          gradc_dataset_free(&dataset)
          gradc_encoder_free(&encoder)
        }
        return try body(&dataset, &encoder)
      }
    }
  }

  private func refusal(_ source: String, _ content: String, _ recipe: String, _ ports: Ports) -> String {
    do { try load(source, content, recipe, ports) { _, _ in XCTFail("expected an error") } } catch {
      return (error as? RuntimeError)?.message ?? ""
    }
    return ""
  }

  private func part(_ dataset: inout gradc_dataset, _ part: gradc_part_kind) -> [UInt32] {
    var count = 0
    let rows = gradc_dataset_part(&dataset, part, &count)
    return Array(UnsafeBufferPointer(start: rows, count: count))
  }

  /// Input and target of rows, gathered into a batch.
  private func gather(_ dataset: inout gradc_dataset, _ chosen: [UInt32]) throws -> (inputs: [[Double]], targets: [[Double]]) {
    var batch = gradc_batch()
    try check { gradc_batch_create(&dataset, chosen.count, &batch, $0) }
    defer { gradc_batch_free(&batch) }
    gradc_batch_gather(&dataset, chosen, chosen.count, &batch)
    func read(_ port: gradc_port_data, _ block: UnsafeMutableRawPointer?) -> [[Double]] {
      var port = port
      port.data = block
      return rows(port, chosen.count)
    }
    return (read(dataset.inputs[0], batch.inputs[0]), read(dataset.targets[0], batch.targets[0]))
  }

  private func text(_ window: Int, classes: Int = 30, target: Int? = nil) -> Ports {
    Ports(
      inputs: [("tokens", GRADC_I32, window)], outputs: [("scores", GRADC_F32, window * classes)],
      targets: [("target", GRADC_I32, target ?? window)], task: GRADC_TASK_CLASSES)
  }

  func testWindowsOfAText() throws {
    try load("text", "abcdefghijklmnopqrst", line("tokens characters") + line("split train 0.6 validation 0.4"), text(3)) {
      dataset, encoder in
      XCTAssertEqual(part(&dataset, GRADC_PART_TRAIN), [0, 3, 6])
      XCTAssertEqual(part(&dataset, GRADC_PART_VALIDATION), [12, 15])
      XCTAssertEqual(dataset.windows.count.0, 9)
      XCTAssertEqual(dataset.windows.characters, 1)
      let (inputs, targets) = try gather(&dataset, [0, 1, 15])
      XCTAssertEqual(inputs, [[0, 1, 2], [1, 2, 3], [15, 16, 17]])
      XCTAssertEqual(targets, [[1, 2, 3], [2, 3, 4], [16, 17, 18]])
      XCTAssertEqual(encoder.text.pointee.count, 20)
    }
    try load("text", "abcdefgh", line("tokens characters") + line("window 3 stride=2"), text(3, target: 1)) { dataset, _ in
      XCTAssertEqual(part(&dataset, GRADC_PART_TRAIN), [0, 2, 4])
      XCTAssertEqual(try gather(&dataset, [0, 4]).targets, [[3], [7]])
    }
  }

  func testTypesOfTokens() throws {
    let ports = Ports(
      inputs: [("x", GRADC_U8, 2)], outputs: [("y", GRADC_F32, 2)], targets: [("t", GRADC_I64, 2)], task: GRADC_TASK_CLASSES)
    try load("text", "abcabc", line("tokens bytes"), ports) { dataset, _ in
      let (inputs, targets) = try gather(&dataset, [0, 2])
      XCTAssertEqual(inputs, [[97, 98], [99, 97]])
      XCTAssertEqual(targets, [[98, 99], [97, 98]])
    }
  }

  func testBadTexts() throws {
    let characters = line("tokens characters")
    assertContains(refusal("text", "abc", characters, text(3)), "the training part has 3 tokens", "takes 4")
    assertContains(
      refusal("text", "abcdefghij", characters + line("split train 0.8 validation 0.2"), text(3)), "the validation part has 2 tokens")
    assertContains(refusal("text", "", characters, text(3)), "is empty")
    assertContains(refusal("text", "abcdefgh", characters + line("window 4"), text(3)), "the window has 4 tokens", "i32[N, 4]")
    assertContains(refusal("text", "abcdefgh", characters, text(3, target: 2)), "takes 2 numbers")
    assertContains(
      refusal(
        "text", "abcdefgh", line("tokens bpe size=300"),
        Ports(
          inputs: [("x", GRADC_U8, 2)], outputs: [("y", GRADC_F32, 2)], targets: [("t", GRADC_I32, 2)])), "does not hold")
    for (recipe, part) in [
      ("text\ta\n", "a text needs tokens"), (line("text a") + line("tokens words"), "needs the size"),
      (line("text a") + line("tokens letters"), "characters, bytes, words or bpe"), (line("csv a") + line("tokens bytes"), "of a column"),
      (line("csv a") + line("tokens bytes column=b"), "needs length"), (line("csv a") + line("order contiguous"), "order contiguous"),
      (line("text a") + line("tokens bytes") + line("split train 1 stratified"), "stratified"),
    ] {
      assertContains(
        failure { error in
          var read = gradc_recipe()
          return gradc_recipe_parse(recipe, &read, error)
        }, part)
    }
  }

  func testRecipesArePrinted() throws {
    for lines in [
      line("text a") + line("tokens bpe size=300") + line("window 8 stride=4") + line("steps 20") + line("evaluate 5"),
      line("text a") + line("tokens bpe") + line("tokenizer b.json") + line("order contiguous"),
      line("csv a") + line("tokens words size=9 column=c") + line("length 4") + line("numeric d"),
      line("csv a") + line("window 24 ahead=3") + line("target c") + line("numeric c"),
    ] {
      try withRecipe(lines) { recipe in
        var text: UnsafeMutablePointer<CChar>?
        try check { gradc_recipe_print(&recipe, &text, $0) }
        defer { gradc_text_free(text) }
        let printed = String(cString: text!)
        for line in lines.split(separator: "\n") { XCTAssertTrue(printed.contains(line + "\n"), "\(line) in \(printed)") }
      }
    }
  }

  func testLinesOfATable() throws {
    let table = "a,b\n" + (0..<12).map { "\($0),\($0 * 10)\n" }.joined()
    let recipe = line("window 3 ahead=2") + line("numeric a b") + line("target b") + line("split train 0.5 validation 0.5")
    let ports = Ports(inputs: [("x", GRADC_F32, 6)], outputs: [("y", GRADC_F32, 2)], targets: [("b", GRADC_F32, 2)])
    try load("csv", table, recipe, ports) { dataset, _ in
      XCTAssertEqual(part(&dataset, GRADC_PART_TRAIN), [0, 1])
      XCTAssertEqual(part(&dataset, GRADC_PART_VALIDATION), [6, 7])
      let (inputs, targets) = try gather(&dataset, [1, 7])
      XCTAssertEqual(inputs, [[1, 10, 2, 20, 3, 30], [7, 70, 8, 80, 9, 90]])
      XCTAssertEqual(targets, [[40, 50], [100, 110]])
    }
    // Mean and deviation are those of the first half.
    try load("csv", table, recipe.replacingOccurrences(of: "numeric", with: "standardize"), ports) { dataset, encoder in
      XCTAssertEqual(encoder.columns[0].offset, 2.5)
    }
    assertContains(
      refusal("csv", table, recipe, Ports(inputs: [("x", GRADC_F32, 5)], outputs: [("y", GRADC_F32, 2)], targets: [("b", GRADC_F32, 2)])),
      "f32[N, 3, columns]")
    assertContains(
      refusal(
        "csv", "a,b\n1,2\n3,4\n", line("window 3") + line("numeric a") + line("target b"),
        Ports(
          inputs: [("x", GRADC_F32, 3)], outputs: [("y", GRADC_F32, 1)], targets: [("b", GRADC_F32, 1)])), "the training part has 2 lines")
  }

  func testColumnsOfTokens() throws {
    let table = "text,kind\nthe good one,a\n\"bad, bad end\",b\nthe bad thing good,a\n,b\n"
    let recipe = line("tokens words size=3 column=text") + line("length 3") + line("target kind") + line("missing zero text")
    let ports = Ports(
      inputs: [("x", GRADC_I32, 3)], outputs: [("y", GRADC_F32, 2)], targets: [("kind", GRADC_I32, 1)], task: GRADC_TASK_CLASSES)
    try load("csv", table, recipe, ports) { dataset, encoder in
      // bad 3 times, good and the twice: 2, 3, 4; 0 pads, 1 is unknown, the rest is cut off.
      XCTAssertEqual(rows(dataset.inputs[0], 4), [[4, 3, 1], [2, 2, 1], [4, 2, 1], [0, 0, 0]])
      var text: UnsafeMutablePointer<CChar>?
      try check { gradc_encoder_print(&encoder, &text, $0) }
      defer { gradc_text_free(text) }
      var read = gradc_encoder()
      try check { gradc_encoder_parse(text, &read, $0) }
      defer { gradc_encoder_free(&read) }
      XCTAssertEqual(read.columns[0].width, 3)
      XCTAssertEqual(gradc_tokenizer_size(read.columns[0].tokenizer), 5)
    }
    assertContains(refusal("csv", table, recipe.replacingOccurrences(of: "missing\tzero\ttext\n", with: ""), ports), "row 4", "\"text\"")
  }

  func testFiguresOfTokens() throws {
    var metrics = gradc_metrics()
    try check { gradc_metrics_create(GRADC_TASK_CLASSES, 5000, 0.5, false, &metrics, $0) }
    defer { gradc_metrics_free(&metrics) }
    func value(_ name: String) throws -> Double {
      var value = 0.0
      try check { gradc_metrics_value(&metrics, name, &value, $0) }
      return value
    }
    metrics.skip_errors = true
    metrics.loss = log(8)
    var scores = [Float](repeating: 0, count: 10000)
    scores[4999] = 1
    scores[5007] = 1
    try check { gradc_metrics_add(&metrics, scores, GRADC_F32, [Int32](arrayLiteral: 4999, 8), GRADC_I32, 1, 2, $0) }
    XCTAssertEqual(try value("accuracy"), 0.5)
    XCTAssertEqual(try value("perplexity"), 8, accuracy: 1e-12)
    assertContains(
      failure {
        var value = 0.0; return gradc_metrics_value(&metrics, "f1", &value, $0)
      }, "4096")
    assertContains(
      failure {
        var value = 0.0; return gradc_metrics_value(&metrics, "bits_per_byte", &value, $0)
      }, "needs a text")
    metrics.characters = 2
    metrics.bytes = 3
    XCTAssertEqual(try value("bpc"), 1.5, accuracy: 1e-12)
    XCTAssertEqual(try value("bits_per_byte"), 1, accuracy: 1e-12)
    XCTAssertFalse(gradc_metric_is_score("val_perplexity"))
  }
}
