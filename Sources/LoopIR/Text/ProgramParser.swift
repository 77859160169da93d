import Basics

extension Program {
  /// Reads the text form. Throws at the first place that does not fit the form; what the text says is checked by `verify`.
  public init(text: String, file: String = "program") throws(Diagnostic) {
    var parser = ProgramParser(TokenReader(try Lexer.tokens(of: text, file: file, hashComments: false)))
    self = try parser.program()
  }
}

/// Parses `program NAME: f32 { … }`.
struct ProgramParser {
  var reader: TokenReader
  /// How deep expressions and blocks are nested; a text may be hostile.
  private var depth = 0
  private static let maximumDepth = 200

  init(_ reader: TokenReader) { self.reader = reader }

  mutating func nested<Result>(_ body: (inout ProgramParser) throws(Diagnostic) -> Result) throws(Diagnostic) -> Result {
    depth += 1
    defer { depth -= 1 }
    guard depth <= ProgramParser.maximumDepth else {
      throw Diagnostic("nested more than \(ProgramParser.maximumDepth) deep", at: reader.current.location)
    }
    return try body(&self)
  }

  /// A name, in quotes where it is no identifier.
  mutating func name(_ what: String = "a name") throws(Diagnostic) -> String {
    if case .string(let contents) = reader.current.kind {
      reader.take()
      return contents
    }
    guard !ReservedWords.all.contains(reader.current.text) else { throw reader.expected(what) }
    return try reader.expectIdentifier(what).text
  }

  mutating func element() throws(Diagnostic) -> ElementType {
    guard let element = ElementType(rawValue: reader.current.text) else { throw reader.expected("an element type") }
    reader.take()
    return element
  }

  mutating func count(_ what: String) throws(Diagnostic) -> Int { try reader.expectInteger(what) }

  mutating func program() throws(Diagnostic) -> Program {
    try reader.expect("program")
    let name = try name("the program's name")
    try reader.expect(":")
    var program = Program(name: name, element: try element(), symbols: [])
    try reader.expect("{")
    while !reader.accept("}") { try item(&program) }
    guard reader.isAtEnd else { throw reader.expected("the end of the text") }
    return program
  }

  private mutating func item(_ program: inout Program) throws(Diagnostic) {
    let token = try reader.expectIdentifier("a part of a program or `}`")
    switch token.text {
    case "task":
      guard let task = Task(rawValue: reader.current.text) else { throw reader.expected("regression, binary or classes") }
      reader.take()
      program.task = task
    case "symbol":
      let name = try name("a symbol")
      try reader.expect("<=")
      program.symbols.append(Symbol(name: name, maximum: try count("the symbol's maximum")))
    case "parameters": program.parameterCount = try count("a count")
    case "state": program.stateCount = try count("a count")
    case "gradients": program.gradientCount = try count("a count")
    case "moments": program.momentCount = try count("a count")
    case "prepared": program.preparedCount = try count("a count")
    case "memory": program.memoryBytes = try count("bytes")
    case "context": program.contextLength = try count("a number of tokens")
    case "tensor": program.tensors.append(try tensor())
    case "input": program.inputs.append(try port())
    case "output": program.outputs.append(try port())
    case "target": program.targets.append(try port())
    case "constant": program.constants.append(try constant())
    case "buffer": program.buffers.append(try buffer())
    case "kernel": program.kernels.append(try kernel())
    case "entry": program.entries.append(try entry(program))
    default:
      throw Diagnostic("`\(token.text)` is no part of a program", at: token.location, length: token.length)
    }
  }

  private mutating func dims() throws(Diagnostic) -> [Int] {
    var dims: [Int] = []
    try reader.expect("[")
    while !reader.accept("]") {
      if !dims.isEmpty { try reader.expect(",") }
      dims.append(try count("a dimension"))
    }
    return dims
  }

  private mutating func tensor() throws(Diagnostic) -> TensorSlot {
    let name = try name("the tensor's name")
    try reader.expect(":")
    let dims = try dims()
    try reader.expect("at")
    let offset = try count("the tensor's offset")
    let isState = reader.accept("state")
    return TensorSlot(name: name, dims: dims, offset: offset, isState: isState, trainable: reader.accept("trainable"))
  }

