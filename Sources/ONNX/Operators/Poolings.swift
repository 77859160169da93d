import Basics
import GraphIR
import Operators

/// Poolings that are compositions: over whole images, of norms, and the inverse of max pooling.
let poolingRules = [
  ONNXRule("GlobalAveragePool") { node in
    let (x, axes) = try spatialAxes(node)
    return [try node.graph.mean(x, axes: axes, keepDims: true)]
  },
  ONNXRule("GlobalMaxPool") { node in
    let (x, axes) = try spatialAxes(node)
    return [axes.isEmpty ? x : try node.graph.max(x, axes: axes, keepDims: true)]
  },
  ONNXRule("GlobalLpPool") { node in
    let (x, axes) = try spatialAxes(node)
    return [try node.norm(x, axes: axes, p: Double(node.int("p", 2)))]
  },
  ONNXRule("LpPool") { node in
    let x = try node.value(0)
    let p = Double(try node.int("p", 2))
    guard p >= 1 else { throw Diagnostic("attribute 'p' must be at least 1, got \(p)") }
    return [try node.root(node.graph.sumPool(node.magnitude(x, power: p), node.poolWindow(node.type(x))), p)]
  },
  ONNXRule("MaxUnpool") { node in [try maxUnpool(node)] },
]

private func spatialAxes(_ node: ONNXNode) throws -> (ValueID, [Int]) {
  let x = try node.value(0)
  guard node.type(x).rank >= 2 else { throw Diagnostic("the input must have a batch and channels, got \(node.type(x))") }
  return (x, Array(2..<node.type(x).rank))
}

/// Each element at the place that its index tells, zeros elsewhere. Indices count the elements of all images of the size that the window
/// implies; a larger output adds zeros at the ends.
private func maxUnpool(_ node: ONNXNode) throws -> ValueID {
  let (x, indices) = (try node.value(0), try node.value(1))
  let type = node.type(x)
  let sizes = try node.spatialSizes(type)
  guard let channels = type.shape[1].constant else { throw node.unsupported("the number of channels of \(type) must be known") }
  let window = try ONNXWindow(node, rank: sizes.count)
  let implied = sizes.indices.map { (sizes[$0] - 1) * window.strides[$0] - window.before[$0] - window.after[$0] + window.kernel[$0] }
  guard implied.allSatisfy({ $0 >= 1 }) else { throw Diagnostic("the window implies an output of the sizes \(implied)") }
  // One row of elements an image, whose indices are counted from its first element.
  let (row, result) = (channels * sizes.reduce(1, *), channels * implied.reduce(1, *))
  let table: Shape = [type.shape[0], Dimension(row), 1]
  let start = try node.graph.multiply(node.graph.iota(table, axis: 0, node.type(indices).element), Double(result))
  let positions = try node.graph.subtract(node.graph.reshape(indices, table), start)
  let ones = try node.graph.broadcast(node.graph.constant(1, type.element), to: table)
  func spread(_ values: ValueID) throws -> ValueID {
    try node.add(
      ResampleTransposed(axis: 1, batchAxes: 1, size: result), node.graph.reshape(values, [type.shape[0], Dimension(row)]), positions, ones)
  }
  var y = try spread(x)
  if sizes.indices.contains(where: { window.strides[$0] < window.kernel[$0] }) {
    // Overlapping windows have chosen one element several times, each with its value.
    let count = try spread(node.graph.broadcast(node.graph.constant(1, type.element), to: type.shape))
    y = try node.graph.divide(y, node.graph.maximum(count, 1))
  }
  y = try node.graph.reshape(y, [type.shape[0], Dimension(channels)] + implied.map { Dimension($0) })
  guard node.has(2) else { return y }
  let wanted = try node.dimensions(2).suffix(sizes.count).map { $0.constant ?? 0 }
  guard wanted.count == sizes.count, zip(wanted, implied).allSatisfy({ $0 >= $1 }) else {
    throw Diagnostic("an output of the sizes \(wanted) cannot hold \(implied), what the window implies")
  }
  let after = [0, 0] + zip(wanted, implied).map { $0 - $1 }
  let none = after.map { _ in 0 }
  return try node.add(Pad(before: none, after: after, between: none), y)
}
