import Basics

// Kernels and statements.
extension ProgramParser {
  mutating func kernel() throws(Diagnostic) -> Kernel {
    var kernel = Kernel(name: try name("the kernel's name"), parameters: [], symbols: [], body: [])
    try reader.expect("(")
    while !reader.current.is(")"), !reader.current.is(";") {
      if !kernel.parameters.isEmpty { try reader.expect(",") }
      kernel.parameters.append(try parameter())
    }
    if reader.accept(";") {
      repeat {
        kernel.symbols.append(try name("a symbol"))
        guard reader.accept("<=") else { continue }
        let rounds = try count("the number of rounds")
        kernel.counters.append(Symbol(name: kernel.symbols[kernel.symbols.count - 1], maximum: rounds, isCounter: true))
      } while reader.accept(",")
    }
    try reader.expect(")")
    if reader.accept("parts") { kernel.parts = try index() }
    try reader.expect("{")
    while reader.accept("describe") { kernel.comments.append(try reader.expectString()) }
    while !reader.accept("}") { kernel.body.append(try statement()) }
    return kernel
  }

  private mutating func parameter() throws(Diagnostic) -> BufferParameter {
    let name = try name("a parameter")
    try reader.expect(":")
    guard let access = Access(rawValue: reader.current.text) else { throw reader.expected("read, write or update") }
    reader.take()
    let element = try element()
    try reader.expect("[")
    let count = try count("the parameter's elements")
    try reader.expect("]")
    return BufferParameter(name: name, element: element, count: count, access: access)
  }

  private mutating func block() throws(Diagnostic) -> [Statement] {
    try nested { parser throws(Diagnostic) in
      try parser.reader.expect("{")
      var statements: [Statement] = []
      while !parser.reader.current.is("}") { statements.append(try parser.statement()) }
      parser.reader.take()
      return statements
    }
  }

  private mutating func statement() throws(Diagnostic) -> Statement {
    if case .identifier = reader.current.kind {
      switch reader.current.text {
      case "comment":
        reader.take()
        return .comment(try reader.expectString())
      case "for": return try loop()
      case "when": return try when()
      case "let", "var":
        let isConstant = reader.take().text == "let"
        let name = try name()
        try reader.expect(":")
        let element = try element()
        try reader.expect("=")
        return isConstant ? .define(name, element, try scalar()) : .variable(name, element, try scalar())
      case "array":
        reader.take()
        let name = try name()
        try reader.expect(":")
        let element = try element()
        try reader.expect("[")
        let count = try count("the array's elements")
        try reader.expect("]")
        return .array(name, element, count: count)
      case "gemm": return .gemm(try gemm())
      case "while":
        reader.take()
        let condition = try scalar()
        try reader.expect("limit")
        let limit = try count("the most repetitions")
        return .repeatWhile(condition, limit: limit, try block())
      default: break
      }
    }
    let name = try name("a statement")
    if reader.accept("=") { return .assign(name, try scalar()) }
    try reader.expect("[")
    let position = try index()
    try reader.expect("]")
    try reader.expect("=")
    return .store(name, position, try scalar())
  }

  private mutating func loop() throws(Diagnostic) -> Statement {
    reader.take()
    let variable = try name("a loop variable")
    try reader.expect("in")
    let lower = try index()
    try reader.expect("..<")
    let upper = try index()
    let step = reader.accept("step") ? try count("a step") : 1
    let kind: Loop.Kind = reader.accept("lanes") ? .lanes : reader.accept("unrolled") ? .unrolled : .serial
    return .loop(Loop(variable, from: lower, to: upper, step: step, kind: kind, try block()))
  }

  private mutating func when() throws(Diagnostic) -> Statement {
    reader.take()
    let condition = try scalar()
    let then = try block()
    return .when(condition, then, otherwise: reader.accept("otherwise") ? try block() : [])
  }

  private mutating func gemm() throws(Diagnostic) -> Gemm {
    reader.take()
    let element = try element()
    try reader.expect("(")
    let m = try index()
    try reader.expect(",")
    let n = try index()
    try reader.expect(",")
    let k = try index()
    try reader.expect(")")
    let c = try matrix().0
    try reader.expect("=")
    guard case .literal(let alpha) = try primary(), let factor = alpha.floatValue else { throw reader.expected("the factor alpha") }
    try reader.expect("*")
    let (a, transposeA) = try matrix()
    try reader.expect("*")
    let (b, transposeB) = try matrix()
    try reader.expect("+")
    try reader.expect("beta")
    return Gemm(
      element: element, transposeA: transposeA, transposeB: transposeB, m: m, n: n, k: k, alpha: factor, a: a, b: b, beta: try scalar(),
      c: c)
  }

  private mutating func matrix() throws(Diagnostic) -> (Gemm.Matrix, Bool) {
    let name = try name("a buffer")
    let transposed = reader.accept("'")
    try reader.expect("[")
    let offset = try index()
    try reader.expect(",")
    try reader.expect("stride")
    let stride = try count("a stride")
    try reader.expect("]")
    return (Gemm.Matrix(name, offset, stride: stride), transposed)
  }
}
