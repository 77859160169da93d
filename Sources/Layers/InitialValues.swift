import Basics
import GraphIR
import Operators

extension Initializer {
  /// The first value of a tensor of that name: [in, out] for weights of dense layers, whose fans are these two axes. `seed` is a u64
  /// scalar. The same seed and path give the same numbers whatever else the model has.
  public func build(
    _ builder: inout GraphBuilder, shape: [Int], element: ElementType, path: String, seed: ValueID
  ) throws -> ValueID {
    let axes = shape.map { Dimension($0) }
    let (fanIn, fanOut) = Self.fans(shape)
    let (key, step) = (randomKey(path), try builder.constant(0, .i64))
    func uniform(_ low: Double, _ high: Double) throws -> ValueID {
      try builder.randomUniform(axes, element, low: low, high: high, seed: seed, step: step, key: key)
    }
    func normal(_ mean: Double, _ deviation: Double, truncated: Bool = false) throws -> ValueID {
      try builder.randomNormal(
        axes, element, mean: mean, deviation: deviation, truncated: truncated, seed: seed, step: step, key: key)
    }
    switch self {
    case .zeros: return try builder.broadcast(builder.constant(0, element), to: axes)
    case .ones: return try builder.broadcast(builder.constant(1, element), to: axes)
    case .constant(let value): return try builder.broadcast(builder.constant(value, element), to: axes)
    case .normal(let mean, let deviation): return try normal(mean, deviation)
    case .truncatedNormal(let mean, let deviation): return try normal(mean, deviation, truncated: true)
    case .uniform(let low, let high): return try uniform(low, high)
    case .xavierNormal, .xavierUniform, .heNormal, .heUniform:
      return try scaled(fanIn: fanIn, fanOut: fanOut).build(&builder, shape: shape, element: element, path: path, seed: seed)
    }
  }

  /// How many values enter and leave a unit: the last two axes, times those before them; a vector counts as both.
  static func fans(_ shape: [Int]) -> (Double, Double) {
    guard shape.count >= 2 else { return (Double(shape.first ?? 1), Double(shape.first ?? 1)) }
    let field = Double(shape.dropLast(2).reduce(1, *))
    return (field * Double(shape[shape.count - 2]), field * Double(shape[shape.count - 1]))
  }
}
