import Basics
import GraphIR
import Operators

/// Adam (Kingma and Ba 2015): m ← β₁ m + (1 - β₁) g; v ← β₂ v + (1 - β₂) g²; p ← p - rate · m̂ / (√v̂ + ε) with m̂ = m / (1 - β₁ᵗ) and
/// v̂ = v / (1 - β₂ᵗ). The corrections are scalars, computed once in f64. Moments: m, v.
public struct Adam: Optimizer {
  public var beta1: Double
  public var beta2: Double
  public var epsilon: Double
  public var weightDecay: Double
  /// Whether the decay is decoupled from the gradient: AdamW (Loshchilov and Hutter 2019).
  public var hasDecoupledDecay: Bool
  public var momentsPerParameter: Int { 2 }

  public init(
    beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8, weightDecay: Double = 0, hasDecoupledDecay: Bool = false
  ) {
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.weightDecay = weightDecay
    self.hasDecoupledDecay = hasDecoupledDecay
  }

  public func step(_ builder: inout GraphBuilder, _ request: OptimizerRequest) throws -> OptimizerResult {
    let element = builder.type(request.parameter).element
    let factors = try correctedFactors(&builder, rate: request.exactRate, update: request.update, element: element)
    let mean = try builder.average(request.moments[0], request.gradient, beta1)
    let squares = try builder.average(request.moments[1], builder.multiply(request.gradient, request.gradient), beta2)
    let deviation = try builder.multiply(builder.sqrt(squares), factors.scale)
    let direction = try builder.divide(mean, builder.add(deviation, epsilon))
    let parameter = try builder.subtract(request.parameter, builder.multiply(direction, factors.size))
    return OptimizerResult(parameter, moments: [mean, squares])
  }

  public func prepare(_ builder: inout GraphBuilder, rate: ValueID, update: ValueID, element: ElementType) throws {
    _ = try correctedFactors(&builder, rate: rate, update: update, element: element)
  }

  /// rate / (1 - β₁ᵗ) and 1 / √(1 - β₂ᵗ), computed in f64.
  private func correctedFactors(
    _ builder: inout GraphBuilder, rate: ValueID, update: ValueID, element: ElementType
  ) throws -> (size: ValueID, scale: ValueID) {
    func correction(_ beta: Double) throws -> ValueID {
      try builder.subtract(1, builder.power(builder.constant(beta, .f64), update))
    }
    let size = try builder.divide(rate, correction(beta1))
    let scale = try builder.rsqrt(correction(beta2))
    return (try builder.cast(size, to: element), try builder.cast(scale, to: element))
  }
}

extension OptimizerEntry {
  static let betas = [
    ArgumentDescription("beta1", .number, default: .number(0.9), "share of the mean gradient that is kept"),
    ArgumentDescription("beta2", .number, default: .number(0.999), "share of the mean square that is kept"),
    .epsilon(1e-8),
  ]

  static let adam = OptimizerEntry("adam", "steps by the mean gradient over its deviation", rate: 0.001, betas) {
    try adam($0, hasDecoupledDecay: false)
  }

  static let adamw = OptimizerEntry("adamw", "adam with decoupled weight decay", rate: 0.001, weightDecay: 0.01, betas) {
    try adam($0, hasDecoupledDecay: true)
  }

  private static func adam(_ arguments: Arguments, hasDecoupledDecay: Bool) throws -> Adam {
    Adam(
      beta1: try arguments.number("beta1", in: 0..<1), beta2: try arguments.number("beta2", in: 0..<1), epsilon: try arguments.epsilon(),
      weightDecay: try arguments.decay(), hasDecoupledDecay: hasDecoupledDecay)
  }
}
