import Basics
import GraphIR
import Operators

/// `GridSample` and `AffineGrid`, which makes its grids (Jaderberg et al. 2015).
let gridRules = [
  ONNXRule("GridSample", since: 16) { node in
    let (x, grid) = (try node.value(0), try node.value(1))
    let (type, places) = (node.type(x), node.type(grid))
    let sizes = try node.spatialSizes(type)
    guard places.rank == type.rank, places.shape.last?.constant == sizes.count else {
      throw Diagnostic("a grid for \(type) needs \(type.rank) axes, the last of size \(sizes.count), got \(places)")
    }
    let sampler = ImageSampler(
      mode: try mode(node), padding: try padding(node), alignCorners: try node.int("align_corners", 0) != 0, sizes: sizes)
    let results = Array(places.shape.dropFirst().dropLast())
    guard let count = Dimension.product(results)?.constant else { throw node.unsupported("the sizes of the grid must be known") }
    let rows = try node.graph.reshape(node.graph.cast(grid, to: type.element), [places.shape[0], Dimension(count), Dimension(sizes.count)])
    let coordinates = try sizes.indices.map { axis -> ValueID in
      // The grid's last axis names the innermost spatial axis first.
      let place = sizes.count - 1 - axis
      let share = try node.graph.slice(rows, axis: 2, from: place, to: place + 1)
      let size = Double(sizes[axis])
      let scaled =
        sampler.alignCorners
        ? try node.graph.multiply(node.graph.add(share, 1), (size - 1) / 2)
        : try node.graph.multiply(node.graph.subtract(node.graph.multiply(node.graph.add(share, 1), size), 1), 0.5)
      return try node.graph.reshape(scaled, [places.shape[0], Dimension(count)])
    }
    let flat = try node.graph.flattened(x, fromAxis: 2)
    return [try node.graph.reshape(sampler.sample(flat, at: coordinates, &node.graph), type.shape.prefix(2) + results)]
  },
  ONNXRule("AffineGrid", since: 20) { node in
    let theta = try node.value(0)
    let type = node.type(theta)
    let sizes = try node.dimensions(1).dropFirst(2).map { dimension -> Int in
      guard let size = dimension.constant, size >= 1, size <= 1 << 20 else { throw node.unsupported("sizes of the grid must be known") }
      return size
    }
    let rank = sizes.count
    guard (2...3).contains(rank), type.rank == 3, type.shape.dropFirst() == [Dimension(rank), Dimension(rank + 1)] else {
      throw Diagnostic("\(rank) spatial axes need matrices [N, \(rank), \(rank + 1)], got \(type)")
    }
    let corners = try node.int("align_corners", 0) != 0
    let count = sizes.reduce(1, *)
    // Column p holds the place of grid point p, innermost axis first, and a one.
    var places = [Double](repeating: 1, count: (rank + 1) * count)
    for point in 0..<count {
      var rest = point
      for (row, size) in sizes.reversed().enumerated() {
        let i = Double(rest % size)
        places[row * count + point] = corners ? (size == 1 ? 0 : 2 * i / Double(size - 1) - 1) : (2 * i + 1) / Double(size) - 1
        rest /= size
      }
    }
    let table = try node.graph.constant(HostTensor(places, shape: [rank + 1, count], element: type.element))
    let turned = try node.graph.transpose(node.graph.matmul(theta, table), [0, 2, 1])
    return [try node.graph.reshape(turned, [type.shape[0]] + sizes.map { Dimension($0) } + [Dimension(rank)])]
  },
]

private func mode(_ node: ONNXNode) throws -> ImageSampler.Mode {
  let word = try node.string("mode", "linear")
  switch word {
  case "nearest": return .nearest
  case "linear", "bilinear": return .linear
  case "cubic", "bicubic": return .cubic
  default: throw node.unsupported("mode '\(word)' is not supported")
  }
}

private func padding(_ node: ONNXNode) throws -> ImageSampler.Padding {
  let word = try node.string("padding_mode", "zeros")
  guard let padding = ImageSampler.Padding(rawValue: word) else { throw node.unsupported("padding_mode '\(word)' is not supported") }
  return padding
}

extension GraphBuilder {
  /// All axes from `axis` on as one.
  mutating func flattened(_ x: ValueID, fromAxis axis: Int) throws -> ValueID {
    let shape = type(x).shape
    guard let rest = Dimension.product(shape[axis...]) else { throw Diagnostic("\(type(x)) has two symbolic axes") }
    return try reshape(x, shape.prefix(axis) + [rest])
  }
}
