/// Reads a list of tokens from left to right; what the parsers of all text forms share.
public struct TokenReader: Sendable {
  private let tokens: [Token]
  private var position = 0

  /// A reader at the first token; the list ends with an `end` token, as `Lexer.tokens` gives it.
  public init(_ tokens: [Token]) {
    precondition(tokens.last?.kind == .end, "a token list ends with its end token")
    self.tokens = tokens
  }

  /// The next token, not yet taken.
  public var current: Token { tokens[position] }

  /// The token `distance` after the next one; the end token past the end.
  public func peek(_ distance: Int = 1) -> Token { tokens[min(position + distance, tokens.count - 1)] }

  /// Whether all tokens are taken.
  public var isAtEnd: Bool { current.kind == .end }

  /// Takes the next token (the end token is never passed).
  @discardableResult
  public mutating func take() -> Token {
    let token = current
    if position + 1 < tokens.count { position += 1 }
    return token
  }

  /// Takes the next token if it is this punctuation or this name.
  public mutating func accept(_ spelling: String) -> Bool {
    guard current.is(spelling) else { return false }
    take()
    return true
  }

  /// Takes this punctuation or this name, or throws what was found instead.
  @discardableResult
  public mutating func expect(_ spelling: String, _ context: String = "") throws(Diagnostic) -> Token {
    guard current.is(spelling) else { throw expected("`\(spelling)`" + (context.isEmpty ? "" : " " + context)) }
    return take()
  }

  /// Takes a name; `what` says whose.
  public mutating func expectIdentifier(_ what: String = "a name") throws(Diagnostic) -> Token {
    guard current.kind == .identifier else { throw expected(what) }
    return take()
  }

  /// Takes an integer with an optional minus sign that fits `Int`.
  public mutating func expectInteger(_ what: String = "an integer") throws(Diagnostic) -> Int {
    let start = current
    let negative = accept("-")
    guard case .integer(let magnitude) = current.kind else { throw expected(what) }
    guard let value = negative ? (magnitude <= 1 << 63 ? Int(truncatingIfNeeded: 0 &- magnitude) : nil) : Int(exactly: magnitude) else {
      throw Diagnostic("\(current.text) is too large for \(what)", at: start.location, length: start.length)
    }
    take()
    return value
  }

  /// Takes a string in quotes and gives its contents.
  public mutating func expectString(_ what: String = "a string in quotes") throws(Diagnostic) -> String {
    guard case .string(let contents) = current.kind else { throw expected(what) }
    take()
    return contents
  }

  /// The error that says what stood where `what` was expected.
  public func expected(_ what: String) -> Diagnostic {
    Diagnostic("expected \(what), found \(current.quoted)", at: current.location, length: current.length)
  }
}
