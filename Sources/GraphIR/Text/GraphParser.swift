import Basics
import LoopIR

/// Reads the text form of graphs. Types are inferred again and compared with those written, so a text that parses is well typed.
public struct GraphParser {
  /// More elements than this in one tensor are refused, so that sizes and offsets stay in range.
  public static let largestTensor = 1 << 40

  private var reader: TokenReader
  private let operators: [String: any Operator.Type]
  private var graph = Graph(name: "", symbols: [])
  /// How many loops are around.
  private var loops = 0

  /// The graph in a text that holds nothing else. `file` stands in messages; `operators` are those that may occur.
  public static func parse(_ text: String, file: String = "graph", operators: [any Operator.Type]) throws -> Graph {
    var reader = TokenReader(try Lexer.tokens(of: text, file: file))
    let graph = try parse(&reader, operators: operators)
    guard reader.isAtEnd else { throw reader.expected("the end of the text after the graph") }
    return graph
  }

  /// The graph that begins at the reader's position.
  public static func parse(_ reader: inout TokenReader, operators: [any Operator.Type]) throws -> Graph {
    var parser = GraphParser(
      reader: reader,
      operators: Dictionary((operators + [StepSlice.self]).map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first }))
    try parser.parseGraph()
    reader = parser.reader
    return parser.graph
  }

  /// The body of a loop, an attribute that begins with `graph`.
  private mutating func parseBody() throws -> Attribute {
    guard loops < 8 else { throw reader.expected("no deeper loop") }
    var parser = self
    (parser.graph, parser.loops) = (Graph(name: "", symbols: []), loops + 1)
    try parser.parseGraph()
    reader = parser.reader
    return .graph(LoopBody(parser.graph))
  }

  private init(reader: TokenReader, operators: [String: any Operator.Type]) {
    self.reader = reader
    self.operators = operators
  }

  private mutating func parseGraph() throws {
    try reader.expect("graph")
    if case .string(let name) = reader.current.kind {
      graph.name = name
      reader.take()
    } else {
      graph.name = try reader.expectIdentifier("the graph's name").text
    }
    try reader.expect("{", "after the graph's name")
    while !reader.accept("}") { try parseLine() }
  }

  private mutating func parseLine() throws {
    if reader.current.is("%") { return try parseNode() }
    if reader.accept("symbol") { return try parseSymbol(isCounter: false) }
    if reader.accept("counter") { return try parseSymbol(isCounter: true) }
    if reader.accept("output") {
      let name = try reader.expectString("the output's name in quotes")
      try reader.expect("=", "after the output's name")
      return graph.outputs.append(GraphOutput(name, try parseOperand()))
    }
    if reader.accept("update") {
      let leaf = try parseLeaf(try reader.expectIdentifier("what is updated: parameter, state, gradient, segment"))
      try reader.expect("<-", "after what is updated")
      var update = Update(leaf, try parseOperand())
      if reader.accept(Update.Mode.accumulate.rawValue) { update.mode = .accumulate }
      return graph.updates.append(update)
    }
    if reader.accept("require") {
      try reader.expect("finite")
      return graph.requirements.append(try parseOperand())
    }
    throw reader.expected("a node such as `%0 = …`, `symbol`, `output`, `update`, `require` or `}`")
  }

  private mutating func parseSymbol(isCounter: Bool) throws {
    let name = try reader.expectIdentifier("the symbol's name")
    guard !graph.symbols.contains(where: { $0.name == name.text }), name.text == name.text.lowercased() else {
      throw error("symbol '\(name.text)' is declared twice or has a capital letter", at: name)
    }
    try reader.expect("<=", "and the symbol's maximum")
    let token = reader.current
    let maximum = try reader.expectInteger("the symbol's maximum")
    guard (1...Self.largestTensor).contains(maximum) else { throw error("a maximum must lie in 1 ... \(Self.largestTensor)", at: token) }
    graph.symbols.append(Symbol(name: name.text, maximum: maximum, isCounter: isCounter))
  }

  /// `%5 = matmul(%3, %4) : f32[N, 16] in "dense1" backward`.
  private mutating func parseNode() throws {
    let start = reader.current
    let id = try parseID()
    guard id == graph.nodes.count else {
      throw error("nodes are numbered in order: expected %\(graph.nodes.count), found %\(id)", at: start)
    }
    try reader.expect("=", "after the node's number")
    let name = try reader.expectIdentifier("an operator or leaf")
    let kind: NodeKind
    var inferred: [TensorType]?
    if reader.current.is("(") {
      let (op, operands) = try parseOperator(name)
      kind = .apply(op, operands)
      inferred = try located(name) { try op.resultTypes(operands.map { graph.type($0) }) }
    } else {
      kind = .leaf(try parseLeaf(name))
    }
    try reader.expect(":", "and the node's type")
    let typeToken = reader.current
    let types = try parseTypes()
    if let inferred, inferred != types {
      let expected = inferred.map(\.description).joined(separator: ", ")
      throw error("\(name.text) gives \(expected), but the text says \(types.map(\.description).joined(separator: ", "))", at: typeToken)
    }
    let path = reader.accept("in") ? try reader.expectString("the layer's path in quotes") : ""
    graph.nodes.append(Node(kind, types: types, path: path, isBackward: reader.accept("backward")))
  }

  private mutating func parseOperator(_ name: Token) throws -> (any Operator, [ValueID]) {
    guard let type = operators[name.text] else {
      let nearest = nearestName(to: name.text, among: operators.keys.sorted())
      throw Diagnostic(
        "unknown operator '\(name.text)'" + (nearest.map { "; did you mean '\($0)'?" } ?? ""), kind: .unsupported, at: name.location,
        length: name.length, fixIt: nearest)
    }
    try reader.expect("(")
    var operands: [ValueID] = []
    var tokens: [Token] = []
    var attributes: [NamedAttribute] = []
    while !reader.accept(")") {
      if !operands.isEmpty || !attributes.isEmpty { try reader.expect(",", "or `)`") }
      if attributes.isEmpty, reader.current.is("%") {
        tokens.append(reader.current)
        operands.append(try parseOperand())
      } else {
        let key = try reader.expectIdentifier("an operand such as %3 or an attribute such as `axis: 1`")
        guard !attributes.contains(where: { $0.name == key.text }) else { throw error("'\(key.text)' is given twice", at: key) }
        try reader.expect(":", "after the attribute's name")
        attributes.append(NamedAttribute(key.text, try parseAttribute(depth: 0)))
      }
    }
    let op = try located(name) { try type.make(attributes) }
    for (operand, token) in zip(operands, tokens) where graph[operand].types.count != 1 && !(op is Element) {
      throw error("\(operand) is a tuple; only `element` reads tuples", at: token)
    }
    try located(name) { try op.checkOperandCount(operands.count) }
    if let element = op as? Element, element.types != graph[operands[0]].types {
      throw error("the types of the tuple \(operands[0]) are not those that `element` names", at: name)
    }
    return (op, operands)
  }

  private mutating func parseLeaf(_ role: Token) throws -> Leaf {
    let kind: Leaf.Role
    switch role.text {
    case "input": kind = .input(try parseNumber("the input's number"))
    case "target": kind = .target(try parseNumber("the target's number"))
    case "weights": kind = .weights
    case "parameter": kind = .parameter
    case "state": kind = .state
    case "gradient": kind = .gradient
    case "prepared": kind = .prepared
    case "memory": kind = .memory
    case "table":
      let text = try reader.expectString("the table in quotes")
      guard let tensor = HostTensor(text: text) else { throw error("expected a table like \"i32[2]:0100000002000000\"", at: role) }
      kind = .table(tensor)
    case "captured": kind = .captured(try parseNumber("the operand's number"))
    case "carried": kind = .carried(try parseNumber("the carried value's number"))
    case "stacked": kind = .stacked(try parseNumber("the number of what is handed out"))
    case "control": kind = .control(try parseNumber("the byte offset in the controls"))
    case "segment":
      let name = try reader.expectIdentifier("parameters, gradients or moments")
      guard let segment = Leaf.Segment(rawValue: name.text) else {
        throw error("expected parameters, gradients or moments, found '\(name.text)'", at: name)
      }
      kind = .segment(segment, offset: try parseNumber("the segment's first element"))
    default: throw error("'\(role.text)' is no leaf; an operator is followed by `(`", at: role)
    }
    return Leaf(try reader.expectString("the leaf's name in quotes"), kind)
  }

  private mutating func parseNumber(_ what: String) throws -> Int {
    let token = reader.current
    let value = try reader.expectInteger(what)
    guard (0...Self.largestTensor).contains(value) else { throw error("\(what) must lie in 0 ... \(Self.largestTensor)", at: token) }
    return value
  }

  private mutating func parseID() throws -> Int {
    try reader.expect("%", "and a node's number")
    return try reader.expectInteger("a node's number")
  }

  private mutating func parseOperand() throws -> ValueID {
    let token = reader.current
    let id = try parseID()
    guard graph.nodes.indices.contains(id) else { throw error("there is no %\(id) above this line", at: token) }
    return ValueID(id)
  }

  private func error(_ message: String, at token: Token) -> Diagnostic {
    Diagnostic(message, at: token.location, length: token.length)
  }

  /// Gives a type error the place of a token.
  private func located<Result>(_ token: Token, _ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch let error as TypeError {
      throw self.error(error.description, at: token)
    }
  }
}

