/// A piece of a text: a name, a number, a string, or punctuation, with where it stands.
public struct Token: Hashable, Sendable {
  /// What a token is.
  public enum Kind: Hashable, Sendable {
    /// A letter or underscore, then letters, digits and underscores.
    case identifier
    /// Decimal or `0x` digits, underscores between digits allowed. The value is kept as bits so that all of u64 fits.
    case integer(UInt64)
    /// A number with a point or an exponent, or hexadecimal with a binary exponent (`0x1.8p3`).
    case float(Double)
    /// The contents of a string in double quotes, escapes undone.
    case string(String)
    /// One of `Lexer.punctuation`.
    case punctuation
    /// The end of the text.
    case end
  }

  public var kind: Kind
  /// The token as written (for `end`: empty).
  public var text: String
  public var location: SourceLocation
  /// Whether the token is the first of its line.
  public var startsLine: Bool
  /// Whether blank space, a comment or a line's beginning stands before the token.
  public var followsSpace: Bool

  /// Characters of the token as written.
  public var length: Int { max(1, text.count) }

  /// Whether the token is this punctuation or this name.
  public func `is`(_ spelling: String) -> Bool {
    switch kind {
    case .identifier, .punctuation: text == spelling
    default: false
    }
  }

  /// The token as a message quotes it.
  public var quoted: String {
    switch kind {
    case .end: "the end of the text"
    case .string: "the string \(text)"
    default: "`\(text)`"
    }
  }
}

/// Cuts a text into tokens. Blank space and comments (`//` and `#` to the end of the line) separate tokens and are dropped; where a line
/// begins is kept in `Token.startsLine`. No recursion, linear time, so a hostile text costs no more than its length.
public struct Lexer {
  /// Every punctuation token; of two that fit the longer is taken.
  public static let punctuation: [String] = [
    "...", "..<",
    "|>", "->", "<-", "==", "!=", "<=", ">=", "=>", "..", "::", "&&", "||", "+=", "-=", "*=", "/=", "**",
    "(", ")", "[", "]", "{", "}", ",", ":", ";", "=", "<", ">", "+", "-", "*", "/", "%", "^", "&", "|", "!", "?", "@", "$", "~", ".", "'",
  ]
  private static let punctuationBytes: [[UInt8]] = punctuation.map { Array($0.utf8) }

  private let bytes: [UInt8]
  private let file: String
  private let hashComments: Bool
  private var position = 0
  private var line = 1
  private var lineStart = 0
  /// Continuation bytes of UTF-8 on this line so far, so that columns count characters.
  private var continuations = 0

  private init(_ text: String, file: String, hashComments: Bool) {
    bytes = Array(text.utf8)
    self.file = file
    self.hashComments = hashComments
  }

  /// All tokens of a text; the last one is `end`. Throws a diagnostic at the first character that begins no token, at a string without its
  /// end and at a malformed number.
  public static func tokens(of text: String, file: String, hashComments: Bool = true) throws(Diagnostic) -> [Token] {
    var lexer = Lexer(text, file: file, hashComments: hashComments)
    var tokens: [Token] = []
    while true {
      let token = try lexer.next(first: tokens.isEmpty)
      tokens.append(token)
      if token.kind == .end { return tokens }
    }
  }

  private var location: SourceLocation {
    SourceLocation(file: file, line: line, column: position - lineStart - continuations + 1)
  }

  private func byte(_ offset: Int = 0) -> UInt8 { position + offset < bytes.count ? bytes[position + offset] : 0 }

  private mutating func next(first: Bool) throws(Diagnostic) -> Token {
    let start = position
    let startsLine = skipBlank() || first
    let followsSpace = startsLine || position > start
    let location = location
    let begin = position
    let kind = try scan(at: location)
    let text = String(decoding: bytes[begin..<position], as: UTF8.self)
    return Token(kind: kind, text: text, location: location, startsLine: startsLine, followsSpace: followsSpace)
  }

  /// Skips blank space and comments; whether a line ended.
  private mutating func skipBlank() -> Bool {
    var newLine = false
    while position < bytes.count {
      switch bytes[position] {
      case UInt8(ascii: "\n"):
        position += 1
        line += 1
        lineStart = position
        continuations = 0
        newLine = true
      case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"): position += 1
      case UInt8(ascii: "#") where hashComments: skipLine()
      case UInt8(ascii: "/") where byte(1) == UInt8(ascii: "/"): skipLine()
      case 0xEF where position == 0 && byte(1) == 0xBB && byte(2) == 0xBF:
        position += 3
        lineStart = 3
      default: return newLine
      }
    }
    return newLine
  }

  private mutating func skipLine() {
    while position < bytes.count, bytes[position] != UInt8(ascii: "\n") { position += 1 }
  }

  private mutating func scan(at location: SourceLocation) throws(Diagnostic) -> Token.Kind {
    guard position < bytes.count else { return .end }
    let first = bytes[position]
    if isLetter(first) {
      while isLetter(byte()) || isDigit(byte()) { position += 1 }
      return .identifier
    }
    if isDigit(first) || (first == UInt8(ascii: ".") && isDigit(byte(1))) { return try scanNumber(at: location) }
    if first == UInt8(ascii: "\"") { return try scanString(at: location) }
    for candidate in Self.punctuationBytes where bytes[position...].starts(with: candidate) {
      position += candidate.count
      return .punctuation
    }
    throw unexpected(at: location)
  }

