import Basics
import GraphIR
import Operators

/// NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss: scores [N, C, d…] and classes [N, d…].
let classificationLossRules = [
  ONNXRule("NegativeLogLikelihoodLoss") { node in
    let loss = try ClassificationLoss(node)
    return [try loss.reduced(node.graph.negate(node.graph.pick(loss.rows, loss.targets)))]
  },
  ONNXRule("SoftmaxCrossEntropyLoss") { node in
    let loss = try ClassificationLoss(node)
    let result = try loss.reduced(node.graph.softmaxCrossEntropy(loss.rows, loss.targets))
    guard node.usedOutputs.count > 1, node.usedOutputs[1] else { return [result] }
    return [result, try node.graph.logSoftmax(node.value(0), axis: 1)]
  },
]

/// Operands of a loss over classes, with the classes last.
private struct ClassificationLoss {
  let node: ONNXNode
  /// [N, d…, C].
  let rows: ValueID
  /// [N, d…].
  let targets: ValueID

  init(_ node: ONNXNode) throws {
    self.node = node
    let scores = try node.value(0)
    let type = node.type(scores)
    targets = try node.value(1)
    guard type.rank >= 2, node.type(targets).shape == [type.shape[0]] + type.shape.dropFirst(2) else {
      throw Diagnostic("\(node.type) needs scores [N, C, …] and classes [N, …], got \(type) and \(node.type(targets))")
    }
    guard (type.shape[1].constant ?? 0) > 0 else { throw Diagnostic("\(node.type) needs one class or more, got scores \(type)") }
    rows = try node.graph.transpose(scores, [0] + Array(2..<type.rank) + [1])
  }

  /// The reduction of one loss a row, weighted by the weights of the classes; rows of class `ignore_index` count for nothing.
  func reduced(_ losses: ValueID) throws -> ValueID {
    var weights = try node.optional(2).map { try node.graph.gather($0, targets) }
    var losses = try weights.map { try node.graph.multiply(losses, $0) } ?? losses
    if let ignored = try node.int("ignore_index") {
      let isKept = try node.graph.notEqual(targets, Double(ignored))
      let ones = try node.graph.broadcast(node.graph.constant(1, node.type(losses).element), to: node.type(losses).shape)
      weights = try node.graph.select(isKept, weights ?? ones, 0)
      losses = try node.graph.select(isKept, losses, 0)
    }
    switch try node.string("reduction", "mean") {
    case "none": return losses
    case "sum": return try node.graph.sum(losses)
    case "mean":
      guard let weights else { return try node.graph.mean(losses) }
      return try node.graph.divide(node.graph.sum(losses), node.graph.sum(weights))
    case let other: throw Diagnostic("reduction '\(other)' is none of none, sum and mean")
    }
  }
}
