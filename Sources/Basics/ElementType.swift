/// The type of one number in a tensor or a buffer.
public enum ElementType: String, Hashable, Sendable, Codable, CaseIterable {
  case f32, f64, i32, i64, u8, u32, u64, bool

  /// Bytes of one element in memory.
  public var size: Int {
    switch self {
    case .bool, .u8: 1
    case .f32, .i32, .u32: 4
    case .f64, .i64, .u64: 8
    }
  }

  /// Whether values are IEEE 754 binary floating point.
  public var isFloat: Bool { self == .f32 || self == .f64 }

  /// Whether values are integers, signed or not (bool is not).
  public var isInteger: Bool { !isFloat && self != .bool }

  /// Whether values are integers that wrap modulo 2^bits.
  public var isUnsigned: Bool { self == .u8 || self == .u32 || self == .u64 }
}
