import Basics
import LoopIR

extension Index {
  /// An integer from memory as a position in 0 ..< bound; what is outside is moved to the nearest end.
  static func clamped(_ value: Scalar, _ element: ElementType, bound: Int) -> Index {
    let atLeast = element.isUnsigned ? value : .binary(.max, value, .integer(0, element))
    return .indirect(.binary(.min, atLeast, .integer(bound - 1, element)), bound: bound)
  }

  /// An integer from memory as a position in 0 ..< bound: a negative one counts from the end, what is still outside is moved to the nearest
  /// end. A bound of 0, where nothing is read, is taken as 1.
  static func counted(_ value: Scalar, _ element: ElementType, bound: Int) -> Index {
    let bound = Swift.max(1, bound)
    guard element == .i64 || element == .i32 && bound <= Int(Int32.max) else {
      return counted(.cast(.i64, value), .i64, bound: bound)
    }
    let isNegative = Scalar.cast(element, .compare(.lt, value, .integer(0, element)))
    return .clamped(value + isNegative * .integer(bound, element), element, bound: bound)
  }
}
