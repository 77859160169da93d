import Basics
import LoopIR

/// The functions that `encode_row` is written in: those of them that a preprocessing needs.
struct RowHelpers {
  /// Names at file scope and of locals, which nothing else in the file may have.
  static let reserved: [String] =
    [
      "ZEROS", "REFUSED", "MISSING", "UNKNOWN", "missing_number", "missing_text", "place_of_number", "place_of_text", "encode_row",
      "explain",
      "row", "rows", "n", "i", "problem", "status", "column", "outputs", "values", "value", "text", "place", "categories", "count",
      "strcmp",
    ] + ["scaled", "number", "number_or", "one_hot"].flatMap { name in [name] + ElementType.allCases.map { "\(name)_\($0.rawValue)" } }

  private let row: RowText

  init(_ row: RowText) { self.row = row }

  /// What distinguishes the helpers of the second, third … element type among a model's inputs.
  static func suffix(_ row: RowText, _ element: ElementType) -> String { element == row.inputs[0].element ? "" : "_\(element.rawValue)" }

  private func uses(_ test: (Preprocessing.Encoding) -> Bool) -> Bool { row.steps.contains { test($0.column.encoding) } }

  private func uses(_ element: ElementType, _ test: (Preprocessing.Encoding) -> Bool) -> Bool {
    row.steps.contains { row.inputs[$0.port].element == element && test($0.column.encoding) }
  }

  var text: String {
    let readsTexts = row.steps.contains { $0.column.isText }
    let findsNumbers = row.steps.contains { !$0.column.isText && $0.column.isCategory }
    var text = readsTexts || findsNumbers ? "enum { ZEROS = -1, REFUSED = -2, MISSING = -3, UNKNOWN = -4 };\n\n" : ""
    if row.steps.contains(where: { !$0.column.isText }) { text += missingNumber }
    if readsTexts { text += missingText }
    if findsNumbers { text += search("number", "double ", "const double *", "categories[middle] < value", "categories[low] == value") }
    if readsTexts {
      text += search(
        "text", "const char *", "const char *const *", "strcmp(categories[middle], value) < 0", "strcmp(categories[low], value) == 0")
    }
    var done: [ElementType] = []
    for port in row.inputs where !done.contains(port.element) {
      done.append(port.element)
      text += numbers(port.element)
      if uses(port.element, { $0.isCategory }) { text += oneHot(port.element) }
    }
    return text
  }

  private var missingNumber: String {
    let tests = ["value != value"] + row.preprocessing.missingNumbers.map { "value == \(floatText($0, .f64))" }
    return "static int missing_number(double value) { return \(tests.joined(separator: " || ")); }\n\n"
  }

  private var missingText: String {
    let tests = ["!value", "*value == 0"] + row.preprocessing.missingTexts.map { "strcmp(value, \(stringLiteral($0))) == 0" }
    return "static int missing_text(const char *value) { return \(tests.joined(separator: " || ")); }\n\n"
  }

  private func search(_ kind: String, _ type: String, _ list: String, _ isBelow: String, _ isEqual: String) -> String {
    """
    /* The index of a value among ascending categories. */
    static int place_of_\(kind)(\(type)value, \(list)categories, int count) {
      int low = 0, high = count;
      if (missing_\(kind)(value)) return MISSING;
      while (low < high) {
        const int middle = low + (high - low) / 2;
        if (\(isBelow)) low = middle + 1;
        else high = middle;
      }
      return low < count && \(isEqual) ? low : UNKNOWN;
    }


    """
  }

  private func numbers(_ element: ElementType) -> String {
    func isFilled(_ encoding: Preprocessing.Encoding) -> Bool? {
      guard case .number(_, _, let fill) = encoding else { return nil }
      return fill != nil
    }
    let refuses = uses(element) { isFilled($0) == false }
    let fills = uses(element) { isFilled($0) == true }
    if !refuses && !fills { return "" }
    let (suffix, type) = (Self.suffix(row, element), element.cMemoryType)
    var text = """
      /* (value - offset) / scale, checked as in training. */
      static int scaled\(suffix)(double value, double offset, double scale, \(type) *to) {
      \(store(element))
        return 0;
      }


      """
    if refuses {
      text += """
        static int number\(suffix)(double value, double offset, double scale, \(type) *to) {
          return missing_number(value) ? \(row.macro)_MISSING_VALUE : scaled\(suffix)(value, offset, scale, to);
        }


        """
    }
    if fills {
      text += """
        static int number_or\(suffix)(double value, double fill, double offset, double scale, \(type) *to) {
          return scaled\(suffix)(missing_number(value) ? fill : value, offset, scale, to);
        }


        """
    }
    return text
  }

  /// From a number to an element, checked: what training would have refused is refused here too.
  private func store(_ element: ElementType) -> String {
    let type = element.cMemoryType
    let quotient = "(value - offset) / scale"
    if element.isFloat {
      let encoded = element == .f32 ? "(float)(\(quotient))" : quotient
      return """
          const \(type) encoded = \(encoded);
          if (encoded - encoded != 0) return \(row.macro)_BAD_NUMBER; /* infinite or NaN */
          *to = encoded;
        """
    }
    let range =
      switch element {
      case .i32: ("-2147483648.0", "2147483647.0")
      case .i64: ("-9007199254740992.0", "9007199254740992.0")
      case .i8: ("-128.0", "127.0")
      case .u8: ("0.0", "255.0")
      case .i16: ("-32768.0", "32767.0")
      case .u16: ("0.0", "65535.0")
      case .u32: ("0.0", "4294967295.0")
      case .u64: ("0.0", "9007199254740992.0")
      default: ("0.0", "1.0")
      }
    return """
        const double encoded = \(quotient);
        if (!(encoded >= \(range.0) && encoded <= \(range.1)) || encoded != (double)(\(type))encoded) return \(row.macro)_BAD_NUMBER;
        *to = (\(type))encoded;
      """
  }

  private func oneHot(_ element: ElementType) -> String {
    let name = "one_hot" + Self.suffix(row, element)
    return """
      /* Zeros, and a 1 for the category at `place`; `dropped` categories at the beginning have no element. */
      static int \(name)(int place, int if_missing, int if_unknown, int dropped, int width, \(element.cMemoryType) *to) {
        const int is_missing = place == MISSING;
        if (is_missing) place = if_missing;
        else if (place == UNKNOWN) place = if_unknown;
        if (place == REFUSED) return is_missing ? \(row.macro)_MISSING_VALUE : \(row.macro)_UNKNOWN_CATEGORY;
        for (int k = 0; k < width; ++k) to[k] = 0;
        if (place >= dropped) to[place - dropped] = 1;
        return 0;
      }


      """
  }
}

extension Preprocessing.Encoding {
  fileprivate var isCategory: Bool {
    if case .category = self { return true }
    return false
  }
}

extension Preprocessing.Column {
  fileprivate var isCategory: Bool { encoding.isCategory }
}
