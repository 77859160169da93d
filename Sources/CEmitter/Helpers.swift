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
    let atMinusOne = operation == .div ? "(\(type))(0u - (\(unsigned))a)" : "0"
    return add("gradc_\(operation.rawValue)_\(element.rawValue)") {
      "static inline \(type) \($0)(\(type) a, \(type) b) { return b == -1 ? \(atMinusOne) : a \(operation == .div ? "/" : "%") b; }"
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
  case .u8: (bits, maximum) = (8, "255")
  case .u32: (bits, maximum) = (32, "4294967295u")
  case .u64: (bits, maximum) = (64, "18446744073709551615ULL")
  case .i64: (bits, maximum) = (63, "9223372036854775807LL")
  default: (bits, maximum) = (31, "2147483647")
  }
  let bound = Double(sign: .plus, exponent: bits, significand: 1)
  let largest = source == .f32 ? Double(Float(bound).nextDown) : bound.nextDown
  return (floatText(target.isUnsigned ? 0 : -bound, source), floatText(largest, source), floatText(bound, source), maximum)
}
