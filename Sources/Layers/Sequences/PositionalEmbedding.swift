import Basics
import Glibc
import GraphIR
import Operators

/// Where vectors for positions come from.
public enum PositionKind: String, CaseIterable, Sendable {
  /// A learned vector for each position.
  case learned
  /// sin and cos of the position at wavelengths from 2π to 10,000 · 2π (Vaswani et al. 2017): the first half of the features are sines.
  case sinusoidal
}

extension ModelBuilder {
  /// x [N, T, width] plus a vector for each of the T positions: a parameter `weight` [T, width], or fixed waves.
  public mutating func positionalEmbedding(
    _ x: ValueID, kind: PositionKind = .learned, initializer: Initializer = .normal(mean: 0, deviation: 0.02), name: String? = nil
  ) throws -> ValueID {
    try layer("positional_embedding", name: name) { builder in
      let dims = try builder.rowDims(x)
      guard dims.count == 2, dims[0] > 0, dims[1] > 0 else {
        throw Diagnostic("layer '\(builder.graph.path)': expected an input [N, positions, features], got \(builder.type(x))")
      }
      let generates = builder.mode == .generation
      let shape = [generates ? builder.contextLength : dims[0], dims[1]]
      let table: ValueID
      switch kind {
      case .learned: table = try builder.parameter("weight", shape: shape, initializer: initializer, decays: false)
      case .sinusoidal:
        let waves = HostTensor(sinusoids(positions: shape[0], width: shape[1]), shape: shape, element: builder.element)
        table = try builder.graph.constant(waves)
      }
      return try builder.graph.add(x, generates ? builder.graph.gather(table, builder.position) : table)
    }
  }
}

/// sin(p / 10000^(2 i / width)), i below half the width, then their cosines, for each position.
func sinusoids(positions: Int, width: Int) -> [Double] {
  (0..<positions).flatMap { position in
    (0..<width).map { column in
      let half = (width + 1) / 2
      let angle = Double(position) * exp(-log(10_000) * 2 * Double(column % half) / Double(width))
      return column < half ? sin(angle) : cos(angle)
    }
  }
}

extension LayerEntry {
  static let positionalEmbedding = LayerEntry(
    "positional_embedding", aliases: ["position_embedding"], "adds a vector for each position",
    [
      .input,
      ArgumentDescription(
        "kind", .word(PositionKind.allCases.map(\.rawValue)), default: .word("learned"), "learned vectors, or fixed waves"),
      ArgumentDescription(
        "initializer", .initializer, default: .call("normal", [LabelledArgument(.number(0)), LabelledArgument(.number(0.02))]),
        "how learned vectors begin"),
    ]
  ) { builder, arguments, name in
    try builder.positionalEmbedding(
      arguments.value("x")!, kind: PositionKind(rawValue: arguments.word("kind")!)!,
      initializer: Initializer(arguments["initializer"]!), name: name)
  }
}
