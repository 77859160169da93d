import GraphIR
import Operators

/// Adadelta (Zeiler 2012): s ← ρ s + (1 - ρ) g²; d = √(a + ε) / √(s + ε) · g; a ← ρ a + (1 - ρ) d²; p ← p - rate · d. Moments: s, a.
public struct Adadelta: Optimizer {
  public var rho: Double
  public var epsilon: Double
  public var weightDecay: Double
  public var momentsPerParameter: Int { 2 }

  public init(rho: Double = 0.9, epsilon: Double = 1e-6, weightDecay: Double = 0) {
    self.rho = rho
    self.epsilon = epsilon
    self.weightDecay = weightDecay
  }

  public func step(_ builder: inout GraphBuilder, _ request: OptimizerRequest) throws -> OptimizerResult {
    let squares = try builder.average(request.moments[0], builder.multiply(request.gradient, request.gradient), rho)
    let deviation = try builder.sqrt(builder.add(squares, epsilon))
    let last = try builder.sqrt(builder.add(request.moments[1], epsilon))
    let delta = try builder.multiply(builder.divide(last, deviation), request.gradient)
    let deltas = try builder.average(request.moments[1], builder.multiply(delta, delta), rho)
    return OptimizerResult(try builder.subtract(request.parameter, builder.multiply(delta, request.rate)), moments: [squares, deltas])
  }
}

extension OptimizerEntry {
  static let adadelta = OptimizerEntry(
    "adadelta", "steps in the ratio of past steps to past gradients", rate: 1,
    [ArgumentDescription("rho", .number, default: .number(0.9), "share of the averages that is kept"), .epsilon(1e-6)]
  ) { Adadelta(rho: try $0.number("rho", in: 0..<1), epsilon: try $0.epsilon(), weightDecay: try $0.decay()) }
}
