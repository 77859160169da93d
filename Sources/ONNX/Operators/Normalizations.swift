import Basics
import GraphIR
import Operators

/// Normalisations over axes of one example: instances, groups, layers, root mean squares, mean and variance, norms.
let normalizationRules = [
  ONNXRule("InstanceNormalization") { node in
    let x = try node.value(0)
    guard node.type(x).rank >= 3, let channels = node.type(x).shape[1].constant else {
      throw Diagnostic("the input must have a batch, channels of a known number and spatial axes, got \(node.type(x))")
    }
    let y = try node.graph.groupNormalize(x, groups: channels, epsilon: node.float("epsilon", 1e-5))
    return [try node.scaledAndShifted(y, node.channelVector(node.value(1), rank: node.type(x).rank)) { try node.biased($0, operand: 2) }]
  },
  // Until version 21 scale and bias had one number a group.
  ONNXRule("GroupNormalization", since: 18) { node in try groupNormalization(node, perGroup: true) },
  ONNXRule("GroupNormalization", since: 21) { node in try groupNormalization(node, perGroup: false) },
  ONNXRule("LayerNormalization", since: 17) { node in
    let x = try node.value(0)
    let axes = Array(try node.axis(node.int("axis", -1), rank: node.type(x).rank)..<node.type(x).rank)
    let epsilon = try node.float("epsilon", 1e-5)
    let normal = try node.graph.normalize(x, axes: axes, epsilon: epsilon)
    let y = try node.scaledAndShifted(normal, node.value(1)) { y in
      try node.optional(2).map { try node.graph.add(y, node.graph.cast($0, to: node.type(y).element)) } ?? y
    }
    guard node.usedOutputs.dropFirst().contains(true) else { return [y] }
    let deviation = try node.graph.rsqrt(node.graph.add(node.graph.variance(x, axes: axes, keepDims: true), epsilon))
    return [y, try node.graph.mean(x, axes: axes, keepDims: true), deviation]
  },
  ONNXRule("RMSNormalization", since: 23) { node in
    let x = try node.value(0)
    let axes = Array(try node.axis(node.int("axis", -1), rank: node.type(x).rank)..<node.type(x).rank)
    let meanSquare = try node.graph.mean(node.graph.square(x), axes: axes, keepDims: true)
    let normal = try node.graph.multiply(x, node.graph.rsqrt(node.graph.add(meanSquare, node.float("epsilon", 1e-5))))
    return [try node.graph.multiply(normal, node.graph.cast(node.value(1), to: node.type(x).element))]
  },
  ONNXRule("MeanVarianceNormalization") { node in
    let x = try node.value(0)
    let axes = try (node.ints("axes") ?? [0, 2, 3]).map { try node.axis($0, rank: node.type(x).rank) }
    let centred = try node.graph.subtract(x, node.graph.mean(x, axes: axes, keepDims: true))
    let deviation = try node.graph.sqrt(node.graph.variance(x, axes: axes, keepDims: true))
    return [try node.graph.divide(centred, node.graph.add(deviation, 1e-9))]
  },
  ONNXRule("LpNormalization") { node in
    let x = try node.value(0)
    let axis = try node.axis(node.int("axis", -1), rank: node.type(x).rank)
    let norm = try node.norm(x, axes: [axis], p: Double(node.int("p", 2)))
    // A row of zeros stays one.
    return [try node.graph.divide(x, node.graph.select(node.graph.equal(norm, 0), 1, norm))]
  },
]

private func groupNormalization(_ node: ONNXNode, perGroup: Bool) throws -> [ValueID] {
  let x = try node.value(0)
  let type = node.type(x)
  guard let groups = try node.int("num_groups") else { throw Diagnostic("attribute 'num_groups' is missing") }
  let y = try node.graph.groupNormalize(x, groups: groups, epsilon: node.float("epsilon", 1e-5))
  let channels = type.shape[1].coefficient
  func vector(_ k: Int) throws -> ValueID {
    var value = try node.graph.cast(node.value(k), to: type.element)
    if perGroup {
      let shape: Shape = [Dimension(groups), Dimension(channels / groups)]
      value = try node.graph.reshape(node.graph.broadcast(node.graph.reshape(value, [Dimension(groups), 1]), to: shape), [type.shape[1]])
    }
    return try node.channelVector(value, rank: type.rank)
  }
  return [try node.graph.add(node.graph.multiply(y, vector(1)), vector(2))]
}

extension ONNXNode {
  /// y times a scale of any float type, then a shift.
  fileprivate func scaledAndShifted(_ y: ValueID, _ scale: ValueID, shift: (ValueID) throws -> ValueID) throws -> ValueID {
    try shift(graph.multiply(y, graph.cast(scale, to: type(y).element)))
  }
}
