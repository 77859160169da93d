import GraphIR
import Operators

/// Gradient descent with momentum, in PyTorch's form: v ← μ v + g; p ← p - rate · v.
public struct Momentum: Optimizer {
  public var momentum: Double
  public var weightDecay: Double
  public var momentsPerParameter: Int { 1 }

  public init(momentum: Double = 0.9, weightDecay: Double = 0) {
    self.momentum = momentum
    self.weightDecay = weightDecay
  }

  public func step(_ builder: inout GraphBuilder, _ request: OptimizerRequest) throws -> OptimizerResult {
    let velocity = try builder.add(builder.multiply(request.moments[0], momentum), request.gradient)
    let parameter = try builder.subtract(request.parameter, builder.multiply(velocity, request.rate))
    return OptimizerResult(parameter, moments: [velocity])
  }
}

extension OptimizerEntry {
  static let momentumDescription = ArgumentDescription("momentum", .number, default: .number(0.9), "share of the velocity that is kept")

  static let momentum = OptimizerEntry(
    "momentum", "v ← momentum · v + g; p ← p - rate · v", rate: 0.01, [momentumDescription]
  ) { Momentum(momentum: try $0.number("momentum", in: 0..<1), weightDecay: try $0.decay()) }
}
