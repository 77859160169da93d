import Basics
import GraphIR
import Operators

/// Operators whose results have as many elements as the data makes them: Compress, NonZero, Unique. What they choose by must be known when
/// the model is compiled; the chosen elements are read from the graph, and so have gradients.
let selectionRules = [
  ONNXRule("Compress", since: 9) { node in
    let x = try node.value(0)
    let axis = try node.int("axis").map { try node.axis($0, rank: node.type(x).rank) }
    let condition = try node.constant(1).integers
    let chosen = HostTensor(condition.indices.filter { condition[$0] != 0 })
    return [try node.graph.gather(axis == nil ? flat(x, node) : x, node.graph.constant(chosen), axis: axis ?? 0)]
  },
  ONNXRule(
    "NonZero", since: 9,
    values: { node in
      let x = try node.constant(0)
      let places = x.doubles.indices.filter { x.doubles[$0] != 0 }
      return [.constant(HostTensor(positions(places, in: x.shape), shape: [x.shape.count, places.count]))]
    }),
  ONNXRule("Unique", since: 11, values: { try readUnique($0) }),
]

/// All elements along one axis.
private func flat(_ x: ValueID, _ node: ONNXNode) throws -> ValueID {
  guard let count = node.type(x).count.constant else { throw node.unsupported("elements of the batch of \(node.type(x)) cannot be chosen") }
  return try node.graph.reshape(x, [Dimension(count)])
}

/// For each axis the positions of elements that are given by their place in row-major order.
private func positions(_ places: [Int], in shape: [Int]) -> [Int] {
  shape.indices.flatMap { axis -> [Int] in
    let stride = shape[(axis + 1)...].reduce(1, *)
    return places.map { $0 / stride % shape[axis] }
  }
}

/// The distinct slices along an axis, or elements: by value, or in the order in which they occur.
private func readUnique(_ node: ONNXNode) throws -> [ONNXValue] {
  let known = try node.constant(0)
  let x = try node.value(0)
  let axis = try node.int("axis").map { try node.axis($0, rank: known.shape.count) }
  let size = axis.map { known.shape[$0] } ?? known.count
  let slices = axis.map { cut(known, axis: $0) } ?? known.doubles.map { [$0] }
  var (first, inverse, counts) = ([Int](), Array(repeating: 0, count: size), [Int]())
  var numbers: [[UInt64]: Int] = [:]
  for (position, slice) in slices.enumerated() {
    // Zeros of both signs are one value.
    let key = slice.map { $0 == 0 ? 0 : $0.bitPattern }
    let number = numbers[key] ?? first.count
    if numbers.updateValue(number, forKey: key) == nil {
      first.append(position)
      counts.append(0)
    }
    counts[number] += 1
    inverse[position] = number
  }
  if try node.int("sorted", 1) != 0 {
    let order = first.indices.sorted { precedes(slices[first[$0]], slices[first[$1]]) }
    var rank = order
    for (position, number) in order.enumerated() { rank[number] = position }
    inverse = inverse.map { rank[$0] }
    (first, counts) = (order.map { first[$0] }, order.map { counts[$0] })
  }
  let values = try node.graph.gather(axis == nil ? flat(x, node) : x, node.graph.constant(HostTensor(first)), axis: axis ?? 0)
  return [.value(values)] + [first, inverse, counts].map { .constant(HostTensor($0)) }
}

/// The elements of each slice along an axis.
private func cut(_ x: HostTensor, axis: Int) -> [[Double]] {
  let values = x.doubles
  let inner = x.shape[(axis + 1)...].reduce(1, *)
  let size = x.shape[axis]
  let outer = x.shape[..<axis].reduce(1, *)
  return (0..<size).map { k -> [Double] in
    var slice: [Double] = []
    for block in 0..<outer {
      let start = (block * size + k) * inner
      slice += values[start..<(start + inner)]
    }
    return slice
  }
}

/// The order of slices by their first different elements; NaN comes last.
private func precedes(_ a: [Double], _ b: [Double]) -> Bool {
  for (x, y) in zip(a, b) where x != y && !(x.isNaN && y.isNaN) { return y.isNaN || x < y }
  return false
}
