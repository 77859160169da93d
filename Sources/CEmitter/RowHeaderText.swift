import Basics
import LoopIR

/// NAME_row.h: the struct of a raw row, and what encodes it.
func rowHeaderText(_ row: RowText) -> String {
  let (name, macro) = (row.name, row.macro)
  var text = blockComment([
    "\(name)_row.h: rows of raw columns for the model \(row.model.program.name), encoded as in the training",
    "that made the weights beside it. Other weights want their own: build it again after another training.", "", licence,
  ])
  text += """
    #ifndef \(macro)_ROW_H
    #define \(macro)_ROW_H

    #include <stdint.h>

    #ifdef __cplusplus
    extern "C" {
    #endif


    """
  text += rowStruct(row)
  text += """

    /* Why a row could not be encoded. */
    enum {
      \(macro)_MISSING_VALUE = 101,    /* a value is missing that nothing replaces */
      \(macro)_UNKNOWN_CATEGORY = 102, /* a category that was not in the data at training */
      \(macro)_BAD_NUMBER = 103        /* a number that is not finite, or does not fit the model's element type once encoded */
    };

    /* The first value that could not be encoded. */
    typedef struct \(name)_problem {
      int row;             /* from 0 */
      const char *column;  /* its name in the data */
      const char *message; /* what is wrong */
    } \(name)_problem;

    /* Fills the model's \(row.inputs.count == 1 ? "input" : "inputs") from n rows. Returns 0, or one of the reasons above, told in *problem
     * when that is not null; the rows before problem->row are encoded then. */
    \(row.encode);

    """
  if !row.labels.isEmpty {
    text += """

      /* The classes, in the order of the model's probabilities. */
      #define \(macro)_LABELS \(row.labels.count)
      extern const char *const \(name)_labels[\(macro)_LABELS];

      """
  }
  if row.tellsTwoClasses {
    text +=
      (row.labels.isEmpty ? "\n" : "") + """
        /* The probability from which a row counts as of class 1. */
        #define \(macro)_THRESHOLD \(floatText(row.preprocessing.threshold, .f64))

        """
  }
  if row.decodes {
    let count = row.preprocessing.targets.count
    let what = count == 1 ? "a number" : "\(count) numbers"
    let names = row.preprocessing.targets.prefix(8).map(\.name).joined(separator: ", ") + (count > 8 ? ", ..." : "")
    text += "\n" + blockComment(["n rows of the first output in the target's own unit, \(what) each: \(names)."])
    text += "\(row.decode);\n"
  }
  return text + """

    #ifdef __cplusplus
    }
    #endif
    #endif

    """
}

private func rowStruct(_ row: RowText) -> String {
  var lines = CLines()
  let markers = row.preprocessing.missingTexts.prefix(8).map { "\"\($0)\"" } + (row.preprocessing.missingTexts.count > 8 ? ["..."] : [])
  lines.raw(
    blockComment(
      [
        "One row as it stands in the data. A missing number is NAN, a missing text is null or empty"
          + (markers.isEmpty ? "" : "; so is what means it in the data: " + markers.joined(separator: ", ")) + ".",
        "A missing value is refused, and so is a category unseen in training, where nothing else is said.",
      ]))
  lines.block("typedef struct \(row.name)_row", closing: "} \(row.name)_row;") { lines in
    let declarations = row.fields.map { $0.isText ? "const char *\($0.cName);" : "double \($0.cName);" }
    let width = min(40, declarations.map(\.utf8.count).max() ?? 0)
    for (field, var declaration) in zip(row.fields, declarations) {
      declaration += String(repeating: " ", count: max(0, width - declaration.utf8.count))
      let shown = field.cName == field.column ? "" : "\"\(field.column)\": "
      lines.line("\(declaration) /* \(commentText(shown + field.columns.map(meaning).joined(separator: "; also "))) */")
    }
  }
  return lines.text
}

/// What is said about a column beside its field.
private func meaning(_ column: Preprocessing.Column) -> String {
  switch column.encoding {
  case .number(let offset, let scale, let fill):
    let scaled = offset == 0 && scale == 1 ? "a number" : "a number x, encoded as (x - \(offset)) / \(scale)"
    return scaled + (fill.map { "; missing: \($0)" } ?? "")
  case .category(let categories, let dropFirst, let unknown, let missing):
    let names =
      switch categories {
      case .numbers(let values): values.map(shortNumber)
      case .texts(let values): values.map { "\"\(shortened($0))\"" }
      }
    let more = names.count > 12 ? ", and \(names.count - 12) more" : ""
    var text = "one of " + names.prefix(12).joined(separator: ", ") + more
    if dropFirst { text += "; \(names.first ?? "the first") has no element" }
    if unknown == .zeros { text += "; unseen: zeros" }
    switch missing {
    case .refused: break
    case .zeros: text += "; missing: zeros"
    case .category(let index): text += "; missing: \(names[index])"
    }
    return text
  }
}

private func shortened(_ text: String) -> String { text.count > 40 ? String(text.prefix(40)) + "..." : text }

/// Whole numbers without a point.
private func shortNumber(_ value: Double) -> String {
  value == value.rounded() && value.magnitude < 1e15 ? "\(Int(value))" : "\(value)"
}
