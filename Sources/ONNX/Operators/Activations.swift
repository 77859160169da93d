import Basics
import GraphIR
import LoopIR
import Operators

/// Activation functions that are short formulas of others.
let activationRules = [
  ONNXRule("HardSigmoid") { node in
    let (alpha, beta) = (try node.float("alpha", 0.2), try node.float("beta", 0.5))
    return [try hardSigmoid(node, node.value(0), alpha, beta)]
  },
  ONNXRule("HardSwish") { node in
    let x = try node.value(0)
    return [try node.graph.multiply(x, hardSigmoid(node, x, 1 / 6, 0.5))]
  },
  ONNXRule("Mish") { node in
    let x = try node.value(0)
    return [try node.graph.multiply(x, node.graph.tanh(node.graph.softplus(x)))]
  },
  ONNXRule("Softsign") { node in
    let x = try node.value(0)
    return [try node.graph.divide(x, node.graph.add(node.graph.abs(x), 1))]
  },
  ONNXRule("Celu") { node in
    let x = try node.value(0)
    let alpha = try node.float("alpha", 1)
    let below = try node.graph.multiply(node.graph.expm1(node.graph.divide(x, alpha)), alpha)
    return [try node.graph.select(node.graph.greater(x, 0), x, below)]
  },
  ONNXRule("ThresholdedRelu") { node in
    let x = try node.value(0)
    return [try node.graph.select(node.graph.greater(x, node.float("alpha", 1)), x, 0)]
  },
  ONNXRule("Shrink") { node in
    let x = try node.value(0)
    let (bias, limit) = (try node.float("bias", 0), try node.float("lambd", 0.5))
    let above = try node.graph.select(node.graph.greater(x, limit), node.graph.subtract(x, bias), 0)
    return [try node.graph.select(node.graph.less(x, -limit), node.graph.add(x, bias), above)]
  },
  ONNXRule("SwiGLU") { node in
    let (gate, x) = (try node.value(0), try node.value(1))
    guard node.type(gate) == node.type(x) else {
      throw Diagnostic("the inputs must be of one type and shape, found \(node.type(gate)) and \(node.type(x))")
    }
    let alpha = try node.float("alpha", 1)
    let swish =
      alpha == 1
      ? try node.graph.silu(gate) : try node.graph.multiply(gate, node.graph.sigmoid(node.graph.multiply(gate, alpha)))
    return [try node.graph.multiply(swish, x)]
  },
  // Before version 13 all axes from `axis` on were one.
  ONNXRule("Hardmax") { node in
    let x = try node.value(0)
    let shape = node.type(x).shape
    let flat = try node.graph.flattened(x, from: node.axis(node.int("axis", 1), rank: shape.count))
    return [try node.graph.reshape(hardmax(node, flat, axis: 1), shape)]
  },
  ONNXRule("Hardmax", since: 13) { node in
    let x = try node.value(0)
    return [try hardmax(node, x, axis: node.axis(node.int("axis", -1), rank: node.type(x).rank))]
  },
  ONNXRule("IsInf") { node in
    let x = try node.value(0)
    let (up, down) = (try node.int("detect_positive", 1) != 0, try node.int("detect_negative", 1) != 0)
    let isUp = try node.graph.equal(x, up ? .infinity : .nan), isDown = try node.graph.equal(x, down ? -.infinity : .nan)
    return [up && down ? try node.graph.logicalOr(isUp, isDown) : up ? isUp : isDown]
  },
]

private func hardSigmoid(_ node: ONNXNode, _ x: ValueID, _ alpha: Double, _ beta: Double) throws -> ValueID {
  try node.graph.clip(node.graph.add(node.graph.multiply(x, alpha), beta), low: 0, high: 1)
}

/// 1 at the first largest element along an axis, 0 elsewhere.
private func hardmax(_ node: ONNXNode, _ x: ValueID, axis: Int) throws -> ValueID {
  let type = node.type(x)
  guard axis < type.rank else { throw Diagnostic("the input must have an axis, found \(type)") }
  var shape: Shape = Array(repeating: 1, count: type.rank)
  shape[axis] = type.shape[axis]
  let first = try node.graph.argMax(x, axis: axis, keepDims: true)
  let chosen = try node.graph.equal(first, node.graph.iota(shape, axis: axis, .i32))
  return try node.graph.cast(chosen, to: type.element)
}
