import Basics
import GraphIR
import LoopIR

/// Evenly distributed numbers from a seed and a step, with 24 random bits in f32 and 53 in f64 (of which the first 24 are the same).
public struct RandomUniform: Operator {
  public static let name = "random_uniform"
  public static let operandNames = ["seed", "step"]
  public static let formula = "y = low + (high - low) u, u in [0, 1) from (seed, key, step, element)"
  public static let isDifferentiable = false
  public var shape: Shape
  public var element: ElementType
  public var low: Double
  /// Only reached by rounding.
  public var high: Double
  /// Tells the random operators of a model apart.
  public var key: UInt64

  public init(shape: Shape, _ element: ElementType, low: Double = 0, high: Double = 1, key: UInt64) {
    self.shape = shape
    self.element = element
    self.low = low
    self.high = high
    self.key = key
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    let result = TensorType(element, shape)
    try RandomNumbers.check(Self.self, operands, result)
    return [result]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    let count = element == .f32 ? 24 : 53
    let bits = RandomNumbers.bits(count, key: key, results[0])
    let scale = element == .f32 ? 0x1p-24 : 0x1p-53
    if low == 0, high == 1 { return .map(bits * .float(scale, element)) }
    return .map(.float(low, element) + .float(high - low, element) * (bits * .float(scale, element)))
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? { [nil, nil] }

  public static var examples: [OperatorExample] {
    let seed = TensorLiteral([7], shape: [], element: .u64)
    let step = TensorLiteral([3], shape: [], element: .i64)
    let source = "an independent program in Python, from the paper"
    return [
      OperatorExample(
        "24 bits", RandomUniform(shape: [4], .f32, key: 11), [seed, step],
        [TensorLiteral([0.5108227729797363, 0.9118792414665222, 0.21927106380462646, 0.10159885883331299])], source: source,
        tolerance: 0, checksGradient: false),
      OperatorExample(
        "53 bits", RandomUniform(shape: [4], .f64, key: 11), [seed, step],
        [TensorLiteral([0.5108227855521996, 0.9118792618170674, 0.2192710830791471, 0.1015988632166398], element: .f64)],
        source: source, tolerance: 1e-15, checksGradient: false),
      OperatorExample(
        "from -2 to 6", RandomUniform(shape: [2, 2], .f32, low: -2, high: 6, key: 11), [seed, step],
        [
          TensorLiteral([2.0865821838378906, 5.295033931732178, -0.24583148956298828, -1.187209129333496], shape: [2, 2])
        ], source: source, checksGradient: false),
    ]
  }
}

extension GraphBuilder {
  /// Evenly distributed numbers in [low, high) from the scalars `seed` (u64) and `step` (i64); without a key, that of the current layer.
  public mutating func randomUniform(
    _ shape: Shape, _ element: ElementType, low: Double = 0, high: Double = 1, seed: ValueID, step: ValueID, key: UInt64? = nil
  ) throws -> ValueID {
    try add(RandomUniform(shape: shape, element, low: low, high: high, key: key ?? randomKey(path)), [seed, step])
  }

  /// Numbers in [0, 1), new ones for each training step and micro-batch; without a key, that of the current layer. The micro-batch moves the
  /// seed, by an odd number near 2^52 times the golden ratio; the first of a step leaves it alone.
  public mutating func stepUniform(_ shape: Shape, _ element: ElementType, key: UInt64? = nil) throws -> ValueID {
    let seed = leaf(Leaf("seed", .control(Controls.seed)), TensorType(.u64, []))
    let step = leaf(Leaf("step", .control(Controls.step)), TensorType(.i64, []))
    let micro = leaf(Leaf("micro", .control(Controls.micro)), TensorType(.i64, []))
    let shift = try multiply(cast(micro, to: .u64), constant(Double(0x9_E377_9B97_F4A7), .u64))
    return try randomUniform(shape, element, seed: add(seed, shift), step: step, key: key)
  }
}