// Types and attributes.
extension GraphParser {
  private mutating func parseTypes() throws -> [TensorType] {
    guard reader.accept("(") else { return [try parseType()] }
    var types = [try parseType()]
    while reader.accept(",") { types.append(try parseType()) }
    try reader.expect(")", "after the types of a tuple")
    return types
  }

  private mutating func parseType() throws -> TensorType {
    let name = try reader.expectIdentifier("an element type such as f32")
    return try parseShape(of: name)
  }

  private mutating func parseShape(of name: Token) throws -> TensorType {
    guard let element = ElementType(rawValue: name.text) else {
      let known = ElementType.allCases.map(\.rawValue)
      throw error("'\(name.text)' is no element type; there are \(known.joined(separator: ", "))", at: name)
    }
    try reader.expect("[", "after the element type")
    var shape: Shape = []
    while !reader.accept("]") {
      if !shape.isEmpty { try reader.expect(",", "or `]`") }
      shape.append(try parseDimension())
    }
    let type = TensorType(element, shape)
    guard let count = Dimension.product(shape) else {
      throw error("\(type) is too large, or has more than one symbolic axis", at: name)
    }
    let (elements, overflow) = count.coefficient.multipliedReportingOverflow(by: maximum(of: count.symbol))
    guard !overflow, elements <= Self.largestTensor else {
      throw error("\(type) is too large: at most \(Self.largestTensor) elements", at: name)
    }
    return type
  }

