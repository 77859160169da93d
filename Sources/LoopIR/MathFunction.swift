import Basics

/// Transcendental functions. Each is defined in this library's own scalar language (`ScalarFunction`), so that every compiler and the
/// interpreter compute the same bits.
public enum MathFunction: String, Hashable, Sendable, CaseIterable, Codable {
  case exp, expm1, log, log1p, tanh, sigmoid, softplus, erf, pow, sin, cos
  case tan, asin, acos, atan, sinh, cosh, asinh, acosh, atanh
  /// The inverse of the normal distribution function, for random normal numbers; argument in (0, 1).
  case normalQuantile = "normal_quantile"

  /// 64 random bits from a seed, a key and a counter, all u64: the same for every element type of the program.
  case randomBits = "random_bits"

  /// How many arguments it takes.
  public var arity: Int {
    switch self {
    case .pow: 2
    case .randomBits: 3
    default: 1
    }
  }
}

/// A scalar function in the loop language: parameters, named intermediate values, a result.
public struct ScalarFunction: Hashable, Sendable {
  /// An intermediate value.
  public struct Definition: Hashable, Sendable {
    public var name: String
    public var element: ElementType
    public var value: Scalar

    public init(_ name: String, _ element: ElementType, _ value: Scalar) {
      self.name = name
      self.element = element
      self.value = value
    }
  }

  public var function: MathFunction
  /// Of the parameters and the result: f32 or f64, u64 of `randomBits`.
  public var element: ElementType
  public var parameters: [String]
  public var definitions: [Definition]
  public var result: Scalar
  /// What the approximation is and its largest measured error in units in the last place; printed above the C function.
  public var comment: String

  public init(
    function: MathFunction, element: ElementType, parameters: [String], definitions: [Definition], result: Scalar, comment: String
  ) {
    self.function = function
    self.element = element
    self.parameters = parameters
    self.definitions = definitions
    self.result = result
    self.comment = comment
  }
}
