import Basics
import GraphIR
import Operators

extension ModelBuilder {
  /// A constant around the spatial axes: one number of positions for all sides, one for each axis, or one for each side (top, bottom,
  /// left, right). Negative numbers take positions away.
  public mutating func pad(_ x: ValueID, _ sides: [Int], value: Double = 0, axes: Int = 2, name: String? = nil) throws -> ValueID {
    try layer("zero_pad\(axes)d", name: name) { builder in
      try builder.requireImage(x, spatialAxes: axes)
      let pairs = try SlidingWindow.sides(sides, axes: axes, builder.graph.path)
      var x = x
      var (before, after) = (Array(repeating: 0, count: axes + 2), Array(repeating: 0, count: axes + 2))
      for (axis, pair) in zip(builder.spatialAxes(x), pairs) {
        let size = builder.type(x).shape[axis].coefficient
        guard [pair.before, pair.after].allSatisfy((-(1 << 20)...1 << 20).contains), min(0, pair.before) + min(0, pair.after) > -size else {
          throw Diagnostic(
            "layer '\(builder.graph.path)': padding of \(pair.before) and \(pair.after) leaves nothing of axis \(axis) of \(builder.type(x)), "
              + "or is larger than 1048576")
        }
        let (start, end) = (max(0, -pair.before), size - max(0, -pair.after))
        x = try builder.graph.slice(x, axis: axis, from: start, to: end)
        (before[axis], after[axis]) = (max(0, pair.before), max(0, pair.after))
      }
      return try builder.graph.pad(x, before: before, after: after, value: value)
    }
  }
}

extension LayerEntry {
  static let zeroPad1d = zeroPad(1)
  static let zeroPad2d = zeroPad(2)

  private static func zeroPad(_ axes: Int) -> LayerEntry {
    LayerEntry(
      "zero_pad\(axes)d", aliases: ["zero_padding\(axes)d"], "a constant around the spatial axes; negative paddings crop",
      [
        .input, ArgumentDescription("padding", .padding, default: .integer(1), "all sides, each axis, or top, bottom, left, right"),
        ArgumentDescription("value", .number, default: .number(0), "the constant"),
      ]
    ) { builder, arguments, name in
      guard case .explicit(let sides) = arguments.padding("padding") else {
        throw Diagnostic("argument 'padding' of 'zero_pad\(axes)d' takes numbers of positions, not same or valid")
      }
      return try builder.pad(arguments.value("x")!, sides, value: arguments.number("value")!, axes: axes, name: name)
    }
  }
}
