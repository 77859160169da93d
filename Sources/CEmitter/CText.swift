import Basics

extension ElementType {
  /// The C type of one element in memory; f16 and bf16 are their bits.
  var cMemoryType: String {
    switch self {
    case .f32: "float"
    case .f64: "double"
    case .i8: "int8_t"
    case .i16: "int16_t"
    case .i32: "int32_t"
    case .i64: "int64_t"
    case .u8, .bool: "uint8_t"
    case .u16: "uint16_t"
    case .f16, .bf16: "uint16_t"
    case .u32: "uint32_t"
    case .u64: "uint64_t"
    }
  }

  /// The C type of a value in an expression: memory's, but int for bool.
  var cValueType: String { self == .bool ? "int" : cMemoryType }

  /// Whether C computes in int what is stored in this type.
  var isNarrow: Bool { size < 4 && self != .bool }

  /// The enumerator of `gradc_element`.
  var descriptorName: String { "GRADC_\(rawValue.uppercased())" }
}

/// How tightly a C expression binds: what needs parentheses inside what.
enum Precedence: Int, Comparable {
  case whole, additive, multiplicative, unary, primary

  static func < (a: Precedence, b: Precedence) -> Bool { a.rawValue < b.rawValue }
}

/// A C expression with what is needed to put it into another.
struct Expression {
  var text: String
  var precedence: Precedence
  var element: ElementType

  init(_ text: String, _ precedence: Precedence, _ element: ElementType) {
    self.text = text
    self.precedence = precedence
    self.element = element
  }

  /// The text, in parentheses unless it binds at least as tightly as asked.
  func at(_ least: Precedence) -> String { precedence >= least ? text : "(\(text))" }
}

/// A finite float as the shortest decimal that every correct reader turns into the same bits.
func floatText(_ value: Double, _ element: ElementType) -> String {
  var text = element == .f32 ? "\(Float(value))" : "\(value)"
  if !text.contains(".") && !text.contains("e") { text += ".0" }
  return text + (element == .f32 ? "f" : "")
}

/// An integer constant of its type.
func integerText(_ value: Int, _ element: ElementType) -> Expression {
  switch element {
  case .i64 where value == Int.min: Expression("(-9223372036854775807LL - 1)", .primary, element)
  case .i64 where value.magnitude > UInt(Int32.max): Expression("\(value)LL", value < 0 ? .unary : .primary, element)
  case .i64: Expression("(int64_t)\(value < 0 ? "(\(value))" : "\(value)")", .unary, element)
  case .i32 where value == Int(Int32.min): Expression("(-2147483647 - 1)", .primary, element)
  case .u32: Expression("\(UInt32(truncatingIfNeeded: value))u", .primary, element)
  case .u64: Expression("\(UInt64(bitPattern: Int64(value)))ULL", .primary, element)
  case .u8: Expression("\(UInt8(truncatingIfNeeded: value))", .primary, element)
  case .u16: Expression("\(UInt16(truncatingIfNeeded: value))", .primary, element)
  default: Expression("\(value)", value < 0 ? .unary : .primary, element)
  }
}

/// Lines of C with indentation.
struct CLines {
  private(set) var text = ""
  var depth = 0

  /// One line at the present depth; an empty one stays empty.
  mutating func line(_ line: String = "") {
    if !line.isEmpty { text += String(repeating: "  ", count: depth) + line }
    text += "\n"
  }

  /// A line that opens a block, the block, and the line that closes it.
  mutating func block(_ head: String, closing: String = "}", _ body: (inout CLines) throws -> Void) rethrows {
    line(head.isEmpty ? "{" : head + " {")
    depth += 1
    try body(&self)
    depth -= 1
    line(closing)
  }

  /// A text that is already indented.
  mutating func raw(_ more: String) { text += more }
}

/// A long signature or call on several lines, broken behind commas.
func wrapped(_ text: String) -> String {
  var lines: [String] = []
  for word in text.split(separator: " ", omittingEmptySubsequences: false) {
    if let last = lines.last, !(last.hasSuffix(",") && last.count + 1 + word.count > 120) {
      lines[lines.count - 1] = last + " " + word
    } else {
      lines.append(lines.isEmpty ? String(word) : "    " + word)
    }
  }
  return lines.joined(separator: "\n")
}

extension String {
  /// Without blanks at the ends of lines.
  fileprivate var replacingBlankEnds: String {
    lines.map { line in
      var line = line
      while line.utf8.last == UInt8(ascii: " ") { line.removeLast() }
      return line
    }.joined(separator: "\n")
  }
}

/// A block comment of these lines; nothing for none.
func blockComment(_ lines: [String]) -> String {
  let lines = lines.flatMap(\.lines).map { commentText(String($0)) }
  if lines.isEmpty { return "" }
  return "/* " + lines.joined(separator: "\n * ").replacingBlankEnds + " */\n"
}
