import Basics
import LoopIR

/// The names and places of a preprocessing in C: fields of the row's struct, category tables, and the ports that are filled.
struct RowText {
  /// A field of the row's struct: a source column.
  struct Field {
    var cName: String
    /// The column's name in the data.
    var column: String
    var isText: Bool
    /// What becomes of it; several encodings may read one column.
    var columns: [Preprocessing.Column]
  }

  /// One column's way into an input.
  struct Step {
    var column: Preprocessing.Column
    /// Of the struct.
    var field: String
    /// Its categories in C.
    var table: String
    /// Index of the port, and the first element there.
    var port: Int
    var element: Int
  }

  let model: ModelText
  let preprocessing: Preprocessing
  private(set) var fields: [Field] = []
  private(set) var steps: [Step] = []
  /// Names of the inputs in `NAME_encode`, in the order of ports.
  private(set) var inputNames: [String] = []
  /// Category tables: C name and column.
  private(set) var tables: [(name: String, column: Preprocessing.Column)] = []

  var name: String { model.name }
  var macro: String { model.macro }
  var inputs: [Port] { model.program.inputs }

  /// Throws when the columns do not fill the model's inputs exactly.
  init(_ model: ModelText, _ preprocessing: Preprocessing) throws {
    self.model = model
    self.preprocessing = preprocessing
    guard !preprocessing.columns.isEmpty else { throw Diagnostic.bug("a preprocessing without columns") }
    let fieldOfColumn = collectFields()
    let tableOfColumn = nameTables()
    var filled = [Bool](repeating: false, count: inputs.count)
    for input in preprocessing.inputs {
      let port = try port(of: input)
      if filled[port] { throw Diagnostic("two inputs of the preprocessing feed the model's input '\(inputs[port].name)'") }
      filled[port] = true
      if inputs[port].element.isStoredFloat {
        throw Diagnostic(
          "the model's input '\(inputs[port].name)' holds \(inputs[port].element.rawValue), which raw rows cannot fill; make it f32")
      }
      var element = 0
      for index in input.columns {
        let column = preprocessing.columns[index]
        steps.append(
          Step(column: column, field: fields[fieldOfColumn[index]].cName, table: tableOfColumn[index], port: port, element: element))
        element += column.width
      }
      if element != inputs[port].rowCount {
        throw Diagnostic(
          "the preprocessing in the weights file encodes \(element) columns, the model's input '\(inputs[port].name)' takes "
            + "\(inputs[port].rowCount); the weights belong to another model")
      }
    }
    if let index = filled.firstIndex(of: false) {
      throw Diagnostic("no columns of the preprocessing in the weights file feed the model's input '\(inputs[index].name)'")
    }
  }

  private func port(of input: Preprocessing.Input) throws -> Int {
    guard let name = input.name else {
      if inputs.isEmpty { throw Diagnostic("the weights file holds a preprocessing, but the model has no input") }
      return 0
    }
    if let index = inputs.firstIndex(where: { Array($0.name.utf8) == Array(name.utf8) }) { return index }
    throw Diagnostic(
      "the preprocessing in the weights file feeds an input '\(name)'; the model has "
        + inputs.map { "'\($0.name)'" }.joined(separator: ", "))
  }

  /// A field for each source column, and again for one that is read as number and as text; gives the field of each column.
  private mutating func collectFields() -> [Int] {
    var names = NameTable(taken: Set([name, "\(name)_row", "\(name)_problem", "\(name)_labels"] + macros))
    var known: [[UInt8]: Int] = [:]
    return preprocessing.columns.map { column in
      let key = Array(column.name.utf8) + [column.isText ? 1 : 0]
      if let index = known[key] {
        fields[index].columns.append(column)
        return index
      }
      known[key] = fields.count
      fields.append(Field(cName: names.unique(column.name), column: column.name, isText: column.isText, columns: [column]))
      return fields.count - 1
    }
  }

  /// Macros of the model's headers, which no field may be called.
  private var macros: [String] { (ModelText.sizeMacros + ModelText.rowMacros).map { "\(macro)_\($0)" } + model.tensorMacros }

  /// Names at file scope of NAME_row.c; nothing hides another.
  private mutating func nameTables() -> [String] {
    let exported = ["row", "problem", "labels", "encode", "decode"].map { "\(name)_\($0)" }
    var names = NameTable(taken: Set([name] + exported + RowHelpers.reserved + fields.map(\.cName)))
    inputNames = inputs.map { names.unique($0.name) }
    return preprocessing.columns.map { column in
      guard case .category = column.encoding else { return "" }
      let table = names.unique(cIdentifier(column.name) + "_categories")
      tables.append((table, column))
      return table
    }
  }

  /// Labels of the model's classes; none for numbers.
  var labels: [String] { preprocessing.targets.first?.labels ?? [] }

  /// Whether the first output is the probability of the second of two classes.
  var tellsTwoClasses: Bool {
    (labels.count == 2 || labels.isEmpty && model.program.task == .binary) && model.program.outputs.first?.rowCount == 1
  }

  /// Whether the first output is a probability for each labelled class.
  var tellsClasses: Bool { labels.count > 1 && model.program.outputs.first?.rowCount == labels.count }

  /// Whether outputs must be scaled back to the target's own unit.
  var decodes: Bool {
    let targets = preprocessing.targets
    return model.program.outputs.first?.rowCount == targets.count && targets.allSatisfy { $0.labels.isEmpty }
      && targets.contains { $0.offset != 0 || $0.scale != 1 }
  }

  /// The signature of `NAME_encode`.
  var encode: String {
    let ports = zip(inputs, inputNames).map { "\($0.element.cMemoryType) *\($1)" }
    return "int \(name)_encode(" + (["const \(name)_row *rows", "int n"] + ports + ["\(name)_problem *problem"]).joined(separator: ", ")
      + ")"
  }

  /// The signature of `NAME_decode`.
  var decode: String {
    "void \(name)_decode(const \(model.program.outputs[0].element.cMemoryType) *outputs, int n, double *values)"
  }
}
