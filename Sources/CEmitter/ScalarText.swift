import Basics
import LoopIR

/// Turns scalars and indices into C. Holds what a kernel or a scalar function knows of its names, and gathers what the file needs.
struct ScalarText {
  /// C name and element type of every value name in scope.
  var values: [String: (name: String, element: ElementType)] = [:]
  /// C name and element type of every buffer and local array in scope.
  var arrays: [String: (name: String, element: ElementType)] = [:]
  /// C names of index variables.
  var indices: [String: String] = [:]
  /// Index variables that textual unrolling has made constant.
  var unrolled: [String: Int] = [:]
  var indexType = "int"
  var helpers: Helpers
  /// Scalar functions in use, callees first.
  var functions: ScalarFunctions

  // MARK: indices

  /// The index with unrolled variables put in.
  func resolve(_ index: Index) -> Index {
    switch index {
    case .constant, .indirect: return index
    case .variable(let name): return unrolled[name].map { .constant($0) } ?? index
    case .add(let a, let b): return resolve(a) + resolve(b)
    case .multiply(let a, let factor): return resolve(a) * factor
    case .divide(let a, let divisor):
      let a = resolve(a)
      return a.constantValue.map { .constant($0 / divisor) } ?? .divide(a, divisor)
    case .remainder(let a, let divisor):
      let a = resolve(a)
      return a.constantValue.map { .constant($0 % divisor) } ?? .remainder(a, divisor)
    case .minimum(let a, let b): return extremum(resolve(a), resolve(b), min, Index.minimum)
    case .maximum(let a, let b): return extremum(resolve(a), resolve(b), max, Index.maximum)
    }
  }

  private func extremum(_ a: Index, _ b: Index, _ fold: (Int, Int) -> Int, _ make: (Index, Index) -> Index) -> Index {
    if let x = a.constantValue, let y = b.constantValue { return .constant(fold(x, y)) }
    return make(a, b)
  }

  /// An index as a C expression of `indexType`.
  mutating func index(_ index: Index, _ least: Precedence = .whole) throws -> String {
    try indexExpression(resolve(index)).at(least)
  }

  private mutating func indexExpression(_ index: Index) throws -> Expression {
    switch index {
    case .constant(let value): return Expression("\(value)", value < 0 ? .unary : .primary, .i32)
    case .variable(let name):
      guard let cName = indices[name] else { throw Diagnostic.bug("the index variable '\(name)' is not in scope") }
      return Expression(cName, .primary, .i32)
    case .add(let a, let b):
      let left = try indexExpression(a).at(.additive)
      if case .constant(let value) = b, value < 0, value != Int.min { return Expression("\(left) - \(-value)", .additive, .i32) }
      if case .multiply(let factor, let value) = b, value < 0, value != Int.min {
        let right = try indexExpression(value == -1 ? factor : .multiply(factor, -value)).at(.multiplicative)
        return Expression("\(left) - \(right)", .additive, .i32)
      }
      return Expression("\(left) + \(try indexExpression(b).at(.multiplicative))", .additive, .i32)
    case .multiply(let a, let factor):
      return Expression(
        "\(try indexExpression(a).at(.multiplicative)) * \(factor < 0 ? "(\(factor))" : "\(factor)")", .multiplicative, .i32)
    case .divide(let a, let divisor): return Expression("\(try indexExpression(a).at(.multiplicative)) / \(divisor)", .multiplicative, .i32)
    case .remainder(let a, let divisor):
      return Expression("\(try indexExpression(a).at(.multiplicative)) % \(divisor)", .multiplicative, .i32)
    case .minimum(let a, let b): return try indexExtremum("min", "<", a, b)
    case .maximum(let a, let b): return try indexExtremum("max", ">", a, b)
    case .indirect(let scalar, _): return Expression("(\(indexType))\(try self.scalar(scalar).at(.unary))", .unary, .i32)
    }
  }

  private mutating func indexExtremum(_ name: String, _ sign: String, _ a: Index, _ b: Index) throws -> Expression {
    let helper = helpers.extremum(name, sign, indexType, indexType == "int" ? "int" : "size")
    return Expression("\(helper)(\(try indexExpression(a).text), \(try indexExpression(b).text))", .primary, .i32)
  }

  // MARK: scalars

