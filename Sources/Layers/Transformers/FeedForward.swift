import Basics
import GraphIR
import Operators

/// What stands between the two products of a feed-forward layer.
public enum FeedForwardActivation: String, CaseIterable, Sendable {
  case relu, gelu
  case geluTanh = "gelu_tanh"
  case silu
  /// silu(x V) · (x W) (Shazeer 2020).
  case swiglu
}

extension ModelBuilder {
  /// Two dense layers with an activation between them, from x [N, …, width] to `units` and back. With `swiglu` the first has twice as many
  /// units: gates, then values.
  public mutating func feedForward(
    _ x: ValueID, units: Int, activation: FeedForwardActivation = .gelu, dropout: Double = 0, bias: Bool = true, name: String? = nil
  ) throws -> ValueID {
    try layer("feed_forward", name: name) { builder in
      guard units >= 1 else { throw Diagnostic("layer '\(builder.graph.path)': units must be at least 1, got \(units)") }
      let width = try builder.lastDim(x)
      let wide = try builder.dense(x, units: activation == .swiglu ? 2 * units : units, bias: bias)
      let bent: ValueID
      switch activation {
      case .relu: bent = try builder.apply(.relu, to: wide)
      case .gelu: bent = try builder.apply(.gelu, to: wide)
      case .geluTanh: bent = try builder.apply(.geluTanh, to: wide)
      case .silu: bent = try builder.apply(.silu, to: wide)
      case .swiglu:
        let axis = builder.type(wide).rank - 1
        let gate = try builder.graph.silu(builder.graph.slice(wide, axis: axis, from: 0, to: units))
        bent = try builder.graph.multiply(gate, builder.graph.slice(wide, axis: axis, from: units, to: 2 * units))
      }
      let y = try builder.dense(bent, units: width, bias: bias)
      return dropout > 0 ? try builder.dropout(y, rate: dropout) : y
    }
  }
}

extension ArgumentDescription {
  static let feedForward = ArgumentDescription(
    "activation", .word(FeedForwardActivation.allCases.map(\.rawValue)), default: .word("gelu"), "what bends the units")
}

extension LayerEntry {
  static let feedForward = LayerEntry(
    "feed_forward", "two dense layers with an activation between them, back to the same width",
    [
      .input, ArgumentDescription("units", .integer, "units between the two"), .feedForward,
      ArgumentDescription("dropout", .number, default: .number(0), "rate of a dropout of the result"),
      ArgumentDescription("bias", .bool, default: .bool(true), "whether a bias is added"),
    ]
  ) { builder, arguments, name in
    try builder.feedForward(
      arguments.value("x")!, units: arguments.integer("units")!,
      activation: FeedForwardActivation(rawValue: arguments.word("activation")!)!, dropout: arguments.number("dropout")!,
      bias: arguments.bool("bias"), name: name)
  }
}