  private func maximum(of symbol: String?) -> Int {
    symbol.flatMap { name in graph.symbols.first { $0.name == name }?.maximum } ?? 1
  }

  private mutating func parseDimension() throws -> Dimension {
    guard reader.current.kind != .identifier else { return Dimension(1, symbol: try parseSymbolName()) }
    let size = try parseNumber("a size")
    return reader.accept("*") ? Dimension(size, symbol: try parseSymbolName()) : Dimension(size)
  }

  private mutating func parseSymbolName() throws -> String {
    let name = try reader.expectIdentifier("a symbol")
    guard graph.symbols.contains(where: { $0.name == name.text.lowercased() }) else {
      throw error("there is no symbol '\(name.text.lowercased())'", at: name)
    }
    return name.text.lowercased()
  }

  private mutating func parseAttribute(depth: Int) throws -> Attribute {
    guard depth < 4 else { throw reader.expected("no deeper list") }
    if reader.accept("[") {
      var items: [Attribute] = []
      while !reader.accept("]") {
        if !items.isEmpty { try reader.expect(",", "or `]`") }
        items.append(try parseAttribute(depth: depth + 1))
      }
      return .list(items)
    }
    if reader.current.is("graph") { return try parseBody() }
    let negative = reader.accept("-")
    let token = reader.take()
    switch token.kind {
    case .integer(let magnitude):
      if reader.current.is("*"), !negative, let size = Int(exactly: magnitude), size <= Self.largestTensor {
        reader.take()
        return .dimension(Dimension(size, symbol: try parseSymbolName()))
      }
      if !negative { return Int(exactly: magnitude).map { .integer($0) } ?? .unsigned(magnitude) }
      guard let value = Int(exactly: magnitude) else { throw error("-\(token.text) is too large", at: token) }
      return .integer(-value)
    case .float(let value): return .number(negative ? -value : value)
    case .identifier where token.text == "inf": return .number(negative ? -.infinity : .infinity)
    case .identifier where negative: throw error("expected a number after `-`, found \(token.quoted)", at: token)
    case .identifier where token.text == "nan": return .number(.nan)
    case .identifier where token.text == "true" || token.text == "false": return .bool(token.text == "true")
    case .identifier where reader.current.is("["): return .type(try parseShape(of: token))
    case .identifier: return .word(token.text)
    default: throw error("expected an attribute's value, found \(token.quoted)", at: token)
    }
  }
}
