/// The type of one number in a tensor or a buffer.
public enum ElementType: String, Hashable, Sendable, Codable, CaseIterable {
  case f32, f64, i32, i64, u8, u32, u64, bool
  case i8, i16, u16
  /// Floats that are only stored: IEEE 754's 16 bits, and the upper half of an f32. Computation converts them to f32 and rounds back.
  case f16, bf16

  /// Bytes of one element in memory.
  public var size: Int {
    switch self {
    case .bool, .u8, .i8: 1
    case .i16, .u16, .f16, .bf16: 2
    case .f32, .i32, .u32: 4
    case .f64, .i64, .u64: 8
    }
  }

  /// Whether arithmetic is IEEE 754 binary floating point in this type.
  public var isFloat: Bool { self == .f32 || self == .f64 }

  /// Whether values are floating point numbers that are stored in this type and computed with in f32.
  public var isStoredFloat: Bool { self == .f16 || self == .bf16 }

  /// Whether values are floating point numbers, computed with or only stored.
  public var isReal: Bool { isFloat || isStoredFloat }

  /// Whether values are integers, signed or not (bool is not).
  public var isInteger: Bool { !isReal && self != .bool }

  /// Whether values are integers that wrap modulo 2^bits.
  public var isUnsigned: Bool { self == .u8 || self == .u16 || self == .u32 || self == .u64 }

  /// The type that values of this one are computed in.
  public var computed: ElementType { isStoredFloat ? .f32 : self }
}
