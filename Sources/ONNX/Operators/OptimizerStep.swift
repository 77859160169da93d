import Basics
import GraphIR
import Operators

private let training = "ai.onnx.preview.training"

/// One update of some tensors by Adagrad, Adam or momentum, as operators: learning rate, number of updates so far, then the tensors, their
/// gradients and their moments.
let optimizerStepRules = [
  ONNXRule("Adagrad", domain: training) { node in
    let step = try OptimizerStep(node, moments: 1)
    let (decay, epsilon) = (try node.float("decay_factor", 0), try node.float("epsilon", 1e-6))
    return try step.results { x, gradient, moments, graph in
      let rate = try graph.divide(step.rate, graph.add(graph.multiply(step.updates, decay), 1))
      let squares = try graph.add(moments[0], graph.square(gradient))
      let change = try graph.divide(graph.multiply(rate, gradient), graph.add(graph.sqrt(squares), epsilon))
      return [try graph.subtract(x, change), squares]
    }
  },
  ONNXRule("Adam", domain: training) { node in
    let step = try OptimizerStep(node, moments: 2)
    let (alpha, beta) = (try node.float("alpha", 0.9), try node.float("beta", 0.999))
    let (epsilon, shrinkage) = (try node.float("epsilon", 1e-6), try node.float("norm_coefficient_post", 0))
    return try step.results { x, gradient, moments, graph in
      let mean = try graph.add(graph.multiply(moments[0], alpha), graph.multiply(gradient, 1 - alpha))
      let squares = try graph.add(graph.multiply(moments[1], beta), graph.multiply(graph.square(gradient), 1 - beta))
      let exact = try graph.divide(graph.sqrt(step.missing(beta, &graph)), step.missing(alpha, &graph))
      let correction = try graph.cast(exact, to: graph.type(x).element)
      let change = try graph.divide(
        graph.multiply(graph.multiply(step.rate, correction), mean), graph.add(graph.sqrt(squares), epsilon))
      return [try graph.multiply(graph.subtract(x, change), 1 - shrinkage), mean, squares]
    }
  },
  ONNXRule("Momentum", domain: training) { node in
    let step = try OptimizerStep(node, moments: 1)
    let (alpha, beta) = (try node.float("alpha", 0.9), try node.float("beta", 1))
    let mode = try node.string("mode", "standard")
    guard ["standard", "nesterov"].contains(mode) else { throw Diagnostic("mode '\(mode)' is neither standard nor nesterov") }
    return try step.results { x, gradient, moments, graph in
      let share = try graph.select(step.isLater, beta, graph.constant(1, graph.type(x).element))
      let velocity = try graph.add(graph.multiply(moments[0], alpha), graph.multiply(share, gradient))
      let direction = try mode == "standard" ? velocity : graph.add(gradient, graph.multiply(velocity, alpha))
      return [try graph.subtract(x, graph.multiply(step.rate, direction)), velocity]
    }
  },
]

/// The operands of an update.
private struct OptimizerStep {
  let node: ONNXNode
  /// Moments a tensor.
  let moments: Int
  /// Tensors.
  let count: Int
  let rate: ValueID
  /// The number of updates so far, as a float.
  let updates: ValueID
  /// Whether it is not the first.
  let isLater: ValueID
  private let penalty: Double

  init(_ node: ONNXNode, moments: Int) throws {
    self.node = node
    self.moments = moments
    guard node.inputs.count > 2, (node.inputs.count - 2) % (2 + moments) == 0 else {
      throw Diagnostic("\(node.type) needs 2 inputs and \(2 + moments) for each tensor, got \(node.inputs.count)")
    }
    count = (node.inputs.count - 2) / (2 + moments)
    rate = try node.value(0)
    updates = try node.graph.cast(node.value(1), to: node.type(rate).element)
    isLater = try node.graph.greater(updates, 0)
    penalty = try node.float("norm_coefficient", 0)
  }

  /// 1 - factor^updates, or 1 before the first update; in f64, since factors are close to 1.
  func missing(_ factor: Double, _ graph: inout GraphBuilder) throws -> ValueID {
    let powers = try graph.power(graph.constant(factor, .f64), graph.cast(updates, to: .f64))
    return try graph.select(isLater, graph.subtract(1, powers), 1)
  }

  /// All new tensors, then all new values of each moment. `update` gives those of one tensor from its value, its gradient with the penalty,
  /// and its moments.
  func results(
    _ update: (ValueID, ValueID, [ValueID], inout GraphBuilder) throws -> [ValueID]
  ) throws -> [ValueID] {
    let each = try (0..<count).map { index -> [ValueID] in
      let values = try (0..<2 + moments).map { try node.value(2 + $0 * count + index) }
      let gradient = try node.graph.add(node.graph.multiply(values[0], penalty), values[1])
      return try update(values[0], gradient, Array(values[2...]), &node.graph)
    }
    return (0...moments).flatMap { part in each.map { $0[part] } }
  }
}
