import GraphIR
import Operators

/// Nesterov's accelerated gradient, in PyTorch's form: v ← μ v + g; p ← p - rate · (g + μ v).
public struct Nesterov: Optimizer {
  public var momentum: Double
  public var weightDecay: Double
  public var momentsPerParameter: Int { 1 }

  public init(momentum: Double = 0.9, weightDecay: Double = 0) {
    self.momentum = momentum
    self.weightDecay = weightDecay
  }

  public func step(_ builder: inout GraphBuilder, _ request: OptimizerRequest) throws -> OptimizerResult {
    let velocity = try builder.add(builder.multiply(request.moments[0], momentum), request.gradient)
    let ahead = try builder.add(request.gradient, builder.multiply(velocity, momentum))
    return OptimizerResult(try builder.subtract(request.parameter, builder.multiply(ahead, request.rate)), moments: [velocity])
  }
}

extension OptimizerEntry {
  static let nesterov = OptimizerEntry(
    "nesterov", "v ← momentum · v + g; p ← p - rate · (g + momentum · v)", rate: 0.01, [momentumDescription]
  ) { Nesterov(momentum: try $0.number("momentum", in: 0..<1), weightDecay: try $0.decay()) }
}
