import GraphIR
import Operators

extension ModelBuilder {
  /// x where positive, else α x with one learned α, which begins at 0.25 (He et al. 2015; PyTorch's default) and does not decay.
  public mutating func prelu(_ x: ValueID, name: String? = nil) throws -> ValueID {
    try layer("prelu", name: name) { builder in
      let alpha = try builder.parameter("alpha", shape: [1], initializer: .constant(0.25), decays: false)
      return try builder.graph.prelu(x, slope: alpha)
    }
  }
}

extension LayerEntry {
  static let prelu = LayerEntry("prelu", "x where positive, else a learned slope times x", [.input]) { builder, arguments, name in
    try builder.prelu(arguments.value("x")!, name: name)
  }
}
