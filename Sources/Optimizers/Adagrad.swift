import GraphIR
import Operators

/// Adagrad (Duchi, Hazan and Singer 2011): s ← s + g²; p ← p - rate · g / (√s + ε).
public struct Adagrad: Optimizer {
  public var epsilon: Double
  public var weightDecay: Double
  public var momentsPerParameter: Int { 1 }

  public init(epsilon: Double = 1e-10, weightDecay: Double = 0) {
    self.epsilon = epsilon
    self.weightDecay = weightDecay
  }

  public func step(_ builder: inout GraphBuilder, _ request: OptimizerRequest) throws -> OptimizerResult {
    let sum = try builder.add(request.moments[0], builder.multiply(request.gradient, request.gradient))
    let direction = try builder.divide(request.gradient, builder.add(builder.sqrt(sum), epsilon))
    return OptimizerResult(try builder.subtract(request.parameter, builder.multiply(direction, request.rate)), moments: [sum])
  }
}

extension OptimizerEntry {
  static let adagrad = OptimizerEntry(
    "adagrad", "s ← s + g²; p ← p - rate · g / (√s + epsilon)", rate: 0.01, [.epsilon(1e-10)]
  ) { Adagrad(epsilon: try $0.epsilon(), weightDecay: try $0.decay()) }
}
