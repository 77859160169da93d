import GraphIR
import Operators

extension ModelBuilder {
  /// x where positive, else α x with learned α, one for all or one a channel, which begin at 0.25 (He et al. 2015; PyTorch's default) and do
  /// not decay.
  public mutating func prelu(_ x: ValueID, perChannel: Bool = false, name: String? = nil) throws -> ValueID {
    try layer("prelu", name: name) { builder in
      let shape = [perChannel ? try builder.channels(x) : 1]
      let alpha = try builder.parameter("alpha", shape: shape, initializer: .constant(0.25), decays: false)
      return try builder.graph.prelu(x, slope: perChannel ? builder.perChannel(alpha, like: x) : alpha)
    }
  }
}

extension LayerEntry {
  static let prelu = LayerEntry(
    "prelu", "x where positive, else a learned slope times x",
    [.input, ArgumentDescription("per_channel", .bool, default: .bool(false), "whether each channel has a slope of its own")]
  ) { builder, arguments, name in
    try builder.prelu(arguments.value("x")!, perChannel: arguments.bool("per_channel"), name: name)
  }
}
