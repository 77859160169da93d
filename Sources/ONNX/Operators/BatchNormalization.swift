import Basics
import GraphIR
import Operators

/// `BatchNormalization`. Mean and variance are running statistics: training moves them, and no optimizer does.
let batchNormalizationRules = [
  ONNXRule("BatchNormalization") { node in
    guard try node.int("spatial", 1) == 1 else { throw node.unsupported("statistics for each position (spatial = 0) are not supported") }
    let x = try node.value(0)
    let element = node.type(x).element
    // Versions before 14 say by more outputs that the batch's statistics are meant.
    let asksForBatch = try node.int("training_mode", 0) == 1 || node.version < 14 && node.usedOutputs.dropFirst().contains(true)
    let normalization = BatchStatistics(
      x: x, scale: try node.graph.cast(node.value(1), to: element), shift: try node.graph.cast(node.value(2), to: element),
      mean: try node.graph.cast(node.state(3), to: element), variance: try node.graph.cast(node.state(4), to: element),
      epsilon: try node.float("epsilon", 1e-5), momentum: try node.float("momentum", 0.9))
    var isInitializer = false
    if case .initializer = node.inputs[3] { isInitializer = true }
    // A model whose statistics are its own trains and infers with them as it is built for, whatever form it was exported in.
    guard isInitializer ? node.isTraining : asksForBatch else {
      let y = try normalization.inferred(&node.graph)
      return [y, normalization.mean, normalization.variance, normalization.mean, normalization.variance]
    }
    let results = try normalization.trained(&node.graph)
    if node.isTraining, isInitializer {
      try node.updateState(3, to: node.graph.cast(results[1], to: node.type(3).element))
      try node.updateState(4, to: node.graph.cast(results[2], to: node.type(4).element))
    }
    return results
  }
]

private struct BatchStatistics {
  var x: ValueID
  var scale: ValueID
  var shift: ValueID
  var mean: ValueID
  var variance: ValueID
  var epsilon: Double
  /// The share of the old statistics in the new ones.
  var momentum: Double

  /// x scaled and shifted by the running statistics.
  func inferred(_ graph: inout GraphBuilder) throws -> ValueID {
    let factor = try graph.multiply(scale, graph.rsqrt(graph.add(variance, epsilon)))
    let offset = try graph.subtract(shift, graph.multiply(mean, factor))
    return try graph.add(graph.multiply(x, vector(factor, &graph)), vector(offset, &graph))
  }

  /// x normalised over the batch, new running statistics, and the batch's own (with the variance that divides by the count).
  func trained(_ graph: inout GraphBuilder) throws -> [ValueID] {
    let y = try graph.batchNormalize(x, scale: scale, shift: shift, axis: 1, epsilon: epsilon)
    let axes = (0..<graph.type(x).rank).filter { $0 != 1 }
    let batchMean = try graph.mean(x, axes: axes)
    let batchVariance = try graph.variance(x, axes: axes)
    return [y, try moved(mean, to: batchMean, &graph), try moved(variance, to: batchVariance, &graph), batchMean, batchVariance]
  }

  /// Running statistics have no gradient.
  private func moved(_ old: ValueID, to new: ValueID, _ graph: inout GraphBuilder) throws -> ValueID {
    try graph.stopGradient(graph.add(graph.multiply(old, momentum), graph.multiply(new, 1 - momentum)))
  }

  private func vector(_ value: ValueID, _ graph: inout GraphBuilder) throws -> ValueID {
    try graph.reshape(value, graph.type(value).shape + Array(repeating: 1, count: max(0, graph.type(x).rank - 2)))
  }
}
