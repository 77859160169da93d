import Basics

extension Scalar {
  /// An equal expression, as simple as IEEE arithmetic allows bit for bit (NaN payloads excepted): constants folded with the operation's own
  /// rounding, identities that hold for every value (`x * 1`, `x / 1`, `x - 0`, `x + -0`, division by a power of two), selects and
  /// comparisons that are decided. Never `x + 0` or `x * 0` on floats.
  public func simplified(_ ranges: [String: ClosedRange<Int>] = [:]) -> Scalar {
    let scalar = mapChildren { $0.simplified(ranges) }.mapOwnIndices { $0.simplified(ranges) }
    switch scalar {
    case .index(let index, let element): return index.constantValue.map { .bits(Arithmetic.index($0, as: element), element) } ?? scalar
    case .unary(let operation, let a): return foldUnary(operation, a) ?? scalar
    case .binary(let operation, let a, let b): return foldBinary(operation, a, b) ?? scalar
    case .fma(let a, let b, let c): return foldFMA(a, b, c) ?? scalar
    case .compare(let comparison, let a, let b): return foldComparison(comparison, a, b, ranges) ?? scalar
    case .select(let condition, let a, let b):
      if case .literal(.bool(let value)) = condition { return value ? a : b }
      if a == b { return a }
      if case .unary(.not, let inner) = condition { return .select(inner, b, a) }
      return scalar
    case .cast(let element, .literal(let a)): return .bits(Arithmetic.cast(a.bits, from: a.element, to: element), element)
    case .bitcast(let element, .literal(let a)): return .bits(a.bits, element)
    case .bitcast(let element, .bitcast(_, let a)): return .bitcast(element, a).simplified(ranges)
    case .call(let function, let arguments): return foldCall(function, arguments) ?? scalar
    default: return scalar
    }
  }

  /// The literal with these bits.
  static func bits(_ bits: UInt64, _ element: ElementType) -> Scalar { .literal(Literal(bits: bits, element)) }
}

private func foldUnary(_ operation: UnaryOperation, _ a: Scalar) -> Scalar? {
  if case .literal(let a) = a {
    return .bits(Arithmetic.unary(operation, a.element, a.bits), operation == .isNaN ? .bool : a.element)
  }
  switch (operation, a) {
  case (.neg, .unary(.neg, let inner)), (.not, .unary(.not, let inner)): return inner
  case (.abs, .unary(.neg, let inner)), (.abs, .unary(.abs, let inner)): return .unary(.abs, inner)
  default: return nil
  }
}

private func foldBinary(_ operation: BinaryOperation, _ a: Scalar, _ b: Scalar) -> Scalar? {
  if case .literal(let x) = a, case .literal(let y) = b {
    return Arithmetic.binary(operation, x.element, x.bits, y.bits).map { .bits($0, x.element) }
  }
  switch (operation, a, b) {
  case (.mul, let x, .literal(let one)) where Scalar.literal(one).isNumberOne,
    (.div, let x, .literal(let one)) where Scalar.literal(one).isNumberOne:
    return x
  case (.mul, .literal(let one), let x) where Scalar.literal(one).isNumberOne: return x
  case (.div, let x, .literal(.float(let bits, let element))):
    return exactReciprocal(Double(bitPattern: bits), element).map { x * .float($0, element) }
  case (.add, let x, .literal(let zero)) where zero.isNeutralForAddition, (.add, .literal(let zero), let x) where zero.isNeutralForAddition:
    return x
  case (.sub, let x, .literal(let zero)) where zero.bits == 0: return x
  case (.mul, _, .literal(.integer(0, let element))), (.mul, .literal(.integer(0, let element)), _): return .integer(0, element)
  case (.shl, let x, .literal(.integer(0, _))), (.shr, let x, .literal(.integer(0, _))): return x
  case (.and, let x, .literal(.bool(let value))), (.and, .literal(.bool(let value)), let x): return value ? x : .literal(.bool(false))
  case (.or, let x, .literal(.bool(let value))), (.or, .literal(.bool(let value)), let x): return value ? .literal(.bool(true)) : x
  case (.min, let x, let y) where x == y, (.max, let x, let y) where x == y: return x
  default: return nil
  }
}

