import Basics
import GraphIR
import Operators

extension ModelBuilder {
  /// y = x (k + alpha / size · Σ x²)^-beta over `size` neighbouring channels (Krizhevsky et al. 2012, as PyTorch has it).
  public mutating func localResponseNorm(
    _ x: ValueID, size: Int = 5, alpha: Double = 1e-4, beta: Double = 0.75, k: Double = 1, name: String? = nil
  ) throws -> ValueID {
    try layer("lrn", name: name) { builder in
      if builder.type(x).rank > 2, builder.channelAxis(x) == 1 { try builder.requireWholeSequence() }
      _ = try builder.channels(x)
      return try builder.withChannelsFirst(x) { builder, x in
        try builder.graph.localResponseNormalize(x, size: size, alpha: alpha, beta: beta, k: k)
      }
    }
  }
}

extension LayerEntry {
  static let localResponseNorm = LayerEntry(
    "lrn", aliases: ["local_response_norm"], "local response normalisation: division by a power of neighbouring channels' mean square",
    [
      .input, ArgumentDescription("size", .integer, default: .integer(5), "neighbouring channels"),
      ArgumentDescription("alpha", .number, default: .number(1e-4), "factor of the mean square"),
      ArgumentDescription("beta", .number, default: .number(0.75), "exponent"),
      ArgumentDescription("k", .number, default: .number(1), "added to the mean square"),
    ]
  ) { builder, arguments, name in
    try builder.localResponseNorm(
      arguments.value("x")!, size: arguments.integer("size")!, alpha: arguments.number("alpha")!, beta: arguments.number("beta")!,
      k: arguments.number("k")!, name: name)
  }
}
