import Basics

/// Reads a text of the model language into a tree. An error does not end the reading: the parser goes on at the next line that can begin
/// something, so that several errors are reported at once.
public struct Parser {
  /// Brackets, calls and lists inside each other; more is refused, so that hostile text cannot exhaust the stack.
  public static let nestingLimit = 64
  /// Bytes of a model file.
  public static let sizeLimit = 4 << 20
  /// After this many errors the rest of the file is not read.
  public static let errorLimit = 20

  var reader: TokenReader
  var depth = 0
  public private(set) var diagnostics: [Diagnostic] = []

  /// The tree of what could be read, and every error found.
  public static func parse(_ text: String, file: String) -> (tree: SyntaxTree, diagnostics: [Diagnostic]) {
    guard text.utf8.count <= sizeLimit else {
      return (
        SyntaxTree(),
        [
          Diagnostic(
            "the file has \(text.utf8.count) bytes; a model file has at most \(sizeLimit)",
            at: SourceLocation(file: file, line: 1, column: 1))
        ]
      )
    }
    let tokens: [Token]
    do {
      tokens = try Lexer.tokens(of: text, file: file)
    } catch {
      return (SyntaxTree(), [error])
    }
    var parser = Parser(reader: TokenReader(tokens))
    let tree = parser.parseFile()
    return (tree, parser.diagnostics)
  }

  private init(reader: TokenReader) { self.reader = reader }

  /// Whether so many errors were found that reading on is of no use.
  var gaveUp: Bool { diagnostics.count >= Self.errorLimit }

  mutating func report(_ diagnostic: Diagnostic) { diagnostics.append(diagnostic) }

  private static let forms = ["model", "layer", "let", "data", "train"]

  private mutating func parseFile() -> SyntaxTree {
    var tree = SyntaxTree()
    while !reader.isAtEnd && !gaveUp {
      let first = reader.current
      do {
        try parseForm(into: &tree)
      } catch {
        report(error)
        skipToForm(after: first)
      }
    }
    return tree
  }

  private mutating func parseForm(into tree: inout SyntaxTree) throws(Diagnostic) {
    let keyword = reader.current
    switch keyword.kind == .identifier ? keyword.text : "" {
    case "model": tree.models.append(try parseModel())
    case "layer": tree.layers.append(try parseLayer())
    case "let": tree.constants.append(try parseConstant())
    case "data":
      let block = try parseBlock()
      if tree.data != nil { report(Diagnostic("a file has one `data` block", at: block.name.location, length: block.name.length)) }
      tree.data = tree.data ?? block
    case "train":
      let block = try parseBlock()
      if tree.train != nil { report(Diagnostic("a file has one `train` block", at: block.name.location, length: block.name.length)) }
      tree.train = tree.train ?? block
    default:
      var error = reader.expected("`model`, `layer`, `let`, `data` or `train`")
      if keyword.kind == .identifier { error.fixIt = nearestName(to: keyword.text, among: Self.forms) }
      throw error
    }
  }

  /// Goes on at the next form: a line that begins with one of their words, past a block that is skipped whole.
  private mutating func skipToForm(after first: Token) {
    if reader.current == first { reader.take() }
    var braces = 0
    while !reader.isAtEnd {
      if reader.current.is("{") { braces += 1 }
      if reader.current.is("}") { braces = max(0, braces - 1) }
      if braces == 0, reader.current.startsLine, reader.current.location.column == 1, Self.forms.contains(reader.current.text) { return }
      reader.take()
    }
  }

  private mutating func parseModel() throws(Diagnostic) -> ModelForm {
    reader.take()
    let name = try parseName("the model's name")
    return ModelForm(name: name, body: try parseBody(of: "model"))
  }

  private mutating func parseLayer() throws(Diagnostic) -> LayerForm {
    reader.take()
    let name = try parseName("the layer's name")
    try reader.expect("(", "after the layer's name")
    var parameters: [LayerFormParameter] = []
    while !reader.current.is(")") {
      let parameter = try parseName("a parameter's name")
      if parameters.contains(where: { $0.name.text == parameter.text }) {
        throw Diagnostic("parameter '\(parameter.text)' is declared twice", at: parameter.location, length: parameter.length)
      }
      let value = reader.accept(":") ? try parseExpression() : nil
      parameters.append(LayerFormParameter(name: parameter, defaultValue: value))
      if !reader.accept(",") { break }
    }
    try reader.expect(")", "after the layer's parameters")
    return LayerForm(name: name, parameters: parameters, body: try parseBody(of: "layer"))
  }

  private mutating func parseConstant() throws(Diagnostic) -> ConstantForm {
    reader.take()
    let name = try parseName("the constant's name")
    try reader.expect("=", "after the constant's name")
    return ConstantForm(name: name, value: try parseExpression())
  }

  func parsedName(_ token: Token) -> Name { Name(token.text, token.location) }

  mutating func parseName(_ what: String) throws(Diagnostic) -> Name { parsedName(try reader.expectIdentifier(what)) }

  /// Lines between braces, each read by `line`; an error in one of them is reported and the next is read.
  mutating func parseLines(_ what: String, _ line: (inout Parser) throws(Diagnostic) -> Void) throws(Diagnostic) {
    let open = try reader.expect("{", "to begin the \(what)")
    while !reader.current.is("}") {
      if reader.isAtEnd {
        throw Diagnostic(
          "the \(what) has no closing `}`", at: reader.current.location,
          notes: [Diagnostic("it begins here", severity: .note, at: open.location)])
      }
      if gaveUp { return }
      let first = reader.current
      do {
        try line(&self)
        try endLine()
      } catch {
        report(error)
        depth = 0
        skipToLine(after: first)
      }
    }
    reader.take()
  }

  /// A line is over when the next token begins one, or the block ends.
  private func endLine() throws(Diagnostic) {
    guard !reader.current.startsLine, !reader.current.is("}"), !reader.isAtEnd else { return }
    throw reader.expected("the end of the line")
  }

  private mutating func skipToLine(after first: Token) {
    if reader.current == first { reader.take() }
    while !reader.isAtEnd, !reader.current.is("}"), !(reader.current.startsLine && reader.current.kind == .identifier) { reader.take() }
  }
}
