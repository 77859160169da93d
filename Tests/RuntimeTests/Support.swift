import CRuntime
import Foundation
import XCTest

/// What a function of the runtime reported.
struct RuntimeError: Error, CustomStringConvertible {
  var code: Int32
  var message: String
  var description: String { "\(message) (code \(code))" }
}

/// Calls a function of the runtime and throws what it reports.
func check(_ call: (UnsafeMutablePointer<gradc_error>) -> Int32) throws {
  var error = gradc_error()
  let code = call(&error)
  guard code != 0 else { return }
  let message = String(cString: gradc_error_message(&error))
  XCTAssertEqual(code, error.code, "returned and stored code")
  XCTAssertFalse(message.isEmpty, "an error without a message")
  throw RuntimeError(code: code, message: message)
}

/// The message of a call that must fail with the given code.
func failure(
  _ code: Int = GRADC_EXIT_DATA, file: StaticString = #filePath, line: UInt = #line, _ call: (UnsafeMutablePointer<gradc_error>) -> Int32
) -> String {
  do {
    try check(call)
    XCTFail("expected an error", file: file, line: line)
    return ""
  } catch {
    let error = error as! RuntimeError
    XCTAssertEqual(Int(error.code), code, error.message, file: file, line: line)
    return error.message
  }
}

func assertContains(_ text: String, _ parts: String..., file: StaticString = #filePath, line: UInt = #line) {
  for part in parts { XCTAssertTrue(text.contains(part), "\"\(text)\" does not contain \"\(part)\"", file: file, line: line) }
}

/// A folder of its own for a test, removed after `body`.
func withFolder<T>(_ body: (String) throws -> T) throws -> T {
  let folder = NSTemporaryDirectory() + "gradc-runtime-" + UUID().uuidString
  try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(atPath: folder) }
  return try body(folder)
}

/// The path of one of the shared data sets; skips the test where they are not there.
func sharedData(_ name: String) throws -> String {
  let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
  let sibling = package.deletingLastPathComponent().appendingPathComponent("shared/data").path
  let folder = ProcessInfo.processInfo.environment["GRADC_DATA"] ?? sibling
  let path = folder + "/" + name
  guard FileManager.default.fileExists(atPath: path) else {
    throw XCTSkip("no \(name) in \(folder); set GRADC_DATA to the folder of the data sets")
  }
  return path
}

/// Parses a recipe and frees it after `body`. The words are taken as they are.
func withRecipe<T>(_ text: String, _ body: (inout gradc_recipe) throws -> T) throws -> T {
  var recipe = gradc_recipe()
  try check { gradc_recipe_parse(text, &recipe, $0) }
  defer { gradc_recipe_free(&recipe) }
  return try body(&recipe)
}

/// Words of a recipe's line, blanks to tabs.
func line(_ words: String) -> String { words.split(separator: " ").joined(separator: "\t") + "\n" }

func strings(_ list: gradc_strings) -> [String] { (0..<list.count).map { String(cString: list.items[$0]!) } }

/// Parses a table and frees it after `body`.
func withTable<T>(_ text: String, separator: CChar = 0, header: Bool = true, _ body: (inout gradc_table) throws -> T) throws -> T {
  var table = gradc_table()
  try check { gradc_table_parse(text, text.utf8.count, "t.csv", separator, header, &table, $0) }
  defer { gradc_table_free(&table) }
  return try body(&table)
}

/// All cells of a table.
func cells(_ table: inout gradc_table) throws -> [[String]] {
  var row = gradc_row()
  let columns = table.columns.count
  let count = table.row_count
  return try withUnsafePointer(to: &table) { table in
    try check { gradc_row_open(table, &row, $0) }
    defer { gradc_row_close(&row) }
    return (0..<count).map { index in
      gradc_row_read(&row, index)
      return (0..<columns).map { column in
        let cell = row.cells[column]
        return String(decoding: UnsafeRawBufferPointer(start: cell.text, count: cell.length), as: UTF8.self)
      }
    }
  }
}

/// A fitted encoder with the rows that it was fitted on.
struct Fit {
  var encoder = gradc_encoder()
  var split = gradc_split()
  var kept: [UInt32] = []
}

/// Fits a recipe to a table and frees the encoder after `body`.
func withFit<T>(_ csv: String, _ recipe: String, _ body: (inout Fit, inout gradc_table) throws -> T) throws -> T {
  try withTable(csv) { table in
    try withRecipe(recipe) { recipe in
      var fit = Fit()
      var kept: UnsafeMutablePointer<UInt32>?
      var count = 0
      try check { gradc_encoder_fit(&table, &recipe, &fit.encoder, &fit.split, &kept, &count, $0) }
      fit.kept = Array(UnsafeBufferPointer(start: kept, count: count))
      free(kept)
      defer {
        gradc_encoder_free(&fit.encoder)
        gradc_split_free(&fit.split)
      }
      return try body(&fit, &table)
    }
  }
}

/// The message of a fit that must fail.
func fitFailure(_ csv: String, _ recipe: String, file: StaticString = #filePath, line: UInt = #line) -> String {
  do {
    try withFit(csv, recipe) { _, _ in }
  } catch let error as RuntimeError {
    XCTAssertEqual(Int(error.code), GRADC_EXIT_DATA, file: file, line: line)
    return error.message
  } catch {}
  XCTFail("expected an error", file: file, line: line)
  return ""
}

/// The elements of a port as doubles, a row a list.
func rows(_ port: gradc_port_data, _ count: Int) -> [[Double]] {
  var values = [Double](repeating: 0, count: count * port.row_count)
  gradc_convert(port.data, gradc_element_dtype(port.element), values.count, &values, GRADC_DTYPE_F64)
  return (0..<count).map { Array(values[$0 * port.row_count..<($0 + 1) * port.row_count]) }
}

func assertEqual(
  _ found: [Double], _ expected: [Double], accuracy: Double = 1e-12, file: StaticString = #filePath, line: UInt = #line
) {
  guard found.count == expected.count else {
    return XCTFail("\(found.count) numbers, expected \(expected.count): \(found)", file: file, line: line)
  }
  for (index, pair) in zip(found, expected).enumerated() {
    XCTAssertEqual(pair.0, pair.1, accuracy: accuracy * max(1, abs(pair.1)), "number \(index)", file: file, line: line)
  }
}

/// A model's ports in memory, for datasets that must fit a model.
final class Ports {
  private var names: [UnsafeMutablePointer<CChar>] = []
  private var lists: [UnsafeMutablePointer<gradc_port>] = []
  var model = gradc_model()

  typealias Port = (name: String, element: gradc_element, count: Int)

  init(inputs: [Port], outputs: [Port], targets: [Port], task: gradc_task = GRADC_TASK_REGRESSION, element: gradc_element = GRADC_F32) {
    model.version = 1
    model.element = element
    model.task = task
    (model.inputs, model.input_count) = list(inputs)
    (model.outputs, model.output_count) = list(outputs)
    (model.targets, model.target_count) = list(targets)
  }

  private func list(_ ports: [Port]) -> (UnsafePointer<gradc_port>, Int32) {
    let list = UnsafeMutablePointer<gradc_port>.allocate(capacity: max(ports.count, 1))
    for (index, port) in ports.enumerated() {
      let name = strdup(port.name)!
      names.append(name)
      (list + index).initialize(to: gradc_port())
      list[index].name = UnsafePointer(name)
      list[index].element = port.element
      list[index].row_count = port.count
    }
    lists.append(list)
    return (UnsafePointer(list), Int32(ports.count))
  }

  deinit {
    names.forEach { free($0) }
    lists.forEach { $0.deallocate() }
  }
}
