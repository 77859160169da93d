import Basics
import GraphIR
import LoopIR

/// Normally distributed numbers from a seed and a step, by the quantile function of 23 random bits in f32 and 52 in f64.
public struct RandomNormal: Operator {
  public static let name = "random_normal"
  public static let operandNames = ["seed", "step"]
  public static let formula = "y = mean + deviation Φ⁻¹(u), u in (0, 1) from (seed, key, step, element)"
  public static let isDifferentiable = false
  public var shape: Shape
  public var element: ElementType
  public var mean: Double
  /// Before truncation.
  public var deviation: Double
  /// Whether numbers more than two deviations from the mean are left out.
  public var truncated: Bool
  /// Tells the random operators of a model apart.
  public var key: UInt64

  public init(
    shape: Shape, _ element: ElementType, mean: Double = 0, deviation: Double = 1, truncated: Bool = false, key: UInt64
  ) {
    self.shape = shape
    self.element = element
    self.mean = mean
    self.deviation = deviation
    self.truncated = truncated
    self.key = key
  }

  /// Φ(-2) and Φ(2) - Φ(-2).
  private static let tail = 0.022750131948179212
  private static let body = 0.9544997361036416

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    let result = TensorType(element, shape)
    try RandomNumbers.check(Self.self, operands, result)
    guard deviation >= 0 else { throw TypeError("random_normal needs a deviation that is not negative, got \(deviation)") }
    return [result]
  }

  /// One bit less than the significand has: half a unit more is exact, so that u is never 0 or 1.
  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    let number = { (value: Double) in Scalar.float(value, element) }
    let bits = RandomNumbers.bits(element == .f32 ? 23 : 52, key: key, results[0])
    var u = (bits + number(0.5)) * number(element == .f32 ? 0x1p-23 : 0x1p-52)
    if truncated { u = number(Self.tail) + number(Self.body) * u }
    var normal = Scalar.call(.normalQuantile, [u])
    if truncated { normal = .binary(.min, .binary(.max, normal, number(-2)), number(2)) }
    return .map(mean == 0 && deviation == 1 ? normal : number(mean) + number(deviation) * normal)
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? { [nil, nil] }

  public static var examples: [OperatorExample] {
    let seed = TensorLiteral([7], shape: [], element: .u64)
    let step = TensorLiteral([3], shape: [], element: .i64)
    let source = "an independent program in Python, from the paper, with statistics.NormalDist"
    return [
      OperatorExample(
        "mean 1, deviation 2", RandomNormal(shape: [4], .f32, mean: 1, deviation: 2, key: 11), [seed, step],
        [TensorLiteral([1.0542642934, 3.7048367340, -0.5493144038, -1.5449869731])], source: source, checksGradient: false),
      OperatorExample(
        "truncated", RandomNormal(shape: [4], .f32, mean: 1, deviation: 2, truncated: true, key: 11), [seed, step],
        [TensorLiteral([1.0517946885, 3.4867876458, -0.4642616443, -1.3527125056])], source: source, checksGradient: false),
    ]
  }
}

extension GraphBuilder {
  /// Normally distributed numbers from the scalars `seed` (u64) and `step` (i64); without a key, that of the current layer.
  public mutating func randomNormal(
    _ shape: Shape, _ element: ElementType, mean: Double = 0, deviation: Double = 1, truncated: Bool = false, seed: ValueID,
    step: ValueID, key: UInt64? = nil
  ) throws -> ValueID {
    let op = RandomNormal(
      shape: shape, element, mean: mean, deviation: deviation, truncated: truncated, key: key ?? randomKey(path))
    return try add(op, [seed, step])
  }
}