  /// A scalar as a C expression of its element's value type.
  mutating func scalar(_ scalar: Scalar) throws -> Expression {
    switch scalar {
    case .literal(let literal): return self.literal(literal)
    case .variable(let name):
      guard let value = values[name] else { throw Diagnostic.bug("the value '\(name)' is not in scope") }
      return Expression(value.name, .primary, value.element)
    case .load(let name, let position):
      guard let array = arrays[name] else { throw Diagnostic.bug("the buffer '\(name)' is not in scope") }
      return Expression("\(array.name)[\(try index(position))]", .primary, array.element)
    case .element: throw Diagnostic.bug("an operand's element outside an operator's lowering rule")
    case .index(let position, let element):
      if element == .bool { return Expression("(\(try index(position, .additive)) != 0)", .primary, .bool) }
      if element.isStoredFloat {
        return cast(Expression("(int64_t)\(try index(position, .unary))", .unary, .i64), to: element)
      }
      if element == .i32, indexType == "int" { return Expression(try index(position, .primary), .primary, .i32) }
      return Expression("(\(element.cValueType))\(try index(position, .unary))", .unary, element)
    case .unary(let operation, let a): return unary(operation, try self.scalar(a))
    case .binary(let operation, let a, let b): return binary(operation, try self.scalar(a), try self.scalar(b))
    case .fma(let a, let b, let c):
      let (a, b, c) = (try self.scalar(a), try self.scalar(b), try self.scalar(c))
      return Expression("\(a.element == .f32 ? "fmaf" : "fma")(\(a.text), \(b.text), \(c.text))", .primary, a.element)
    case .compare(let comparison, let a, let b):
      let (a, b) = (try self.scalar(a), try self.scalar(b))
      return Expression("(\(a.at(.additive)) \(comparisonSign(comparison)) \(b.at(.additive)))", .primary, .bool)
    case .select(let condition, let a, let b):
      let (condition, a, b) = (try self.scalar(condition), try self.scalar(a), try self.scalar(b))
      let choice = "(\(condition.at(.additive)) ? \(a.at(.additive)) : \(b.at(.additive)))"
      let converts = a.element.isNarrow && a.element != .u8
      return converts ? Expression("(\(a.element.cValueType))\(choice)", .unary, a.element) : Expression(choice, .primary, a.element)
    case .cast(let element, let a): return cast(try self.scalar(a), to: element)
    case .bitcast(let element, let a):
      let a = try self.scalar(a)
      return a.element == element ? a : Expression("\(helpers.bitcast(from: a.element, to: element))(\(a.text))", .primary, element)
    case .call(let function, let arguments):
      let arguments = try arguments.map { try self.scalar($0) }
      let element = arguments[0].element
      let name = try functions.use(function, element, helpers: &helpers)
      return Expression("\(name)(\(arguments.map(\.text).joined(separator: ", ")))", .primary, element)
    }
  }

  /// The value as it is stored in memory or kept in a variable: narrow types are converted back from int.
  mutating func stored(_ scalar: Scalar, as element: ElementType) throws -> String {
    let value = try self.scalar(scalar)
    if element == .bool, case .literal = scalar { return value.text }
    let text = outerParenthesesDropped(value.text)
    return element.isNarrow || element == .bool ? "(\(element.cMemoryType))\(value.at(.unary))" : text
  }

  private mutating func literal(_ literal: Literal) -> Expression {
    switch literal {
    case .bool(let value): return Expression(value ? "1" : "0", .primary, .bool)
    case .integer(let value, let element): return integerText(value, element)
    case .float(let bits, let element):
      let value = Double(bitPattern: bits)
      if element.isStoredFloat { return Expression("(uint16_t)0x\(String(literal.bits, radix: 16))", .unary, element) }
      if value.isFinite { return Expression(floatText(value, element), value.sign == .minus ? .unary : .primary, element) }
      // Without math.h's macros: they are of type float, or a quotient, or warned of, depending on the compiler.
      let source: ElementType = element == .f32 ? .u32 : .u64
      let pattern =
        element == .f32 ? "0x\(String(Float(value).bitPattern, radix: 16))u" : "0x\(String(value.bitPattern, radix: 16))ULL"
      return Expression("\(helpers.bitcast(from: source, to: element))(\(pattern))", .primary, element)
    }
  }

  private mutating func unary(_ operation: UnaryOperation, _ a: Expression) -> Expression {
    let element = a.element
    let type = element.cValueType
    switch operation {
    case .neg where element.isFloat:
      return Expression("-\(a.precedence == .unary && a.text.hasPrefix("-") ? "(\(a.text))" : a.at(.unary))", .unary, element)
    case .neg: return Expression("(\(type))(0u - (u\(type))\(a.at(.unary)))", .unary, element)
    case .abs where !element.isFloat: return Expression("\(helpers.absolute(element))(\(a.text))", .primary, element)
    case .abs: return Expression("\(element == .f32 ? "fabsf" : "fabs")(\(a.text))", .primary, element)
    case .sqrt, .floor, .ceil, .trunc, .rint:
      return Expression("\(operation.rawValue)\(element == .f32 ? "f" : "")(\(a.text))", .primary, element)
    case .not where element == .bool: return Expression("!\(a.at(.unary))", .unary, element)
    case .not: return Expression("(\(type))~\(a.at(.unary))", .unary, element)
    case .isNaN: return Expression("\(helpers.isNaN(element))(\(a.text))", .primary, .bool)
    }
  }

