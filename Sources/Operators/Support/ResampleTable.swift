import Basics
import GraphIR
import LoopIR

/// What the operators over a table of positions [b…, m, k] along an axis of x have in common.
struct ResampleTable {
  /// m.
  var results: Dimension

  /// Checks the table against x.
  init(_ name: String, _ x: TensorType, axis: Int, batchAxes: Int, _ positions: TensorType) throws {
    guard (0..<x.rank).contains(axis), (0...axis).contains(batchAxes), positions.element.isInteger else {
      throw TypeError(
        "\(name) of \(x) needs an axis of it, batch axes before that and whole numbers as positions, got axis \(axis), \(batchAxes) batch "
          + "axes and \(positions)")
    }
    _ = try requireConstant(name, axis: axis, of: x)
    guard positions.rank == batchAxes + 2, positions.shape.prefix(batchAxes) == x.shape.prefix(batchAxes),
      positions.shape[batchAxes + 1].symbol == nil
    else {
      throw TypeError(
        "\(name) of \(x) along axis \(axis) needs positions [\(x.shape.prefix(batchAxes).map { "\($0), " }.joined())results, taps], got "
          + positions.description)
    }
    results = positions.shape[batchAxes]
  }
}
