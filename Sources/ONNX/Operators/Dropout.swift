import Basics
import GraphIR
import LoopIR
import Operators

/// The identity, but where the graph is built for training.
let dropoutRules = [
  // The mask had the type of x at first.
  ONNXRule("Dropout") { node in
    let (y, mask) = try dropped(node, rate: node.isTraining ? node.float("ratio", 0.5) : 0)
    return [y, try node.graph.cast(mask, to: node.type(y).element)]
  },
  ONNXRule("Dropout", since: 10) { node in
    let (y, mask) = try dropped(node, rate: node.isTraining ? node.float("ratio", 0.5) : 0)
    return [y, mask]
  },
  ONNXRule("Dropout", since: 12) { node in
    var rate = 0.0
    if node.isTraining, node.has(2), try node.constant(2).integers.first ?? 0 != 0 {
      rate = try node.has(1) ? node.constant(1).doubles.first ?? 0.5 : 0.5
    }
    let (y, mask) = try dropped(node, rate: rate)
    return [y, mask]
  },
]

/// The result and the mask of what is kept.
private func dropped(_ node: ONNXNode, rate: Double) throws -> (ValueID, ValueID) {
  let x = try node.value(0)
  let type = node.type(x)
  guard rate >= 0, rate < 1 else { throw Diagnostic("the ratio must be at least 0 and below 1, found \(rate)") }
  guard rate > 0 else { return (x, try node.graph.broadcast(node.graph.constant(1, .bool), to: type.shape)) }
  let kept = try node.graph.greaterEqual(node.graph.stepUniform(type.shape, type.element), rate)
  return (try node.graph.select(kept, node.graph.multiply(x, 1 / (1 - rate)), 0), kept)
}
