import GraphIR
import Operators

/// Stochastic gradient descent: p ← p - rate · g.
public struct SGD: Optimizer {
  public var weightDecay: Double
  public var momentsPerParameter: Int { 0 }

  public init(weightDecay: Double = 0) { self.weightDecay = weightDecay }

  public func step(_ builder: inout GraphBuilder, _ request: OptimizerRequest) throws -> OptimizerResult {
    OptimizerResult(try builder.subtract(request.parameter, builder.multiply(request.gradient, request.rate)))
  }
}

extension OptimizerEntry {
  static let sgd = OptimizerEntry("sgd", "p ← p - rate · g", rate: 0.01) { SGD(weightDecay: try $0.decay()) }
}
