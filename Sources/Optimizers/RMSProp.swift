import GraphIR
import Operators

/// RMSProp (Tieleman and Hinton 2012): s ← α s + (1 - α) g²; p ← p - rate · g / (√s + ε).
public struct RMSProp: Optimizer {
  public var alpha: Double
  public var epsilon: Double
  public var weightDecay: Double
  public var momentsPerParameter: Int { 1 }

  public init(alpha: Double = 0.99, epsilon: Double = 1e-8, weightDecay: Double = 0) {
    self.alpha = alpha
    self.epsilon = epsilon
    self.weightDecay = weightDecay
  }

  public func step(_ builder: inout GraphBuilder, _ request: OptimizerRequest) throws -> OptimizerResult {
    let squares = try builder.average(request.moments[0], builder.multiply(request.gradient, request.gradient), alpha)
    let direction = try builder.divide(request.gradient, builder.add(builder.sqrt(squares), epsilon))
    return OptimizerResult(try builder.subtract(request.parameter, builder.multiply(direction, request.rate)), moments: [squares])
  }
}

extension OptimizerEntry {
  static let rmsprop = OptimizerEntry(
    "rmsprop", "s ← alpha · s + (1 - alpha) g²; p ← p - rate · g / (√s + epsilon)", rate: 0.01,
    [ArgumentDescription("alpha", .number, default: .number(0.99), "share of the average that is kept"), .epsilon(1e-8)]
  ) { RMSProp(alpha: try $0.number("alpha", in: 0..<1), epsilon: try $0.epsilon(), weightDecay: try $0.decay()) }
}
