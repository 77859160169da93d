import Basics

extension Parser {
  /// An expression. `|>` binds loosest, then `+ -`, then `* /`, then a minus sign.
  mutating func parseExpression() throws(Diagnostic) -> Expression {
    let start = reader.current
    guard depth < Self.nestingLimit else {
      throw Diagnostic(
        "more than \(Self.nestingLimit) brackets inside each other; give the inner parts names of their own", at: start.location)
    }
    depth += 1
    defer { depth -= 1 }
    let head = try parseSum()
    guard reader.current.is("|>") else { return head }
    var stages: [Call] = []
    while reader.accept("|>") {
      guard reader.current.kind == .identifier else { throw reader.expected("a layer after `|>`") }
      stages.append(try parseCall())
    }
    if let op = ["+", "-", "*", "/"].first(where: { reader.current.is($0) }), !reader.current.startsLine {
      throw Diagnostic("`\(op)` after a stage: put the pipe in parentheses, `(x |> f) \(op) y`", at: reader.current.location)
    }
    return Expression(.pipe(head, stages), at: start.location, length: head.length)
  }

  private mutating func parseSum() throws(Diagnostic) -> Expression {
    try parseChain([.add, .subtract]) { parser throws(Diagnostic) in
      try parser.parseChain([.multiply, .divide]) { p throws(Diagnostic) in try p.parseSign() }
    }
  }

  private mutating func parseChain(
    _ operators: [ChainLink.Operator], _ operand: (inout Parser) throws(Diagnostic) -> Expression
  ) throws(Diagnostic) -> Expression {
    let first = try operand(&self)
    var links: [ChainLink] = []
    while let op = operators.first(where: { reader.current.is($0.rawValue) }) {
      let location = reader.take().location
      links.append(ChainLink(op: op, location: location, operand: try operand(&self)))
    }
    return links.isEmpty ? first : Expression(.chain(first, links), at: first.location, length: first.length)
  }

  /// Minus signs are counted, not nested.
  private mutating func parseSign() throws(Diagnostic) -> Expression {
    let start = reader.current
    var negative = false
    while reader.accept("-") { negative.toggle() }
    let operand = try parsePrimary()
    guard negative else { return operand }
    switch operand.kind {
    case .integer(let value): return Expression(.integer(-value), at: start.location, length: operand.length + 1)
    case .number(let value): return Expression(.number(-value), at: start.location, length: operand.length + 1)
    default: return Expression(.negate(operand), at: start.location, length: operand.length + 1)
    }
  }

  private mutating func parsePrimary() throws(Diagnostic) -> Expression {
    let token = reader.current
    switch token.kind {
    case .integer(let bits):
      guard let value = Int(exactly: bits) else { throw Diagnostic("\(token.text) is too large", at: token.location, length: token.length) }
      reader.take()
      return Expression(.integer(value), at: token.location, length: token.length)
    case .float(let value):
      reader.take()
      return Expression(.number(value), at: token.location, length: token.length)
    case .string(let contents):
      reader.take()
      return Expression(.string(contents), at: token.location, length: token.length)
    case .identifier where token.text == "layer" && reader.peek().kind == .identifier:
      reader.take()
      let call = try parseCall()
      return Expression(.instance(call), at: token.location, length: call.length)
    case .identifier:
      let parenthesis = reader.peek()
      guard parenthesis.is("("), !parenthesis.startsLine else {
        reader.take()
        return Expression(.name(token.text), at: token.location, length: token.length)
      }
      let call = try parseCall()
      return Expression(.call(call), at: token.location, length: call.length)
    case .punctuation where token.text == "(":
      reader.take()
      let inner = try parseExpression()
      try reader.expect(")", "to close the parenthesis")
      return inner
    case .punctuation where token.text == "[": return try parseList()
    default: throw reader.expected("an expression")
    }
  }

  private mutating func parseList() throws(Diagnostic) -> Expression {
    let open = reader.take()
    var elements: [Expression] = []
    while !reader.current.is("]") {
      elements.append(try parseExpression())
      if !reader.accept(",") { break }
    }
    try reader.expect("]", "to close the list")
    return Expression(.list(elements), at: open.location, length: 1)
  }

  /// A name with arguments, or alone.
  mutating func parseCall() throws(Diagnostic) -> Call {
    let name = parsedName(reader.take())
    guard reader.current.is("("), !reader.current.startsLine else { return Call(callee: name, arguments: [], length: name.length) }
    let open = reader.take()
    var arguments: [CallArgument] = []
    // A line that assigns is the next statement: the parenthesis was not closed.
    while !reader.current.is(")"), !(reader.current.startsLine && reader.peek().is("=")) {
      arguments.append(try parseArgument())
      if !reader.accept(",") { break }
    }
    guard reader.current.is(")") else {
      var error = reader.expected("`,` or `)`")
      error.notes = [Diagnostic("the parenthesis opens here", severity: .note, at: open.location)]
      throw error
    }
    let close = reader.take()
    let length = close.location.line == name.location.line ? close.location.column - name.location.column + 1 : name.length
    return Call(callee: name, arguments: arguments, length: length)
  }

  private mutating func parseArgument() throws(Diagnostic) -> CallArgument {
    guard reader.current.kind == .identifier, reader.peek().is(":") || reader.peek().is("=") else {
      return CallArgument(label: nil, value: try parseExpression())
    }
    let label = parsedName(reader.take())
    if reader.current.is("=") {
      throw Diagnostic("arguments are named with `:`", at: reader.current.location, fixIt: ":")
    }
    reader.take()
    return CallArgument(label: label, value: try parseExpression())
  }
}