  private func unexpected(at location: SourceLocation) -> Diagnostic {
    // The whole character, not its first byte.
    var end = position + 1
    while end < bytes.count, bytes[end] & 0xC0 == 0x80 { end += 1 }
    let character = String(decoding: bytes[position..<end], as: UTF8.self)
    let printable = bytes[position] >= 0x20 && bytes[position] != 0x7F
    let shown = printable ? "`\(character)`" : "with code \(bytes[position])"
    return Diagnostic("unexpected character \(shown); names are made of letters a-z, digits and underscores", at: location)
  }

  private mutating func scanNumber(at location: SourceLocation) throws(Diagnostic) -> Token.Kind {
    let begin = position
    let hexadecimal = byte() == UInt8(ascii: "0") && (byte(1) | 0x20) == UInt8(ascii: "x")
    if hexadecimal { position += 2 }
    var isFloat = false
    scanDigits(hexadecimal)
    // `0..<n` is a range, not a float.
    if byte() == UInt8(ascii: "."), byte(1) != UInt8(ascii: "."), isDigit(byte(1), hexadecimal) || !isLetter(byte(1)) {
      isFloat = true
      position += 1
      scanDigits(hexadecimal)
    }
    let exponent = UInt8(ascii: hexadecimal ? "p" : "e")
    if (byte() | 0x20) == exponent {
      isFloat = true
      position += 1
      if byte() == UInt8(ascii: "+") || byte() == UInt8(ascii: "-") { position += 1 }
      scanDigits(false)
    }
    // A number runs into a name: `3x`.
    while isLetter(byte()) || isDigit(byte()) { position += 1 }
    let text = String(decoding: bytes[begin..<position], as: UTF8.self)
    var digits = text.filter { $0 != "_" }
    if isFloat {
      if digits.hasSuffix(".") { digits += "0" }
      if digits.hasPrefix(".") { digits = "0" + digits }
      if let value = Double(digits.replacingPointBeforeExponent()), value.isFinite { return .float(value) }
    } else if let value = hexadecimal ? UInt64(digits.dropFirst(2), radix: 16) : UInt64(digits) {
      return .integer(value)
    }
    throw Diagnostic(
      "`\(text)` is not a number\(isFloat || text.contains { $0.isLetter } ? "" : " that fits in 64 bits")", at: location,
      length: text.count)
  }

  private mutating func scanDigits(_ hexadecimal: Bool) {
    while isDigit(byte(), hexadecimal) || byte() == UInt8(ascii: "_") { position += 1 }
  }

  private mutating func scanString(at location: SourceLocation) throws(Diagnostic) -> Token.Kind {
    var contents: [UInt8] = []
    position += 1
    while position < bytes.count, bytes[position] != UInt8(ascii: "\n") {
      let current = bytes[position]
      position += 1
      if current & 0xC0 == 0x80 { continuations += 1 }
      if current == UInt8(ascii: "\"") { return .string(String(decoding: contents, as: UTF8.self)) }
      guard current == UInt8(ascii: "\\") else {
        contents.append(current)
        continue
      }
      let escaped = byte()
      switch escaped {
      case UInt8(ascii: "n"): contents.append(UInt8(ascii: "\n"))
      case UInt8(ascii: "t"): contents.append(UInt8(ascii: "\t"))
      case UInt8(ascii: "r"): contents.append(UInt8(ascii: "\r"))
      case UInt8(ascii: "\\"), UInt8(ascii: "\""): contents.append(escaped)
      case UInt8(ascii: "x"):
        guard isDigit(byte(1), true), isDigit(byte(2), true),
          let value = UInt8(String(decoding: bytes[position + 1..<position + 3], as: UTF8.self), radix: 16)
        else { throw Diagnostic("`\\x` in a string needs two hexadecimal digits", at: location) }
        contents.append(value)
        position += 2
      default: throw Diagnostic("unknown escape in a string; known are \\n \\t \\r \\\\ \\\" \\xHH", at: location)
      }
      position += 1
    }
    throw Diagnostic("this string has no closing quote on its line", at: location)
  }
}

extension String {
  /// `1.e5` as `1.0e5`, which is what `Double.init` reads.
  fileprivate func replacingPointBeforeExponent() -> String {
    guard let point = firstIndex(of: "."), let next = index(point, offsetBy: 1, limitedBy: endIndex), next < endIndex,
      "eEpP".contains(self[next])
    else { return self }
    return self[...point] + "0" + self[next...]
  }

  /// The text in double quotes with what `Lexer` undoes: quotes, backslashes and control characters escaped.
  public var quotedForLexer: String {
    var text = "\""
    for scalar in unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\t": text += "\\t"
      case "\r": text += "\\r"
      default:
        if scalar.value < 0x20 || scalar.value == 0x7F {
          text += "\\x" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
        } else {
          text.unicodeScalars.append(scalar)
        }
      }
    }
    return text + "\""
  }
}

private func isLetter(_ byte: UInt8) -> Bool {
  (byte | 0x20) >= UInt8(ascii: "a") && (byte | 0x20) <= UInt8(ascii: "z") || byte == UInt8(ascii: "_")
}

private func isDigit(_ byte: UInt8, _ hexadecimal: Bool = false) -> Bool {
  byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
    || hexadecimal && (byte | 0x20) >= UInt8(ascii: "a") && (byte | 0x20) <= UInt8(ascii: "f")
}
