import Basics
import CEmitter
import CRuntime
import Foundation
import Gradc
import LoopIR
import Toolchain
import XCTest

@testable import TestSupport

/// Not Foundation's.
typealias Port = LoopIR.Port

/// A runtime's encoder, fitted to a table and taken through its text form as a weights file does.
struct FittedRows {
  let encoder: Encoder
  let preprocessing: Preprocessing

  /// `recipe` has a line each, words between blanks.
  init(_ csv: String, _ recipe: String) throws {
    let (fitted, parsed) = (Encoder(), Encoder())
    let lines = recipe.split(separator: "\n").map { $0.split(separator: " ").joined(separator: "\t") + "\n" }.joined()
    var table = gradc_table()
    var plan = gradc_recipe()
    var split = gradc_split()
    var kept: UnsafeMutablePointer<UInt32>?
    var count = 0
    try callRuntime { gradc_table_parse(csv, csv.utf8.count, "t.csv", 0, true, &table, $0) }
    defer { gradc_table_free(&table) }
    try callRuntime { gradc_recipe_parse(lines, &plan, $0) }
    defer { gradc_recipe_free(&plan) }
    try callRuntime { gradc_encoder_fit(&table, &plan, fitted.pointer, &split, &kept, &count, $0) }
    free(kept)
    gradc_split_free(&split)
    var text: UnsafeMutablePointer<CChar>?
    try callRuntime { gradc_encoder_print(fitted.pointer, &text, $0) }
    defer { gradc_text_free(text) }
    try callRuntime { gradc_encoder_parse(text, parsed.pointer, $0) }
    encoder = parsed
    preprocessing = Preprocessing(parsed)!
  }

  /// A program with these inputs and an output, which nobody runs.
  func program(_ inputs: [Port]? = nil, output: Int = 1) -> Program {
    let width = gradc_encoder_width(encoder.pointer)
    return Program(
      name: "visit", element: .f32, symbols: [Symbol(name: "n", maximum: 8)],
      inputs: inputs ?? [Port(name: "features", element: .f32, dims: [width])],
      outputs: [Port(name: "risk", element: .f32, dims: [output])])
  }

  /// NAME_row.h and NAME_row.c.
  func emitted(_ program: Program) throws -> (header: String, source: String) {
    let project = try emitProject(program, contents: ProjectContents(preprocessing: preprocessing))
    return (project.file("\(project.name)_row.h")!.text, project.file("\(project.name)_row.c")!.text)
  }

  /// The bytes of every input for all rows, as training sees them; the message of an error.
  func runtime(_ csv: String, _ program: Program) throws -> Result<[[UInt8]], Diagnostic> {
    var table = gradc_table()
    try callRuntime { gradc_table_parse(csv, csv.utf8.count, "new.csv", 0, true, &table, $0) }
    defer { gradc_table_free(&table) }
    let names = program.inputs.map { strdup($0.name)! }
    defer { names.forEach { free($0) } }
    let ports = zip(program.inputs, names).map {
      gradc_port(name: $1, element: $0.element.runtimeElement, rank: 2, dims: nil, row_count: $0.rowCount)
    }
    let all = (0..<UInt32(table.row_count)).map { $0 }
    return try ports.withUnsafeBufferPointer { ports in
      var model = gradc_model()
      model.input_count = Int32(ports.count)
      model.inputs = ports.baseAddress
      var dataset = gradc_dataset()
      do {
        try callRuntime { gradc_dataset_encode(&table, encoder.pointer, &model, all, all.count, false, &dataset, $0) }
      } catch let error as Diagnostic {
        return .failure(error)
      }
      defer { gradc_dataset_free(&dataset) }
      return .success(
        program.inputs.indices.map { index in
          let port = dataset.inputs[index]
          return Array(UnsafeRawBufferPointer(start: port.data, count: dataset.row_count * port.row_bytes))
        })
    }
  }

  /// The rows of a table as the emitted struct: eight bytes a field, numbers or texts.
  func rows(_ csv: String) throws -> RawRows {
    var table = gradc_table()
    try callRuntime { gradc_table_parse(csv, csv.utf8.count, "new.csv", 0, true, &table, $0) }
    defer { gradc_table_free(&table) }
    var row = gradc_row()
    try callRuntime { gradc_row_open(&table, &row, $0) }
    defer { gradc_row_close(&row) }
    var fields: [(column: Int, isText: Bool)] = []
    for column in preprocessing.columns {
      var index = 0
      try callRuntime { gradc_table_column(&table, column.name, &index, $0) }
      var isText = false
      if case .category(.texts, _, _, _) = column.encoding { isText = true }
      if !fields.contains(where: { $0.column == index && $0.isText == isText }) { fields.append((index, isText)) }
    }
    let rows = RawRows(count: table.row_count)
    for index in 0..<table.row_count {
      gradc_row_read(&row, index)
      for field in fields {
        let cell = row.cells[field.column]
        let text = String(decoding: UnsafeRawBufferPointer(start: cell.text, count: cell.length), as: UTF8.self)
        if field.isText { rows.append(text: text) } else { rows.append(number: text) }
      }
    }
    return rows
  }
}

