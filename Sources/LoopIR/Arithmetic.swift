import Basics

extension Literal {
  /// The value's bits in the low end of a word: IEEE bits of floats, two's complement of integers cut to their size, 0 or 1 of bools.
  public var bits: UInt64 {
    switch self {
    case .float(let bits, .f64): bits
    case .float(let bits, let element): Arithmetic.cast(bits, from: .f64, to: element)
    case .integer(let value, let element): Arithmetic.cut(UInt64(bitPattern: Int64(value)), element)
    case .bool(let value): value ? 1 : 0
    }
  }

  /// The literal with these bits; integers of 64 unsigned bits are kept as the `Int` of the same bits.
  public init(bits: UInt64, _ element: ElementType) {
    switch element {
    case .f32, .f16, .bf16: self = .float(Arithmetic.cast(bits, from: element, to: .f64), element)
    case .f64: self = .float(bits, .f64)
    case .bool: self = .bool(bits & 1 != 0)
    default: self = .integer(Arithmetic.integer(bits, element), element)
    }
  }
}

/// The meaning of every operation, on bits as `Literal.bits` has them. Nil where an operation is not defined: division by zero, a shift by
/// the width or more.
public enum Arithmetic {
  /// The low bits that an element of this type has.
  static func cut(_ bits: UInt64, _ element: ElementType) -> UInt64 {
    switch element.size {
    case 1: element == .bool ? bits & 1 : bits & 0xFF
    case 2: bits & 0xFFFF
    case 4: bits & 0xFFFF_FFFF
    default: bits
    }
  }

  /// The integer that the bits stand for; u64 as the `Int` of the same bits.
  static func integer(_ bits: UInt64, _ element: ElementType) -> Int {
    switch element {
    case .i8: Int(Int8(truncatingIfNeeded: bits))
    case .i16: Int(Int16(truncatingIfNeeded: bits))
    case .i32: Int(Int32(truncatingIfNeeded: bits))
    default: Int(truncatingIfNeeded: cut(bits, element))
    }
  }

  static func single(_ bits: UInt64) -> Float { Float(bitPattern: UInt32(truncatingIfNeeded: bits)) }
  static func double(_ bits: UInt64) -> Double { Double(bitPattern: bits) }
  static func bits(_ value: Float) -> UInt64 { UInt64(value.bitPattern) }
  static func bits(_ value: Double) -> UInt64 { value.bitPattern }

  /// The result of a unary operation.
  public static func unary(_ operation: UnaryOperation, _ element: ElementType, _ a: UInt64) -> UInt64 {
    switch element {
    case .f32:
      if operation == .isNaN { return single(a).isNaN ? 1 : 0 }
      return bits(unary(operation, single(a)))
    case .f64:
      if operation == .isNaN { return double(a).isNaN ? 1 : 0 }
      return bits(unary(operation, double(a)))
    case .bool: return a ^ 1
    default:
      switch operation {
      case .neg: return cut(0 &- a, element)
      case .abs: return integer(a, element) < 0 ? cut(0 &- a, element) : a
      default: return cut(~a, element)
      }
    }
  }

  private static func unary(_ operation: UnaryOperation, _ a: Float) -> Float {
    switch operation {
    case .neg: -a
    case .abs: a.magnitude
    case .sqrt: a.squareRoot()
    case .floor: a.rounded(.down)
    case .ceil: a.rounded(.up)
    case .trunc: a.rounded(.towardZero)
    default: a.rounded(.toNearestOrEven)
    }
  }

  private static func unary(_ operation: UnaryOperation, _ a: Double) -> Double {
    switch operation {
    case .neg: -a
    case .abs: a.magnitude
    case .sqrt: a.squareRoot()
    case .floor: a.rounded(.down)
    case .ceil: a.rounded(.up)
    case .trunc: a.rounded(.towardZero)
    default: a.rounded(.toNearestOrEven)
    }
  }

  /// The result of a binary operation.
  public static func binary(_ operation: BinaryOperation, _ element: ElementType, _ a: UInt64, _ b: UInt64) -> UInt64? {
    switch element {
    case .f32:
      let x = single(a), y = single(b)
      switch operation {
      case .add: return bits(x + y)
      case .sub: return bits(x - y)
      case .mul: return bits(x * y)
      case .div: return bits(x / y)
      case .min: return y < x ? b : a
      case .max: return y > x ? b : a
      default: return nil
      }
    case .f64:
      let x = double(a), y = double(b)
      switch operation {
      case .add: return bits(x + y)
      case .sub: return bits(x - y)
      case .mul: return bits(x * y)
      case .div: return bits(x / y)
      case .min: return y < x ? b : a
      case .max: return y > x ? b : a
      default: return nil
      }
    default: return integerBinary(operation, element, a, b)
    }
  }