  private mutating func binary(_ operation: BinaryOperation, _ a: Expression, _ b: Expression) -> Expression {
    let element = a.element
    switch operation {
    case .min, .max:
      let helper = helpers.extremum(operation.rawValue, operation == .min ? "<" : ">", element.cValueType, element.rawValue)
      return Expression("\(helper)(\(a.text), \(b.text))", .primary, element)
    case .and where element == .bool: return Expression("(\(a.at(.additive)) && \(b.at(.additive)))", .primary, element)
    case .or where element == .bool: return Expression("(\(a.at(.additive)) || \(b.at(.additive)))", .primary, element)
    case .xor where element == .bool: return Expression("(\(a.at(.primary)) != \(b.at(.primary)))", .primary, element)
    case .and, .or, .xor, .shl, .shr:
      let signs: [BinaryOperation: String] = [.and: "&", .or: "|", .xor: "^", .shl: "<<", .shr: ">>"]
      // A uint16_t is shifted as an int, which the bits might leave.
      let left = element == .u16 && operation == .shl ? "(uint32_t)\(a.at(.unary))" : a.at(.unary)
      let text = "(\(left) \(signs[operation]!) \(b.at(.unary)))"
      return element.isNarrow ? Expression("(\(element.cValueType))\(text)", .unary, element) : Expression(text, .primary, element)
    case .div, .rem:
      if !element.isFloat, !element.isUnsigned {
        return Expression("\(helpers.division(operation, element))(\(a.text), \(b.text))", .primary, element)
      }
    case .add, .sub, .mul: break
    }
    return arithmetic(operation, a, b)
  }

  /// The four operations where C's own are right once the operands are unsigned.
  private func arithmetic(_ operation: BinaryOperation, _ a: Expression, _ b: Expression) -> Expression {
    let element = a.element
    let additive = operation == .add || operation == .sub
    let precedence: Precedence = additive ? .additive : .multiplicative
    let sign = [.add: "+", .sub: "-", .mul: "*", .div: "/"][operation, default: "%"]
    // The right operand of - and of / binds tighter; so does that of + and *, because a rounded sum is not associative.
    let tighter: Precedence = additive ? .multiplicative : .unary
    // The product of two uint16_t might leave an int.
    if element == .i32 || element == .i64 || element == .u16 {
      let type = element == .u16 ? "uint32_t" : "u" + element.cValueType
      return Expression("(\(element.cValueType))((\(type))\(a.at(.unary)) \(sign) (\(type))\(b.at(.unary)))", .unary, element)
    }
    let text = "\(a.at(precedence)) \(sign) \(b.at(tighter))"
    return element.isNarrow
      ? Expression("(\(element.cValueType))(\(text))", .unary, element) : Expression(text, precedence, element)
  }

  private mutating func cast(_ a: Expression, to element: ElementType) -> Expression {
    if a.element == element { return a }
    if a.element.isStoredFloat {
      return cast(Expression("\(helpers.widen(a.element))(\(a.text))", .primary, .f32), to: element)
    }
    if element.isStoredFloat {
      return Expression("\(helpers.narrow(to: element))(\(cast(a, to: .f32).text))", .primary, element)
    }
    if element == .bool {
      return Expression("(\(a.at(.additive)) != \(a.element.isFloat ? floatText(0, a.element) : "0"))", .primary, .bool)
    }
    if a.element.isFloat, element.isInteger {
      return Expression("\(helpers.saturate(a.element, to: element))(\(a.text))", .primary, element)
    }
    return Expression("(\(element.cValueType))\(a.at(.unary))", .unary, element)
  }
}

private func comparisonSign(_ comparison: Comparison) -> String {
  switch comparison {
  case .lt: "<"
  case .le: "<="
  case .gt: ">"
  case .ge: ">="
  case .eq: "=="
  case .ne: "!="
  }
}

/// The text without a pair of parentheses around the whole of it.
func outerParenthesesDropped(_ text: String) -> String {
  guard text.hasPrefix("("), text.hasSuffix(")") else { return text }
  var depth = 0
  for (offset, byte) in text.utf8.enumerated() {
    if byte == UInt8(ascii: "(") { depth += 1 }
    if byte == UInt8(ascii: ")") { depth -= 1 }
    if depth == 0, offset < text.utf8.count - 1 { return text }
  }
  return String(text.dropFirst().dropLast())
}