  private mutating func port() throws(Diagnostic) -> Port {
    let name = try name("a name")
    try reader.expect(":")
    let element = try element()
    return Port(name: name, element: element, dims: try dims())
  }

  private mutating func constant() throws(Diagnostic) -> ConstantTable {
    let name = try name("the table's name")
    try reader.expect(":")
    let element = try element()
    try reader.expect("=")
    let token = reader.current
    let digits = Array(try reader.expectString("the table's bytes in hexadecimal").utf8)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(digits.count / 2)
    for position in stride(from: 0, to: digits.count - 1, by: 2) {
      guard let high = hexadecimalDigit(digits[position]), let low = hexadecimalDigit(digits[position + 1]) else { break }
      bytes.append(high << 4 | low)
    }
    guard bytes.count * 2 == digits.count else {
      throw Diagnostic("a table is written in pairs of hexadecimal digits", at: token.location)
    }
    return ConstantTable(name: name, element: element, bytes: bytes)
  }

  private func hexadecimalDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    default: nil
    }
  }

  private mutating func buffer() throws(Diagnostic) -> Buffer {
    let name = try name("the buffer's name")
    try reader.expect(":")
    let element = try element()
    try reader.expect("[")
    let count = try count("the buffer's elements")
    try reader.expect("]")
    try reader.expect("=")
    let block = try block()
    try reader.expect("+")
    return Buffer(name: name, element: element, count: count, block: block, offset: try self.count("an offset in bytes"))
  }

  private mutating func block() throws(Diagnostic) -> Block {
    let token = try reader.expectIdentifier("a block")
    let numbered: ((Int) -> Block)? =
      switch token.text {
      case "input": { .input($0) }
      case "output": { .output($0) }
      case "target": { .target($0) }
      case "constant": { .constant($0) }
      default: nil
      }
    if let numbered {
      try reader.expect("(")
      let number = try count("a number")
      try reader.expect(")")
      return numbered(number)
    }
    switch token.text {
    case "parameters": return .parameters
    case "state": return .state
    case "gradients": return .gradients
    case "moments": return .moments
    case "prepared": return .prepared
    case "memory": return .memory
    case "controls": return .controls
    case "weights": return .weights
    case "arena": return .arena
    default: throw Diagnostic("there is no block `\(token.text)`", at: token.location, length: token.length)
    }
  }

  private mutating func entry(_ program: Program) throws(Diagnostic) -> Entry {
    let name = try name("the entry's name")
    try reader.expect(":")
    try reader.expect("arena")
    var entry = Entry(name: name, steps: [], arenaBytes: try count("bytes"))
    let kernels = firstPositions(program.kernels.map(\.name)), buffers = firstPositions(program.buffers.map(\.name))
    try reader.expect("{")
    while !reader.accept("}") { entry.steps.append(try step(kernels, buffers)) }
    return entry
  }

  private mutating func step(_ kernels: [String: Int], _ buffers: [String: Int]) throws(Diagnostic) -> Step {
    if reader.accept("require_finite") { return .requireFinite(buffer: try reference(buffers, "buffer")) }
    if reader.accept("for") {
      let name = try name("the loop's counter")
      try reader.expect("<=")
      let counter = Symbol(name: name, maximum: try count("the number of rounds"), isCounter: true)
      try reader.expect("{")
      return try nested { (parser: inout ProgramParser) throws(Diagnostic) -> Step in
        var body: [Step] = []
        while !parser.reader.accept("}") { body.append(try parser.step(kernels, buffers)) }
        return .loop(counter, body)
      }
    }
    try reader.expect("call")
    let kernel = try reference(kernels, "kernel")
    var arguments: [Int] = []
    try reader.expect("(")
    while !reader.accept(")") {
      if !arguments.isEmpty { try reader.expect(",") }
      arguments.append(try reference(buffers, "buffer"))
    }
    return .call(kernel: kernel, buffers: arguments)
  }

  private func firstPositions(_ names: [String]) -> [String: Int] {
    Dictionary(names.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
  }

  private mutating func reference(_ positions: [String: Int], _ what: String) throws(Diagnostic) -> Int {
    if reader.accept("@") { return try count("a number") }
    let token = reader.current
    let name = try name("a \(what)")
    guard let position = positions[name] else {
      throw Diagnostic("no \(what) is named `\(name)`", at: token.location, length: token.length)
    }
    return position
  }
}