/// Memory of the struct of rows.
final class RawRows {
  let count: Int
  private(set) var words: [UInt64] = []
  private var texts: [UnsafeMutablePointer<CChar>] = []

  init(count: Int) { self.count = count }
  deinit { texts.forEach { free($0) } }

  func append(text: String) {
    // The empty text and null mean the same: take turns.
    if text.isEmpty && words.count % 2 == 0 { return words.append(0) }
    texts.append(strdup(text))
    words.append(UInt64(UInt(bitPattern: texts.last!)))
  }

  /// A cell that is no number is NaN when it is empty or a marker, else infinite.
  func append(number text: String) {
    var value = 0.0
    if !gradc_parse_number(text, text.utf8.count, &value) { value = text.isEmpty || text == "NA" ? .nan : .infinity }
    words.append(value.bitPattern)
  }
}

/// What the emitted function made of rows.
struct EncodedRows {
  var status: Int32
  var inputs: [[UInt8]]
  var row: Int
  var column: String
  var message: String
}

/// The emitted NAME_row.c, compiled by one compiler.
final class RowLibrary {
  private let symbol: UnsafeMutableRawPointer
  private let handle: UnsafeMutableRawPointer

  init(_ emitted: (header: String, source: String), compiler: [String], folder: URL) throws {
    try emitted.header.write(to: folder.appendingPathComponent("visit_row.h"), atomically: true, encoding: .utf8)
    let source = folder.appendingPathComponent("visit_row.c")
    try emitted.source.write(to: source, atomically: true, encoding: .utf8)
    let library = folder.appendingPathComponent("\(UUID().uuidString).so").path
    let result = try execute(compiler + ["-fPIC", "-shared", "-o", library, source.path])
    XCTAssertEqual(result.output, "", compiler.joined(separator: " "))
    guard result.status == 0, let handle = dlopen(library, RTLD_NOW), let symbol = dlsym(handle, "visit_encode") else {
      throw Diagnostic("cannot build or load \(library)")
    }
    self.handle = handle
    self.symbol = symbol
  }

  /// Calls `visit_encode` of one or two inputs.
  func encode(_ rows: RawRows, _ program: Program) -> EncodedRows {
    typealias One = @convention(c) (UnsafeRawPointer?, Int32, UnsafeMutableRawPointer, UnsafeMutableRawPointer?) -> Int32
    typealias Two =
      @convention(c) (
        UnsafeRawPointer?, Int32, UnsafeMutableRawPointer, UnsafeMutableRawPointer, UnsafeMutableRawPointer?
      ) -> Int32
    let buffers = program.inputs.map { AlignedBuffer($0.element, count: rows.count * $0.rowCount) }
    var problem = [UInt64](repeating: 0, count: 3)
    let status = rows.words.withUnsafeBytes { words in
      problem.withUnsafeMutableBytes { problem in
        buffers.count == 1
          ? unsafeBitCast(symbol, to: One.self)(words.baseAddress, Int32(rows.count), buffers[0].pointer, problem.baseAddress)
          : unsafeBitCast(symbol, to: Two.self)(
            words.baseAddress, Int32(rows.count), buffers[0].pointer, buffers[1].pointer, problem.baseAddress)
      }
    }
    func text(_ word: UInt64) -> String { UnsafePointer<CChar>(bitPattern: UInt(word)).map { String(cString: $0) } ?? "" }
    return EncodedRows(
      status: status, inputs: buffers.map { Array(UnsafeRawBufferPointer(start: $0.pointer, count: $0.bytes)) },
      row: Int(UInt32(truncatingIfNeeded: problem[0])), column: text(problem[1]), message: text(problem[2]))
  }

  /// Calls `visit_decode`.
  func decode(_ outputs: [Float], rows: Int) -> [Double] {
    typealias Decode = @convention(c) (UnsafePointer<Float>, Int32, UnsafeMutablePointer<Double>) -> Void
    var values = [Double](repeating: 0, count: outputs.count)
    unsafeBitCast(dlsym(handle, "visit_decode")!, to: Decode.self)(outputs, Int32(rows), &values)
    return values
  }
}
