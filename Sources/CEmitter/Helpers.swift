import Basics
import LoopIR

/// The small inline functions that emitted expressions call: only those in use are emitted, in the order of their names.
struct Helpers {
  private var definitions: [String: String] = [:]

  /// All of them as C.
  var text: String { definitions.sorted { $0.key < $1.key }.map { $0.value + "\n" }.joined() }

  /// `b < a ? b : a` or `b > a ? b : a`, each operand read once.
  mutating func extremum(_ name: String, _ sign: String, _ type: String, _ suffix: String) -> String {
    add("gradc_\(name)_\(suffix)") { "static inline \(type) \($0)(\(type) a, \(type) b) { return b \(sign) a ? b : a; }" }
  }

  mutating func isNaN(_ element: ElementType) -> String {
    add("gradc_is_nan_\(element.rawValue)") { "static inline int \($0)(\(element.cValueType) x) { return x != x; }" }
  }

  /// Signed division and remainder that wrap where C's are undefined: the least number by -1.
  mutating func division(_ operation: BinaryOperation, _ element: ElementType) -> String {
    let type = element.cValueType
    let unsigned = "u" + type
    let quotient = "a \(operation == .div ? "/" : "%") b"
    let otherwise = element.isNarrow ? "(\(type))(\(quotient))" : quotient
    let atMinusOne = operation == .div ? "(\(type))(0u - (\(unsigned))a)" : "0"
    return add("gradc_\(operation.rawValue)_\(element.rawValue)") {
      "static inline \(type) \($0)(\(type) a, \(type) b) { return b == -1 ? \(atMinusOne) : \(otherwise); }"
    }
  }

  mutating func absolute(_ element: ElementType) -> String {
    let type = element.cValueType
    return add("gradc_abs_\(element.rawValue)") {
      "static inline \(type) \($0)(\(type) x) { return x < 0 ? (\(type))(0u - (u\(type))x) : x; }"
    }
  }

  mutating func isFinite() -> String {
    add("gradc_is_finite") { "static inline int \($0)(double x) { return x - x == 0.0; }" }
  }

  /// The same bits as another type.
  mutating func bitcast(from source: ElementType, to target: ElementType) -> String {
    add("gradc_bits_\(source.rawValue)_\(target.rawValue)") {
      """
      static inline \(target.cValueType) \($0)(\(source.cValueType) x) {
        union { \(source.cValueType) from; \(target.cValueType) to; } bits;
        bits.from = x;
        return bits.to;
      }
      """
    }
  }

  /// The value of bits of f16 or bf16.
  mutating func widen(_ element: ElementType) -> String {
    let bits = bitcast(from: .f32, to: .u32), float = bitcast(from: .u32, to: .f32)
    return add("gradc_widen_\(element.rawValue)") { name in
      if element == .bf16 { return "static inline float \(name)(uint16_t x) { return \(float)((uint32_t)x << 16); }" }
      return """
        static inline float \(name)(uint16_t x) {
          const uint32_t magnitude = (uint32_t)(x & 0x7fffu) << 13;
          const uint32_t scaled = \(bits)(\(float)(magnitude) * 5.192296858534828e33f);
          const uint32_t wide = magnitude >= 0xf800000u ? magnitude | 0x7f800000u : scaled;
          return \(float)(wide | (uint32_t)(x & 0x8000u) << 16);
        }
        """
    }
  }

  /// The bits of the nearest f16 or bf16, to even at a tie; NaN stays NaN. Below f16's normal numbers an addition does the rounding.
  mutating func narrow(to element: ElementType) -> String {
    let bits = bitcast(from: .f32, to: .u32), float = bitcast(from: .u32, to: .f32)
    return add("gradc_narrow_\(element.rawValue)") { name in
      if element == .bf16 {
        return """
          static inline uint16_t \(name)(float x) {
            const uint32_t wide = \(bits)(x);
            const uint32_t rounded = wide + 0x7fffu + (wide >> 16 & 1u);
            return (uint16_t)((x != x ? wide | 0x400000u : rounded) >> 16);
          }
          """
      }
      return """
        static inline uint16_t \(name)(float x) {
          const uint32_t wide = \(bits)(x);
          const uint32_t magnitude = wide & 0x7fffffffu;
          const uint32_t least = \(bits)(\(float)(magnitude) + 0.5f) - 0x3f000000u;
          const uint32_t normal = (magnitude - 0x38000000u + 0xfffu + (magnitude >> 13 & 1u)) >> 13;
          const uint32_t finite = magnitude < 0x38800000u ? least : normal;
          const uint32_t number = magnitude >= 0x477ff000u ? 0x7c00u : finite;
          return (uint16_t)((magnitude > 0x7f800000u ? 0x7e00u | (magnitude >> 13 & 0x3ffu) : number) | (wide >> 16 & 0x8000u));
        }
        """
    }
  }

  /// Float to integer: truncates, saturates, NaN is 0. Every step is safe on its own, so that compilers can make vector code of it.
  mutating func saturate(_ source: ElementType, to target: ElementType) -> String {
    let limits = saturationLimits(source, target)
    let float = source.cValueType
    let type = target.cValueType
    return add("gradc_\(source.rawValue)_to_\(target.rawValue)") {
      """
      static inline \(type) \($0)(\(float) x) {
        const \(float) number = x == x ? x : \(floatText(0, source));
        const \(float) above = number > \(limits.lower) ? number : \(limits.lower);
        const \(type) inside = (\(type))(above < \(limits.largest) ? above : \(limits.largest));
        return x >= \(limits.bound) ? \(limits.maximum) : inside;
      }
      """
    }
  }

  private mutating func add(_ name: String, _ text: (String) -> String) -> String {
    if definitions[name] == nil { definitions[name] = text(name) }
    return name
  }
}

/// The least value, the largest float below the bound, the bound 2^bits, and the integer that stands above it.
private func saturationLimits(
  _ source: ElementType, _ target: ElementType
) -> (lower: String, largest: String, bound: String, maximum: String) {
  let bits: Int
  let maximum: String
  switch target {
  case .i8: (bits, maximum) = (7, "127")
  case .i16: (bits, maximum) = (15, "32767")
  case .u8: (bits, maximum) = (8, "255")
  case .u16: (bits, maximum) = (16, "65535")
  case .u32: (bits, maximum) = (32, "4294967295u")
  case .u64: (bits, maximum) = (64, "18446744073709551615ULL")
  case .i64: (bits, maximum) = (63, "9223372036854775807LL")
  default: (bits, maximum) = (31, "2147483647")
  }
  let bound = Double(sign: .plus, exponent: bits, significand: 1)
  let largest = source == .f32 ? Double(Float(bound).nextDown) : bound.nextDown
  return (floatText(target.isUnsigned ? 0 : -bound, source), floatText(largest, source), floatText(bound, source), maximum)
}
