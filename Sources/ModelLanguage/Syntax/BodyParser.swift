import Basics

extension Parser {
  /// The statements of a model or of a user's layer.
  mutating func parseBody(of what: String) throws(Diagnostic) -> [Statement] {
    var body: [Statement] = []
    try parseLines(what) { (parser: inout Parser) throws(Diagnostic) in body.append(try parser.parseStatement()) }
    return body
  }

  private mutating func parseStatement() throws(Diagnostic) -> Statement {
    let token = reader.current
    guard token.kind == .identifier else { throw reader.expected("`input`, `output`, `return` or a name to assign to") }
    let next = reader.peek()
    if next.is("=") {
      reader.take()
      reader.take()
      return .assign(parsedName(token), try parseExpression())
    }
    switch token.text {
    case "input" where next.kind == .identifier: return try parseInput()
    case "output" where next.kind == .identifier: return try parseOutput()
    case "layout" where next.kind == .identifier:
      reader.take()
      return .layout(try parseName("the order of axes: `channels_last`"), token.location)
    case "return":
      reader.take()
      return .result(try parseExpression(), token.location)
    case "let" where next.kind == .identifier:
      reader.take()
      let name = try parseName("a name")
      try reader.expect("=", "after the name")
      return .assign(name, try parseExpression())
    case "layer" where next.kind == .identifier:
      throw Diagnostic("a layer is defined outside the model: move this above `model`", at: token.location, length: token.length)
    default:
      var error = Diagnostic(
        "a line begins with `input`, `output`, `return` or `name =`; found \(token.quoted)", at: token.location, length: token.length)
      error.fixIt = next.kind == .identifier ? nearestName(to: token.text, among: ["input", "output", "return"]) : nil
      throw error
    }
  }

  /// `input x: f32[N, 29]`.
  private mutating func parseInput() throws(Diagnostic) -> Statement {
    reader.take()
    let name = try parseName("the input's name")
    try reader.expect(":", "and the type: `input \(name.text): f32[N, 29]`")
    let element = try parseName("an element type: f32")
    try reader.expect("[", "and the axes: `\(element.text)[N, 29]`")
    guard reader.current.is("N") else {
      throw Diagnostic(
        "the first axis of an input is the batch `N`; found \(reader.current.quoted)", at: reader.current.location,
        length: reader.current.length)
    }
    reader.take()
    var axes: [Expression] = []
    while reader.accept(",") {
      if reader.current.is("]") { break }
      axes.append(try parseExpression())
    }
    try reader.expect("]", "to close the axes")
    return .input(name, element: element, axes: axes)
  }

  /// `output risk, score = x |> dense(1)`.
  private mutating func parseOutput() throws(Diagnostic) -> Statement {
    reader.take()
    var items: [OutputItem] = []
    repeat {
      let name = try parseName("an output's name")
      items.append(OutputItem(name: name, value: reader.accept("=") ? try parseExpression() : nil))
    } while reader.accept(",")
    return .output(items)
  }

  /// A `data` or `train` block.
  mutating func parseBlock() throws(Diagnostic) -> BlockForm {
    let name = parsedName(reader.take())
    var directives: [Directive] = []
    try parseLines("\(name.text) block") { (parser: inout Parser) throws(Diagnostic) in directives.append(try parser.parseDirective()) }
    return BlockForm(name: name, directives: directives)
  }

  /// A word and, on the same line or after a comma, its items; they may stand in parentheses.
  private mutating func parseDirective() throws(Diagnostic) -> Directive {
    let name = try parseName("a directive")
    guard reader.current.is("("), !reader.current.startsLine else {
      guard !reader.current.startsLine, !reader.current.is("}"), !reader.isAtEnd else { return Directive(name: name, items: []) }
      return Directive(name: name, items: try parseItems())
    }
    reader.take()
    let items = reader.current.is(")") ? [] : try parseItems(closedBy: ")")
    try reader.expect(")", "to close the parenthesis")
    return Directive(name: name, items: items)
  }

  private mutating func parseItems(closedBy close: String? = nil) throws(Diagnostic) -> [DirectiveItem] {
    var items: [DirectiveItem] = []
    repeat {
      if let close, reader.current.is(close) { break }
      items.append(try parseItem())
    } while reader.accept(",")
    return items
  }

  private mutating func parseItem() throws(Diagnostic) -> DirectiveItem {
    let token = reader.current, next = reader.peek()
    if token.kind == .identifier, !next.startsLine, next.isLiteral {
      reader.take()
      return DirectiveItem(word: parsedName(token), label: nil, value: try parseExpression())
    }
    let first = try parseExpression()
    guard reader.accept(":") else { return DirectiveItem(word: nil, label: nil, value: first) }
    return DirectiveItem(word: nil, label: first, value: try parseExpression())
  }
}

extension Token {
  /// Whether the token is a number or a string.
  fileprivate var isLiteral: Bool {
    switch kind {
    case .integer, .float, .string: true
    default: false
    }
  }
}
