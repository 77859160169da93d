import Basics
import LoopIR

extension Index {
  /// An integer from memory as a position in 0 ..< bound; what is outside is moved to the nearest end.
  static func clamped(_ value: Scalar, _ element: ElementType, bound: Int) -> Index {
    let atLeast = element.isUnsigned ? value : .binary(.max, value, .integer(0, element))
    return .indirect(.binary(.min, atLeast, .integer(bound - 1, element)), bound: bound)
  }
}
