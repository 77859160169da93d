import Basics
import GraphIR
import LoopIR

/// Where the m results of a linear interpolation lie among n elements, in whole numbers of 1 / unit.
struct ResizeGrid {
  var n: Int
  var m: Int
  var alignCorners: Bool

  init(from n: Int, to m: Int, alignCorners: Bool) {
    (self.n, self.m, self.alignCorners) = (n, m, alignCorners)
  }

  /// The distance between neighbouring elements.
  var unit: Int { alignCorners ? max(1, m - 1) : 2 * m }

  /// s(i), within 0 ... (n - 1) unit.
  func position(_ i: Index) -> Index {
    if alignCorners { return m == 1 ? .constant(0) : i * (n - 1) }
    return .minimum(.maximum(i * (2 * n) + (n - m), .constant(0)), .constant((n - 1) * unit))
  }

  /// The first result that can lie less than one element from element p, or one before it.
  func first(_ p: Index) -> Index {
    if alignCorners { return n == 1 ? .constant(0) : .divide(.maximum((p - 1) * (m - 1), .constant(0)), n - 1) }
    return .divide(.maximum((p * 2 - 1) * m - n, .constant(0)), 2 * n)
  }

  /// How many results from `first` on can lie less than one element from an element; at the ends those beyond belong to it too.
  var reach: Int {
    if alignCorners { return n == 1 ? m : min(m, 2 * (m - 1) / (n - 1) + 2) }
    return min(m, 2 * m / n + 3)
  }

  /// A number of 1 / unit as a weight.
  func weight(_ numerator: Index, _ element: ElementType) -> Scalar {
    .cast(element, .index(numerator, .i64)) / .constant(Double(unit), element)
  }
}

/// The type with another size along one axis.
func resizedType(_ name: String, _ x: TensorType, axis: Int, _ size: Int) throws -> TensorType {
  let axis = try resolveAxis(name, axis, x)
  _ = try requireConstant(name, axis: axis, of: x)
  guard (1...1 << 20).contains(size) else { throw TypeError("\(name) of \(x) needs a size from 1 to \(1 << 20), got \(size)") }
  var result = x
  result.shape[axis] = Dimension(size)
  return result
}
