import Basics
import GraphIR
import Operators

/// Values of images between their elements: what `GridSample` and `DeformConv` have in common. All of it stays in the graph, so that
/// coordinates have gradients.
struct ImageSampler {
  enum Mode { case nearest, linear, cubic }
  enum Padding: String { case zeros, border, reflection }

  var mode: Mode
  var padding: Padding
  var alignCorners: Bool
  /// Spatial sizes of the images.
  var sizes: [Int]

  /// Samples of x [B…, C, S] (all elements of an image as one axis) at coordinates, one value [B…, P] for each spatial axis, counted in
  /// elements from the first one: [B…, C, P]. `scale`, [B…, P], multiplies all weights.
  func sample(_ x: ValueID, at coordinates: [ValueID], scale: ValueID? = nil, _ graph: inout GraphBuilder) throws -> ValueID {
    let shape = graph.type(coordinates[0]).shape
    var positions: ValueID?
    var weights = try scale.map { try graph.reshape($0, shape + [1]) }
    for (axis, coordinate) in coordinates.enumerated() {
      let taps = try self.taps(graph.reshape(coordinate, shape + [1]), size: sizes[axis], &graph)
      // Every tap of the axes so far with every tap of this one.
      positions =
        try positions.map {
          try pairs(graph.multiply($0, Double(sizes[axis])), taps.positions, shape, &graph) { try $2.add($0, $1) }
        } ?? taps.positions
      guard let new = taps.weights else { continue }
      weights = try weights.map { try pairs($0, new, shape, &graph) { try $2.multiply($0, $1) } } ?? new
    }
    let table = graph.type(positions!).shape
    let factors = try graph.broadcast(weights ?? graph.constant(1, graph.type(x).element), to: table)
    return try graph.resample(
      x, axis: shape.count, batchAxes: shape.count - 1, positions: graph.cast(positions!, to: .i32), weights: factors)
  }

  /// Each of a [B…, P, s] combined with each of b [B…, P, t]: [B…, P, s t].
  private func pairs(
    _ a: ValueID, _ b: ValueID, _ shape: Shape, _ graph: inout GraphBuilder,
    _ combine: (ValueID, ValueID, inout GraphBuilder) throws -> ValueID
  ) throws -> ValueID {
    let (s, t) = (graph.type(a).shape[shape.count], graph.type(b).shape[shape.count])
    let all = try combine(graph.reshape(a, shape + [s, 1]), graph.reshape(b, shape + [1, t]), &graph)
    return try graph.reshape(all, shape + [Dimension(s.coefficient * t.coefficient)])
  }

  /// Whole-numbered positions inside the axis, as floats, and weights of the taps at coordinates [B…, P, 1]; no weights where they are 1.
  private func taps(_ coordinate: ValueID, size: Int, _ graph: inout GraphBuilder) throws -> (positions: ValueID, weights: ValueID?) {
    let element = graph.type(coordinate).element
    let place = try bounded(mode == .nearest ? nearest(coordinate, &graph) : coordinate, size, &graph)
    var raw = try graph.stopGradient(graph.floor(place))
    var weights: ValueID?
    if mode != .nearest {
      let share = try graph.subtract(place, raw)
      let offsets = try graph.add(graph.iota([mode == .cubic ? 4 : 2], axis: 0, element), mode == .cubic ? -1 : 0)
      raw = try graph.add(raw, offsets)
      weights = try mode == .cubic ? cubic(graph.abs(graph.subtract(share, offsets)), &graph) : linear(share, offsets, &graph)
    }
    if padding == .zeros {
      let inside = try graph.logicalAnd(graph.greaterEqual(raw, 0), graph.lessEqual(raw, Double(size - 1)))
      weights = try graph.select(inside, weights ?? graph.constant(1, element), 0)
    } else if padding == .reflection {
      raw = try reflected(raw, size, &graph)
    }
    return (try graph.clip(raw, low: 0, high: Double(size - 1)), weights)
  }

  /// 1 - share for the tap at offset 0, share for the one at 1: on an element the slope is that towards the next one, as in PyTorch.
  private func linear(_ share: ValueID, _ offsets: ValueID, _ graph: inout GraphBuilder) throws -> ValueID {
    try graph.add(graph.subtract(1, offsets), graph.multiply(graph.subtract(graph.multiply(offsets, 2), 1), share))
  }

  /// The coordinate after padding has moved it, if it lay outside.
  private func bounded(_ x: ValueID, _ size: Int, _ graph: inout GraphBuilder) throws -> ValueID {
    switch padding {
    case .zeros: return x
    case .reflection: return try reflected(x, size, &graph)
    case .border:
      let inside = try graph.clip(x, low: 0, high: Double(size - 1))
      guard mode == .cubic, !alignCorners else { return inside }
      // Half an element beyond the first and the last, a cubic still sees their neighbours.
      let isFar = try graph.logicalOr(graph.less(x, -0.5), graph.greater(x, Double(size) - 0.5))
      return try graph.select(isFar, inside, x)
    }
  }

  /// A triangle wave: reflected at the first and last element's middle or, without aligned corners, at their far edges.
  private func reflected(_ x: ValueID, _ size: Int, _ graph: inout GraphBuilder) throws -> ValueID {
    let (low, range) = alignCorners ? (0.0, Double(size - 1)) : (-0.5, Double(size))
    guard range > 0 else { return try graph.multiply(x, 0) }
    let shifted = try graph.subtract(x, low)
    let periods = try graph.stopGradient(graph.floor(graph.divide(shifted, 2 * range)))
    let rest = try graph.subtract(shifted, graph.multiply(periods, 2 * range))
    return try graph.subtract(low + range, graph.abs(graph.subtract(rest, range)))
  }

  /// The nearest whole number, of two the even one.
  private func nearest(_ x: ValueID, _ graph: inout GraphBuilder) throws -> ValueID {
    let up = try graph.floor(graph.add(x, 0.5))
    let isTie = try graph.equal(graph.subtract(up, x), 0.5)
    let isOdd = try graph.equal(graph.subtract(up, graph.multiply(graph.floor(graph.multiply(up, 0.5)), 2)), 1)
    return try graph.stopGradient(graph.select(graph.logicalAnd(isTie, isOdd), graph.subtract(up, 1), up))
  }

  /// Keys's cubic kernel (1981) with a = -3/4 at distances up to 2.
  private func cubic(_ d: ValueID, _ graph: inout GraphBuilder) throws -> ValueID {
    let a = -0.75
    let square = try graph.square(d)
    let near = try graph.add(graph.multiply(graph.subtract(graph.multiply(d, a + 2), a + 3), square), 1)
    let far = try graph.subtract(graph.multiply(graph.add(graph.multiply(graph.subtract(d, 5), d), 8), graph.multiply(d, a)), 4 * a)
    return try graph.select(graph.lessEqual(d, 1), near, far)
  }
}
