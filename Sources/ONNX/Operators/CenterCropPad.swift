import Basics
import GraphIR
import Operators

/// The middle of a tensor, or the tensor in the middle of zeros, axis by axis.
let centerCropPadRules = [
  ONNXRule("CenterCropPad", since: 18) { node in
    let x = try node.value(0)
    let type = node.type(x)
    let sizes = try node.dimensions(1)
    let axes = try node.ints("axes")?.map { try node.axis($0, rank: type.rank) } ?? Array(0..<type.rank)
    guard sizes.count == axes.count else { throw Diagnostic("\(axes.count) axes need as many sizes, got \(sizes.count)") }
    var (before, after) = (type.shape.map { _ in 0 }, type.shape.map { _ in 0 })
    var result = x
    for (axis, size) in zip(axes, sizes) where size != type.shape[axis] {
      guard let old = type.shape[axis].constant, let new = size.constant, new >= 0 else {
        throw node.unsupported("axis \(axis) of \(type) cannot get the size \(size)")
      }
      // The odd element is taken from, or put at, the end.
      if new < old {
        result = try node.graph.slice(result, axis: axis, from: (old - new) / 2, to: (old - new) / 2 + new)
      } else {
        (before[axis], after[axis]) = ((new - old) / 2, (new - old + 1) / 2)
      }
    }
    return [try node.graph.pad(result, before: before, after: after)]
  }
]
