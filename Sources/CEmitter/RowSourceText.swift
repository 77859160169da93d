import Basics
import LoopIR

/// NAME_row.c: encodes raw rows; labels; scales outputs back.
func rowSourceText(_ row: RowText) -> String {
  var text = blockComment(["\(row.name)_row.c: rows of raw columns, encoded as in the training of \(row.model.program.name).", "", licence])
  text += """
    #include "\(row.name)_row.h"
    #include <stddef.h>
    #include <string.h>


    """
  if row.decodes { text += "#if defined(__clang__)\n#pragma STDC FP_CONTRACT OFF\n#endif\n\n" }
  if hasLongText(row) { text += "#if defined(__GNUC__)\n#pragma GCC diagnostic ignored \"-Woverlength-strings\"\n#endif\n\n" }
  for table in row.tables { text += tableText(table.name, table.column) }
  text += (row.tables.isEmpty ? "" : "\n") + RowHelpers(row).text + encodeRow(row) + "\n" + explain(row) + "\n" + encodeRows(row)
  if !row.labels.isEmpty {
    let labels = row.labels.map { stringLiteral($0) }
    text += "\nconst char *const \(row.name)_labels[\(row.macro)_LABELS] = {\(wrapped(labels))};\n"
  }
  return text + (row.decodes ? "\n" + decodeRows(row) : "")
}

/// A text longer than what C11 promises that a literal may be.
private func hasLongText(_ row: RowText) -> Bool {
  func isLong(_ text: String) -> Bool { text.utf8.count > 4000 }
  return (row.labels + row.preprocessing.missingTexts).contains(where: isLong)
    || row.preprocessing.columns.contains { column in
      guard case .category(.texts(let values), _, _, _) = column.encoding else { return isLong(column.name) }
      return isLong(column.name) || values.contains(where: isLong)
    }
}

private func tableText(_ name: String, _ column: Preprocessing.Column) -> String {
  guard case .category(let categories, _, _, _) = column.encoding else { return "" }
  switch categories {
  case .numbers(let values): return "static const double \(name)[] = {\(wrapped(values.map { floatText($0, .f64) }))};\n"
  case .texts(let values): return "static const char *const \(name)[] = {\(wrapped(values.map { stringLiteral($0) }))};\n"
  }
}

/// A list in one line, or in several when it is long.
private func wrapped(_ items: [String]) -> String {
  let line = items.joined(separator: ", ")
  if line.utf8.count <= 100 { return line }
  var lines = [""]
  for item in items {
    if !lines[lines.count - 1].isEmpty, lines[lines.count - 1].utf8.count + item.utf8.count > 116 { lines.append("") }
    lines[lines.count - 1] += (lines[lines.count - 1].isEmpty ? "" : " ") + item + ","
  }
  return "\n  " + lines.joined(separator: "\n  ") + "\n"
}

/// The recipe, a statement a column.
private func encodeRow(_ row: RowText) -> String {
  let ports = zip(row.inputs, row.inputNames).map { "\($0.element.cMemoryType) *\($1)" }
  let arguments = (["const \(row.name)_row *row"] + ports + ["const char **column"]).joined(separator: ", ")
  var lines = CLines()
  lines.line("/* One row. *column is the one in work: where it failed, after an error. */")
  lines.block("static int encode_row(\(arguments))") { lines in
    lines.line("int status;")
    for step in row.steps {
      lines.line("*column = \(stringLiteral(step.column.name));")
      lines.line("if ((status = \(call(row, step))) != 0) return status;")
    }
    lines.line("return 0;")
  }
  return lines.text
}

private func call(_ row: RowText, _ step: RowText.Step) -> String {
  let place = "&\(row.inputNames[step.port])[\(step.element)]"
  let suffix = RowHelpers.suffix(row, row.inputs[step.port].element)
  switch step.column.encoding {
  case .number(let offset, let scale, let fill):
    let transform = "\(floatText(offset, .f64)), \(floatText(scale, .f64)), \(place)"
    guard let fill else { return "number\(suffix)(row->\(step.field), \(transform))" }
    return "number_or\(suffix)(row->\(step.field), \(floatText(fill, .f64)), \(transform))"
  case .category(let categories, let dropFirst, let unknown, let missing):
    let find = step.column.isText ? "place_of_text" : "place_of_number"
    let found = "\(find)(row->\(step.field), \(step.table), \(categories.count))"
    let rules = "\(replacement(missing)), \(replacement(unknown)), \(dropFirst ? 1 : 0)"
    return "one_hot\(suffix)(\(found), \(rules), \(step.column.width), \(place))"
  }
}

private func replacement(_ replacement: Preprocessing.Replacement) -> String {
  switch replacement {
  case .refused: "REFUSED"
  case .zeros: "ZEROS"
  case .category(let index): "\(index)"
  }
}

private func explain(_ row: RowText) -> String {
  """
  static const char *explain(int status) {
    switch (status) {
      case \(row.macro)_MISSING_VALUE: return "the value is missing, and the recipe refuses missing values here";
      case \(row.macro)_UNKNOWN_CATEGORY: return "the category was not seen in training";
      default: return "the number is not finite, or does not fit the model once encoded";
    }
  }

  """
}

private func encodeRows(_ row: RowText) -> String {
  let places = zip(row.inputs, row.inputNames).map { "\($1) + (size_t)i * \($0.rowCount)" }
  var lines = CLines()
  lines.block(row.encode) { lines in
    lines.block("for (int i = 0; i < n; ++i)") { lines in
      lines.line("const char *column = 0;")
      lines.line("const int status = encode_row(\((["&rows[i]"] + places + ["&column"]).joined(separator: ", ")));")
      lines.line("if (status == 0) continue;")
      lines.block("if (problem)") { lines in
        lines.line("problem->row = i;")
        lines.line("problem->column = column;")
        lines.line("problem->message = explain(status);")
      }
      lines.line("return status;")
    }
    lines.line("return 0;")
  }
  return lines.text
}

private func decodeRows(_ row: RowText) -> String {
  let targets = row.preprocessing.targets
  var lines = CLines()
  lines.block(row.decode) { lines in
    lines.block("for (size_t i = 0; n > 0 && i < (size_t)n; ++i)") { lines in
      for (index, target) in targets.enumerated() {
        let at = targets.count == 1 ? "i" : "i * \(targets.count) + \(index)"
        let offset = (target.offset < 0 ? "- " : "+ ") + floatText(target.offset.magnitude, .f64)
        lines.line("values[\(at)] = (double)outputs[\(at)] * \(floatText(target.scale, .f64)) \(offset);")
      }
    }
  }
  return lines.text
}