private func foldFMA(_ a: Scalar, _ b: Scalar, _ c: Scalar) -> Scalar? {
  if case .literal(let x) = a, case .literal(let y) = b, case .literal(let z) = c {
    return .bits(Arithmetic.fma(x.element, x.bits, y.bits, z.bits), x.element)
  }
  if a.isNumberOne { return (b + c).simplified() }
  if b.isNumberOne { return (a + c).simplified() }
  if case .literal(let zero) = c, zero.isNeutralForAddition { return (a * b).simplified() }
  return nil
}

private func foldComparison(_ comparison: Comparison, _ a: Scalar, _ b: Scalar, _ ranges: [String: ClosedRange<Int>]) -> Scalar? {
  if case .literal(let x) = a, case .literal(let y) = b {
    return .literal(.bool(Arithmetic.compare(comparison, x.element, x.bits, y.bits)))
  }
  guard let first = a.indexValue, let second = b.indexValue, first.element == second.element else { return nil }
  let x = first.index.range(ranges), y = second.index.range(ranges)
  // Beyond these bounds an index might wrap in its element type.
  guard let span = first.element.exactIndexRange, span.contains(x.lowerBound), span.contains(x.upperBound), span.contains(y.lowerBound),
    span.contains(y.upperBound)
  else { return nil }
  var difference = Linear(second.index)
  difference.add(Linear(first.index), -1)
  let range = difference.range(ranges)
  let (low, high) = (range.lowerBound, range.upperBound)
  let decided: Bool? =
    switch comparison {
    case .lt: low > 0 ? true : high <= 0 ? false : nil
    case .le: low >= 0 ? true : high < 0 ? false : nil
    case .gt: high < 0 ? true : low >= 0 ? false : nil
    case .ge: high <= 0 ? true : low > 0 ? false : nil
    case .eq: low == 0 && high == 0 ? true : low > 0 || high < 0 ? false : nil
    case .ne: low > 0 || high < 0 ? true : low == 0 && high == 0 ? false : nil
    }
  return decided.map { .literal(.bool($0)) }
}

private func foldCall(_ function: MathFunction, _ arguments: [Scalar]) -> Scalar? {
  guard arguments.allSatisfy({ if case .literal = $0 { true } else { false } }), case .literal(let first) = arguments[0],
    first.element.isFloat != (function == .randomBits)
  else { return nil }
  let definition = function.definition(for: first.element)
  var values = Dictionary(uniqueKeysWithValues: zip(definition.parameters, arguments))
  for step in definition.definitions { values[step.name] = step.value.substituting(variables: values).simplified() }
  let result = definition.result.substituting(variables: values).simplified()
  guard case .literal = result else { return nil }
  return result
}

/// 1 / value where that is a normal power of two, so that multiplication with it rounds like the division.
private func exactReciprocal(_ value: Double, _ element: ElementType) -> Double? {
  guard value.isNormal, value.significand == 1 else { return nil }
  let reciprocal = 1 / value
  return (element == .f32 ? Float(reciprocal).isNormal && Float(value).isNormal : reciprocal.isNormal) ? reciprocal : nil
}

extension Scalar {
  fileprivate var isNumberOne: Bool {
    switch self {
    case .literal(.float(let bits, _)): bits == (1.0).bitPattern
    case .literal(.integer(1, _)): true
    default: false
    }
  }

  /// The index that the expression converts, or that an integer literal is.
  fileprivate var indexValue: (index: Index, element: ElementType)? {
    switch self {
    case .index(let index, let element) where element.isInteger: (index, element)
    case .literal(.integer(let value, let element)): (.constant(value), element)
    default: nil
    }
  }
}

extension Literal {
  /// -0 for floats (x + 0 would turn -0 into 0), 0 for integers.
  fileprivate var isNeutralForAddition: Bool {
    switch self {
    case .float(let bits, _): bits == (-0.0).bitPattern
    case .integer(let value, _): value == 0
    case .bool: false
    }
  }
}

extension ElementType {
  /// The integers between which an index has the same value in this type.
  fileprivate var exactIndexRange: ClosedRange<Int>? {
    switch self {
    case .i32: Int(Int32.min)...Int(Int32.max)
    case .u32: 0...Int(UInt32.max)
    case .u8: 0...255
    case .i8: -128...127
    case .i16: Int(Int16.min)...Int(Int16.max)
    case .u16: 0...Int(UInt16.max)
    case .i64: Interval.unknown
    case .u64: 0...Interval.limit
    default: nil
    }
  }
}
