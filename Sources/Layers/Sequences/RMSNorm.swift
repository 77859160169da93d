import Basics
import GraphIR
import Operators

extension ModelBuilder {
  /// y = x / sqrt(mean(x²) + ε) · γ over the last axis (Zhang and Sennrich 2019). γ begins at 1 and does not decay.
  public mutating func rmsNorm(_ x: ValueID, epsilon: Double = 1e-6, name: String? = nil) throws -> ValueID {
    try layer("rms_norm", name: name) { builder in
      guard epsilon > 0 else { throw Diagnostic("layer '\(builder.graph.path)': epsilon must be positive, got \(epsilon)") }
      let gamma = try builder.parameter("gamma", shape: [builder.lastDim(x)], initializer: .ones, decays: false)
      let square = try builder.graph.mean(builder.graph.multiply(x, x), axes: [builder.type(x).rank - 1], keepDims: true)
      let factor = try builder.graph.rsqrt(builder.graph.add(square, epsilon))
      return try builder.graph.multiply(builder.graph.multiply(x, factor), gamma)
    }
  }
}

extension LayerEntry {
  static let rmsNorm = LayerEntry(
    "rms_norm", aliases: ["rms_normalization"], "divides each row by its root mean square over the last axis",
    [.input, ArgumentDescription("epsilon", .number, default: .number(1e-6), "added to the mean square")]
  ) { builder, arguments, name in
    try builder.rmsNorm(arguments.value("x")!, epsilon: arguments.number("epsilon")!, name: name)
  }
}
