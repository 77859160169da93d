import Basics
import GraphIR
import LoopIR
import Operators

extension ModelBuilder {
  /// In training, sets each element to zero with probability `rate` and multiplies the others by 1 / (1 - rate); the identity in
  /// inference (Srivastava et al. 2014, in the inverted form). The mask is a function of the layer's path, the seed, the step and the
  /// micro-batch; it is computed again wherever it is needed.
  public mutating func dropout(_ x: ValueID, rate: Double, name: String? = nil) throws -> ValueID {
    try layer("dropout", name: name) { builder in
      guard rate >= 0, rate < 1 else {
        throw Diagnostic("layer '\(builder.graph.path)': rate must be at least 0 and below 1, got \(rate)")
      }
      let key = randomKey(builder.randomPath())
      guard builder.mode == .training, rate > 0 else { return x }
      let uniform = try builder.graph.stepUniform(builder.type(x).shape, builder.element, key: key)
      let scaled = try builder.graph.multiply(x, 1 / (1 - rate))
      return try builder.graph.select(builder.graph.greaterEqual(uniform, rate), scaled, 0)
    }
  }
}

extension LayerEntry {
  static let dropout = LayerEntry(
    "dropout", "zeros with probability rate, the rest times 1 / (1 - rate); nothing in inference",
    [.input, ArgumentDescription("rate", .number, default: .number(0.5), "probability of a zero, 0 to below 1")]
  ) { builder, arguments, name in
    try builder.dropout(arguments.value("x")!, rate: arguments.number("rate")!, name: name)
  }
}