  private static func integerBinary(_ operation: BinaryOperation, _ element: ElementType, _ a: UInt64, _ b: UInt64) -> UInt64? {
    switch operation {
    case .add: return cut(a &+ b, element)
    case .sub: return cut(a &- b, element)
    case .mul: return cut(a &* b, element)
    case .and: return a & b
    case .or: return a | b
    case .xor: return a ^ b
    case .min: return less(b, a, element) ? b : a
    case .max: return less(a, b, element) ? b : a
    case .shl, .shr:
      guard b < UInt64(element.size * 8) else { return nil }
      return operation == .shl ? cut(a << b, element) : a >> b
    case .div, .rem:
      guard b != 0 else { return nil }
      if element.isUnsigned { return operation == .div ? a / b : a % b }
      let x = integer(a, element), y = integer(b, element)
      // The one quotient that does not fit wraps.
      let result = operation == .div ? x.dividedReportingOverflow(by: y) : x.remainderReportingOverflow(dividingBy: y)
      return cut(UInt64(bitPattern: Int64(result.partialValue)), element)
    }
  }

  private static func less(_ a: UInt64, _ b: UInt64, _ element: ElementType) -> Bool {
    element.isUnsigned || element == .bool ? a < b : integer(a, element) < integer(b, element)
  }

  /// a * b + c with one rounding, on floats.
  public static func fma(_ element: ElementType, _ a: UInt64, _ b: UInt64, _ c: UInt64) -> UInt64 {
    element == .f32 ? bits(single(c).addingProduct(single(a), single(b))) : bits(double(c).addingProduct(double(a), double(b)))
  }

  /// The result of a comparison.
  public static func compare(_ comparison: Comparison, _ element: ElementType, _ a: UInt64, _ b: UInt64) -> Bool {
    if element.isFloat {
      // Every f32 is an f64, in the same order.
      let x = element == .f32 ? Double(single(a)) : double(a), y = element == .f32 ? Double(single(b)) : double(b)
      switch comparison {
      case .lt: return x < y
      case .le: return x <= y
      case .gt: return x > y
      case .ge: return x >= y
      case .eq: return x == y
      case .ne: return x != y
      }
    }
    switch comparison {
    case .lt: return less(a, b, element)
    case .le: return !less(b, a, element)
    case .gt: return less(b, a, element)
    case .ge: return !less(a, b, element)
    case .eq: return a == b
    case .ne: return a != b
    }
  }

  /// The result of a conversion: between floats rounded, to and from f16 and bf16 by way of f32, from integers rounded, to integers truncated and saturated (NaN gives 0), between
  /// integers wrapped, to bool `!= 0`.
  public static func cast(_ a: UInt64, from source: ElementType, to target: ElementType) -> UInt64 {
    if source == target { return a }
    if source.isStoredFloat { return cast(bits(StoredFloat.single(UInt16(truncatingIfNeeded: a), source)), from: .f32, to: target) }
    if target.isStoredFloat { return UInt64(StoredFloat.bits(single(cast(a, from: source, to: .f32)), target)) }
    if target == .bool { return compare(.ne, source, a, 0) ? 1 : 0 }
    switch (source.isFloat, target.isFloat) {
    case (true, true): return target == .f32 ? bits(Float(double(a))) : bits(Double(single(a)))
    case (true, false): return saturate(source == .f32 ? Double(single(a)) : double(a), target)
    case (false, true):
      if source == .u64 { return target == .f32 ? bits(Float(a)) : bits(Double(a)) }
      let value = integer(a, source)
      return target == .f32 ? bits(Float(value)) : bits(Double(value))
    case (false, false): return cut(source == .bool ? a : UInt64(bitPattern: Int64(integer(a, source))), target)
    }
  }

  private static func saturate(_ value: Double, _ target: ElementType) -> UInt64 {
    if value.isNaN { return 0 }
    let whole = value.rounded(.towardZero)
    func clamp<Whole: FixedWidthInteger>(_: Whole.Type) -> UInt64 {
      let value = Whole(exactly: whole) ?? (whole < 0 ? Whole.min : Whole.max)
      return cut(UInt64(truncatingIfNeeded: value), target)
    }
    switch target {
    case .i32: return clamp(Int32.self)
    case .i64: return clamp(Int64.self)
    case .i8: return clamp(Int8.self)
    case .i16: return clamp(Int16.self)
    case .u8: return clamp(UInt8.self)
    case .u16: return clamp(UInt16.self)
    case .u32: return clamp(UInt32.self)
    default: return clamp(UInt64.self)
    }
  }

  /// The bits of an index value in an element type: integers wrap, floats round.
  public static func index(_ value: Int, as element: ElementType) -> UInt64 {
    cast(UInt64(bitPattern: Int64(value)), from: .i64, to: element)
  }
}

extension ElementType {
  /// The nearest value of this float type, as `cast` finds it.
  func rounded(_ value: Double) -> Double {
    self == .f64 ? value : Arithmetic.double(Arithmetic.cast(Arithmetic.cast(value.bitPattern, from: .f64, to: self), from: self, to: .f64))
  }
}
