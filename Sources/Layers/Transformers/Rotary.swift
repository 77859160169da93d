import Basics
import GraphIR
import Operators

extension ModelBuilder {
  /// Turns the halves of each head's columns by angles that grow with the position, x [N, T, heads * width] (Su et al. 2021): column i of a
  /// head is paired with column i + width / 2.
  mutating func rotated(_ x: ValueID, heads: Int, base: Double = 10_000) throws -> ValueID {
    let (length, columns) = try sequence(x)
    guard columns % (2 * heads) == 0 else {
      throw Diagnostic("layer '\(graph.path)': rotary positions need heads of an even width, got \(columns) columns for \(heads) heads")
    }
    let half = columns / heads / 2
    let angles = try positionAngles(length, half, base: base, of: Double(2 * half))
    let place: Shape = [Dimension(length), 1, Dimension(half)]
    let (cosine, sine) = (try graph.reshape(graph.cos(angles), place), try graph.reshape(graph.sin(angles), place))
    let split = try graph.reshape(x, [type(x).shape[0], Dimension(length), Dimension(heads), Dimension(2 * half)])
    let a = try graph.slice(split, axis: 3, from: 0, to: half)
    let b = try graph.slice(split, axis: 3, from: half, to: 2 * half)
    let first = try graph.subtract(graph.multiply(a, cosine), graph.multiply(b, sine))
    let second = try graph.add(graph.multiply(b, cosine), graph.multiply(a, sine))
    return try graph.reshape(graph.concat([first, second], axis: 3), type(x).shape)
  }

  /// position · base^(-2 i / width), [positions, count].
  private mutating func positionAngles(_ positions: Int, _ count: Int, base: Double, of width: Double) throws -> ValueID {
    guard base > 1, base.isFinite else { throw Diagnostic("layer '\(graph.path)': base must be a number above 1, got \(base)") }
    let shape: Shape = [Dimension(positions), Dimension(count)]
    let place =
      mode == .generation ? try graph.broadcast(graph.cast(position, to: element), to: shape) : try graph.iota(shape, axis: 0, element)
    let column = try graph.iota(shape, axis: 1, element)
    let rate = try graph.multiply(graph.log(graph.constant(base, element)), -2 / width)
    return try graph.multiply(place, graph.exp(graph.multiply(column, rate)))
  }

  /// Positions and columns of a sequence [N, T, columns].
  func sequence(_ x: ValueID) throws -> (length: Int, width: Int) {
    let dims = try rowDims(x)
    guard dims.count == 2, type(x).element.isFloat else {
      throw Diagnostic("layer '\(graph.path)' needs a sequence of vectors [N, T, width], got \(type(x))")
    }
    return (dims[0], dims[1])
  }
}
