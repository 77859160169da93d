import Basics

// Index expressions.
extension ProgramParser {
  mutating func index() throws(Diagnostic) -> Index {
    var sum = try indexProduct()
    while true {
      if reader.accept("+") {
        sum = .add(sum, try indexProduct())
      } else if reader.accept("-") {
        sum = .add(sum, .constant(0 &- (try reader.expectInteger("a constant to subtract"))))
      } else {
        return sum
      }
    }
  }

  private mutating func indexProduct() throws(Diagnostic) -> Index {
    var product = try indexPrimary()
    while true {
      if reader.accept("*") {
        product = .multiply(product, try reader.expectInteger("a constant factor"))
      } else if reader.accept("/") {
        product = .divide(product, try reader.expectInteger("a constant divisor"))
      } else if reader.accept("%") {
        product = .remainder(product, try reader.expectInteger("a constant divisor"))
      } else {
        return product
      }
    }
  }

  private mutating func indexPrimary() throws(Diagnostic) -> Index {
    try nested { parser throws(Diagnostic) in try parser.indexAtom() }
  }

  private mutating func indexAtom() throws(Diagnostic) -> Index {
    if reader.accept("(") {
      let inner = try index()
      try reader.expect(")")
      return inner
    }
    if reader.current.is("-") { return .constant(try reader.expectInteger()) }
    if case .integer = reader.current.kind { return .constant(try reader.expectInteger()) }
    if reader.peek().is("(") {
      if reader.accept("at") {
        try reader.expect("(")
        let inner = try scalar()
        try reader.expect(",")
        let bound = try reader.expectInteger("a bound")
        try reader.expect(")")
        return .indirect(inner, bound: bound)
      }
      let smaller = reader.current.is("min")
      guard smaller || reader.current.is("max") else { throw reader.expected("min, max or at") }
      reader.take()
      try reader.expect("(")
      let a = try index()
      try reader.expect(",")
      let b = try index()
      try reader.expect(")")
      return smaller ? .minimum(a, b) : .maximum(a, b)
    }
    return .variable(try name("an index"))
  }
}

// Scalar expressions.
extension ProgramParser {
  mutating func scalar() throws(Diagnostic) -> Scalar {
    let first = try sum()
    guard let comparison = Comparison.allCases.first(where: { reader.current.is($0.symbol) }) else { return first }
    reader.take()
    return .compare(comparison, first, try sum())
  }

  private mutating func sum() throws(Diagnostic) -> Scalar {
    var sum = try product()
    while true {
      if reader.accept("+") {
        sum = .binary(.add, sum, try product())
      } else if reader.accept("-") {
        sum = .binary(.sub, sum, try product())
      } else {
        return sum
      }
    }
  }

  private mutating func product() throws(Diagnostic) -> Scalar {
    var product = try signed()
    while true {
      if reader.accept("*") {
        product = .binary(.mul, product, try primary())
      } else if reader.accept("/") {
        product = .binary(.div, product, try primary())
      } else if reader.accept("%") {
        product = .binary(.rem, product, try primary())
      } else {
        return product
      }
    }
  }

  private mutating func signed() throws(Diagnostic) -> Scalar {
    reader.accept("-") ? .unary(.neg, try primary()) : try primary()
  }

  mutating func primary() throws(Diagnostic) -> Scalar {
    try nested { parser throws(Diagnostic) in try parser.scalarAtom() }
  }

  private mutating func scalarAtom() throws(Diagnostic) -> Scalar {
    if reader.accept("(") {
      let inner = try scalar()
      try reader.expect(")")
      return inner
    }
    if reader.accept("true") { return .literal(.bool(true)) }
    if reader.accept("false") { return .literal(.bool(false)) }
    if reader.accept("$") {
      let operand = try reader.expectInteger("an operand's number")
      var indices: [Index] = []
      try reader.expect("[")
      while !reader.accept("]") {
        if !indices.isEmpty { try reader.expect(",") }
        indices.append(try index())
      }
      return .element(operand, indices)
    }
    if case .identifier = reader.current.kind, let element = ElementType(rawValue: reader.current.text) {
      reader.take()
      return try typed(element)
    }
    if case .identifier = reader.current.kind, reader.peek().is("(") { return try application() }
    let name = try name("an expression")
    guard reader.accept("[") else { return .variable(name) }
    let position = try index()
    try reader.expect("]")
    return .load(name, position)
  }

  /// After an element type: a conversion, the value of an index, or a literal.
  private mutating func typed(_ element: ElementType) throws(Diagnostic) -> Scalar {
    if reader.accept("(") {
      let inner = try scalar()
      try reader.expect(")")
      return .cast(element, inner)
    }
    if reader.accept("[") {
      let inner = try index()
      try reader.expect("]")
      return .index(inner, element)
    }
    guard element.isReal else { return .integer(try reader.expectInteger("an integer"), element) }
    if reader.accept("nan") {
      guard reader.accept("(") else { return .literal(.float(Double.nan.bitPattern, element)) }
      guard case .integer(let bits) = reader.current.kind else { throw reader.expected("the bits of a NaN") }
      reader.take()
      try reader.expect(")")
      return .literal(.float(bits, element))
    }
    let negative = reader.accept("-")
    let value: Double
    switch reader.current.kind {
    case .identifier where reader.current.text == "inf": value = .infinity
    case .integer, .float:
      let digits = reader.current.text.filter { $0 != "_" }
      guard let number = element == .f32 ? Float(digits).map(Double.init) : Double(digits) else { throw reader.expected("a number") }
      value = number
    default: throw reader.expected("a number, `(` or `[`")
    }
    reader.take()
    return .literal(.float((negative ? -value : value).bitPattern, element))
  }

  private mutating func application() throws(Diagnostic) -> Scalar {
    let token = reader.take()
    var arguments: [Scalar] = []
    try reader.expect("(")
    while !reader.accept(")") {
      if !arguments.isEmpty { try reader.expect(",") }
      arguments.append(try scalar())
    }
    let wanted: Int
    let result: (([Scalar]) -> Scalar)
    if let operation = UnaryOperation(rawValue: token.text) {
      (wanted, result) = (1, { .unary(operation, $0[0]) })
    } else if let operation = BinaryOperation(rawValue: token.text) {
      (wanted, result) = (2, { .binary(operation, $0[0], $0[1]) })
    } else if let function = MathFunction(rawValue: token.text) {
      (wanted, result) = (function.arity, { .call(function, $0) })
    } else if token.text.hasPrefix("bitcast_"), let element = ElementType(rawValue: String(token.text.dropFirst(8))) {
      (wanted, result) = (1, { .bitcast(element, $0[0]) })
    } else if token.text == "fma" {
      (wanted, result) = (3, { .fma($0[0], $0[1], $0[2]) })
    } else if token.text == "select" {
      (wanted, result) = (3, { .select($0[0], $0[1], $0[2]) })
    } else {
      throw Diagnostic("there is no function `\(token.text)`", at: token.location, length: token.length)
    }
    guard arguments.count == wanted else {
      throw Diagnostic("`\(token.text)` takes \(wanted) operands, not \(arguments.count)", at: token.location, length: token.length)
    }
    return result(arguments)
  }
}
