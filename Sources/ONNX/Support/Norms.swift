import Basics
import GraphIR
import Operators

extension ONNXNode {
  /// |x| to the power p.
  func magnitude(_ x: ValueID, power p: Double) throws -> ValueID {
    switch p {
    case 1: try graph.abs(x)
    case 2: try graph.square(x)
    default: try graph.power(graph.abs(x), p)
    }
  }

  /// The p-th root.
  func root(_ x: ValueID, _ p: Double) throws -> ValueID {
    switch p {
    case 1: x
    case 2: try graph.sqrt(x)
    default: try graph.power(x, 1 / p)
    }
  }

  /// The p-norm over axes, which stay with size 1.
  func norm(_ x: ValueID, axes: [Int], p: Double) throws -> ValueID {
    guard p > 0, p.isFinite else { throw Diagnostic("attribute 'p' must be above 0, got \(p)") }
    return try root(graph.sum(magnitude(x, power: p), axes: axes, keepDims: true), p)
  }
}
