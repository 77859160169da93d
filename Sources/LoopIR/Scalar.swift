import Basics

/// An operation on one number. Rounding is IEEE 754 to nearest even; integers wrap.
public enum UnaryOperation: String, Hashable, Sendable, CaseIterable, Codable {
  /// `neg abs sqrt floor ceil trunc rint` on floats (exact), `neg abs` on signed integers, `not` on bool and integers (bitwise).
  case neg, abs, sqrt, floor, ceil, trunc, rint, not
  /// Bool: whether a float is NaN.
  case isNaN = "isnan"
}

/// An operation on two numbers of one type.
public enum BinaryOperation: String, Hashable, Sendable, CaseIterable, Codable {
  /// Division of integers truncates and is defined only for nonzero divisors; `rem` has the dividend's sign.
  case add, sub, mul, div, rem
  /// `b < a ? b : a` and `b > a ? b : a`: the first operand wins where either is NaN.
  case min, max
  /// Bitwise on integers, logical on bool.
  case and, or, xor
  /// Shifts of unsigned integers by 0 ..< bits.
  case shl, shr
}

/// A comparison of two numbers of one type; false where either is NaN, except `ne`.
public enum Comparison: String, Hashable, Sendable, CaseIterable, Codable { case lt, le, gt, ge, eq, ne }

/// A constant with its type; floats are kept as bits so that text and hash are exact.
public enum Literal: Hashable, Sendable {
  case float(UInt64, ElementType)
  case integer(Int, ElementType)
  case bool(Bool)

  /// The element type.
  public var element: ElementType {
    switch self {
    case .float(_, let element), .integer(_, let element): element
    case .bool: .bool
    }
  }

  /// The value of a float literal (literals of narrower types are stored as the exactly converted double).
  public var floatValue: Double? { if case .float(let bits, _) = self { Double(bitPattern: bits) } else { nil } }
}

/// A side-effect-free expression for one number.
public indirect enum Scalar: Hashable, Sendable {
  case literal(Literal)
  /// A `define`, a mutable variable, or a parameter of a `ScalarFunction`.
  case variable(String)
  /// An element of a buffer or of a kernel-local array.
  case load(String, Index)
  /// An element of operand `k` of an operator at a multi-dimensional position. Only in the lowering rules of operators; kernels have loads.
  case element(Int, [Index])
  case index(Index, ElementType)
  case unary(UnaryOperation, Scalar)
  case binary(BinaryOperation, Scalar, Scalar)
  /// a * b + c with one rounding.
  case fma(Scalar, Scalar, Scalar)
  case compare(Comparison, Scalar, Scalar)
  /// condition ? a : b; only the chosen side is evaluated.
  case select(Scalar, Scalar, Scalar)
  /// Conversion; float to integer truncates and saturates (NaN gives 0), bool is 0 or 1, to bool is `!= 0`.
  case cast(ElementType, Scalar)
  /// The same bits as another type of equal size.
  case bitcast(ElementType, Scalar)
  /// A function of `MathFunction`, whose definition is itself in this language.
  case call(MathFunction, [Scalar])

  /// A float literal; the value is rounded to the element type here, once.
  public static func float(_ value: Double, _ element: ElementType) -> Scalar {
    .literal(.float(element.rounded(value).bitPattern, element))
  }

  /// An integer literal.
  public static func integer(_ value: Int, _ element: ElementType) -> Scalar { .literal(.integer(value, element)) }

  /// A literal of any element type.
  public static func constant(_ value: Double, _ element: ElementType) -> Scalar {
    element.isReal ? .float(value, element) : element == .bool ? .literal(.bool(value != 0)) : .integer(Int(value), element)
  }

  public static func + (a: Scalar, b: Scalar) -> Scalar { .binary(.add, a, b) }
  public static func - (a: Scalar, b: Scalar) -> Scalar { .binary(.sub, a, b) }
  public static func * (a: Scalar, b: Scalar) -> Scalar { .binary(.mul, a, b) }
  public static func / (a: Scalar, b: Scalar) -> Scalar { .binary(.div, a, b) }
  public static prefix func - (a: Scalar) -> Scalar { .unary(.neg, a) }

  /// The direct subexpressions, left to right (index expressions excepted).
  public var children: [Scalar] {
    switch self {
    case .literal, .variable, .load, .element, .index: []
    case .unary(_, let a), .cast(_, let a), .bitcast(_, let a): [a]
    case .binary(_, let a, let b), .compare(_, let a, let b): [a, b]
    case .fma(let a, let b, let c), .select(let a, let b, let c): [a, b, c]
    case .call(_, let arguments): arguments
    }
  }

  /// The same expression with each direct subexpression replaced.
  public func mapChildren(_ transform: (Scalar) throws -> Scalar) rethrows -> Scalar {
    switch self {
    case .literal, .variable, .load, .element, .index: self
    case .unary(let operation, let a): .unary(operation, try transform(a))
    case .cast(let element, let a): .cast(element, try transform(a))
    case .bitcast(let element, let a): .bitcast(element, try transform(a))
    case .binary(let operation, let a, let b): .binary(operation, try transform(a), try transform(b))
    case .compare(let comparison, let a, let b): .compare(comparison, try transform(a), try transform(b))
    case .fma(let a, let b, let c): .fma(try transform(a), try transform(b), try transform(c))
    case .select(let a, let b, let c): .select(try transform(a), try transform(b), try transform(c))
    case .call(let function, let arguments): .call(function, try arguments.map(transform))
    }
  }

  /// The index variables read anywhere inside.
  public var indexVariables: Set<String> {
    switch self {
    case .load(_, let index), .index(let index, _): index.variables
    case .element(_, let indices): indices.reduce(into: []) { $0.formUnion($1.variables) }
    default: children.reduce(into: []) { $0.formUnion($1.indexVariables) }
    }
  }
}
