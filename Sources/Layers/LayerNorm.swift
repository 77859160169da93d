import Basics
import GraphIR
import Operators

/// What a layer normalisation takes together.
public enum LayerNormAxes: String, CaseIterable, Sendable {
  /// The last axis.
  case last
  /// The channels of each position.
  case channels
}

extension ModelBuilder {
  /// y = (x - mean) / sqrt(var + ε) · γ + β with mean and biased variance over the last axis, or over the channels of each position (Ba,
  /// Kiros and Hinton 2016). γ begins at 1, β at 0.
  public mutating func layerNorm(
    _ x: ValueID, epsilon: Double = 1e-5, over axes: LayerNormAxes = .last, name: String? = nil
  ) throws -> ValueID {
    try layer("layer_norm", name: name) { builder in
      guard epsilon > 0 else { throw Diagnostic("layer '\(builder.graph.path)': epsilon must be positive, got \(epsilon)") }
      if axes == .channels {
        _ = try builder.channels(x)
        return try builder.channelAffine(builder.graph.normalize(x, axes: [builder.channelAxis(x)], epsilon: epsilon))
      }
      let features = [try builder.lastDim(x)]
      let gamma = try builder.parameter("gamma", shape: features, initializer: .ones, decays: false)
      let beta = try builder.parameter("beta", shape: features, initializer: .zeros, decays: false)
      let normal = try builder.graph.normalize(x, axes: [builder.type(x).rank - 1], epsilon: epsilon)
      return try builder.graph.add(builder.graph.multiply(normal, gamma), beta)
    }
  }
}

extension LayerEntry {
  static let layerNorm = LayerEntry(
    "layer_norm", aliases: ["layer_normalization"], "normalises each row over its last axis, or over its channels",
    [
      .input, .epsilon,
      ArgumentDescription(
        "over", .word(LayerNormAxes.allCases.map(\.rawValue)), default: .word("last"), "the axis of mean and variance: last or channels"),
    ]
  ) { builder, arguments, name in
    try builder.layerNorm(
      arguments.value("x")!, epsilon: arguments.number("epsilon")!, over: LayerNormAxes(rawValue: arguments.word("over")!)!, name: name)
  }
}
