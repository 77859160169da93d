import Basics
import GraphIR
import Operators

extension ModelBuilder {
  /// Batch normalisation of each feature or channel over all other axes (Ioffe and Szegedy 2015), with PyTorch's conventions. Features are
  /// the second axis, or the last of images with channels last.
  ///
  /// In training y = (x - mean) / sqrt(var + ε) · γ + β with the batch's mean and biased variance, and the running statistics move:
  /// running ← (1 - momentum) running + momentum batch, with the unbiased variance (that of a single row counts as zero). In inference
  /// the running statistics are used, folded into one scale and one shift. γ begins at 1, β and the running mean at 0, the running
  /// variance at 1. A frozen layer computes as in inference throughout, and its running statistics stay.
  public mutating func batchNorm(_ x: ValueID, epsilon: Double = 1e-5, momentum: Double = 0.1, name: String? = nil) throws -> ValueID {
    try layer("batch_norm", name: name) { builder in
      guard epsilon > 0 else { throw Diagnostic("layer '\(builder.graph.path)': epsilon must be positive, got \(epsilon)") }
      guard momentum >= 0, momentum <= 1 else {
        throw Diagnostic("layer '\(builder.graph.path)': momentum must lie in 0 ... 1, got \(momentum)")
      }
      if builder.type(x).rank > 2, builder.channelAxis(x) == 1 { try builder.requireWholeSequence() }
      let features = [try builder.channels(x)]
      let gamma = try builder.parameter("gamma", shape: features, initializer: .ones, decays: false)
      let beta = try builder.parameter("beta", shape: features, initializer: .zeros, decays: false)
      let mean = try builder.parameter("running_mean", shape: features, initializer: .zeros, isState: true, decays: false)
      let variance = try builder.parameter("running_var", shape: features, initializer: .ones, isState: true, decays: false)
      guard builder.adaptsToBatch else {
        let scale = try builder.graph.multiply(gamma, builder.graph.rsqrt(builder.graph.add(variance, epsilon)))
        let shift = try builder.graph.subtract(beta, builder.graph.multiply(mean, scale))
        return try builder.graph.add(
          builder.graph.multiply(x, builder.perChannel(scale, like: x)), builder.perChannel(shift, like: x))
      }
      let axes = [0] + builder.spatialAxes(x)
      try builder.updateRunning(mean: mean, variance: variance, of: x, axes: axes, momentum: momentum)
      return try builder.graph.batchNormalize(x, scale: gamma, shift: beta, axis: builder.channelAxis(x), epsilon: epsilon)
    }
  }

  /// Moves the running statistics towards those of the batch. Mean and variance are the nodes that the normalisation expands to.
  private mutating func updateRunning(mean: ValueID, variance: ValueID, of x: ValueID, axes: [Int], momentum: Double) throws {
    let shape = type(mean).shape
    let batchMean = try graph.reshape(graph.mean(x, axes: axes, keepDims: true), shape)
    let biased = try graph.reshape(graph.variance(x, axes: axes, keepDims: true), shape)
    let count = try graph.size(of: axes.map { type(x).shape[$0] }, element)
    let unbiased = try graph.divide(count, graph.maximum(graph.subtract(count, 1), 1))
    for (name, running, value) in [
      ("running_mean", mean, batchMean), ("running_var", variance, try graph.multiply(biased, unbiased)),
    ] {
      updateState(name, try graph.add(graph.multiply(running, 1 - momentum), graph.multiply(value, momentum)))
    }
  }
}

extension LayerEntry {
  static let batchNorm = LayerEntry(
    "batch_norm", aliases: ["batch_normalization"],
    "normalises each feature or channel over the batch and all positions; running statistics in inference",
    [
      .input, ArgumentDescription("epsilon", .number, default: .number(1e-5), "added to the variance"),
      ArgumentDescription("momentum", .number, default: .number(0.1), "share of the batch in the running statistics (PyTorch's sense)"),
    ]
  ) { builder, arguments, name in
    try builder.batchNorm(
      arguments.value("x")!, epsilon: arguments.number("epsilon")!, momentum: arguments.number("momentum")!, name: name)
  }
}
