import Basics
import GraphIR
import Operators

extension ModelBuilder {
  /// In training, sets whole channels of a row to zero with probability `rate` and multiplies the others by 1 / (1 - rate); the identity
  /// in inference (Tompson et al. 2015).
  public mutating func channelDropout(_ x: ValueID, rate: Double, name: String? = nil) throws -> ValueID {
    try layer("channel_dropout", name: name) { builder in
      guard rate >= 0, rate < 1 else {
        throw Diagnostic("layer '\(builder.graph.path)': rate must be at least 0 and below 1, got \(rate)")
      }
      let key = randomKey(builder.randomPath())
      let channels = try builder.channels(x)
      guard builder.mode == .training, rate > 0 else { return x }
      var shape = builder.type(x).shape.map { $0 == .batch ? $0 : Dimension(1) }
      shape[builder.channelAxis(x)] = Dimension(channels)
      let uniform = try builder.graph.stepUniform(shape, builder.element, key: key)
      let scaled = try builder.graph.multiply(x, 1 / (1 - rate))
      return try builder.graph.select(builder.graph.greaterEqual(uniform, rate), scaled, 0)
    }
  }
}

extension LayerEntry {
  static let channelDropout = LayerEntry(
    "channel_dropout", aliases: ["spatial_dropout2d", "dropout2d"],
    "zeros in whole channels with probability rate, the rest times 1 / (1 - rate); nothing in inference",
    [.input, ArgumentDescription("rate", .number, default: .number(0.5), "probability of a zero, 0 to below 1")]
  ) { builder, arguments, name in
    try builder.channelDropout(arguments.value("x")!, rate: arguments.number("rate")!, name: name)
  }
}
