import Basics
import GraphIR
import Operators

extension ModelBuilder {
  /// y = (x - mean) / sqrt(var + ε) with mean and biased variance over the positions of each channel of each row, in training and in
  /// inference (Ulyanov et al. 2016). With `affine` · γ + β, one of each a channel, which begin at 1 and 0.
  public mutating func instanceNorm(
    _ x: ValueID, epsilon: Double = 1e-5, affine: Bool = false, name: String? = nil
  ) throws -> ValueID {
    try layer("instance_norm", name: name) { builder in
      try builder.requirePositive(epsilon)
      try builder.requireWholeSequence()
      let spatial = builder.spatialAxes(x)
      guard try builder.rowDims(x).count >= 2 else {
        throw Diagnostic("layer '\(builder.graph.path)' needs channels and positions, got \(builder.type(x))")
      }
      let normal = try builder.graph.normalize(x, axes: spatial, epsilon: epsilon)
      return affine ? try builder.channelAffine(normal) : normal
    }
  }
}

extension LayerEntry {
  static let instanceNorm = LayerEntry(
    "instance_norm", aliases: ["instance_normalization"], "normalises each channel of each row over its positions",
    [.input, .epsilon, ArgumentDescription("affine", .bool, default: .bool(false), "whether a learned scale and shift a channel follow")]
  ) { builder, arguments, name in
    try builder.instanceNorm(
      arguments.value("x")!, epsilon: arguments.number("epsilon")!, affine: arguments.bool("affine"), name: name)
  }
}
