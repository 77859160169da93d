import Basics
import GraphIR
import Operators

private let learning = "ai.onnx.ml"

/// LinearRegressor and LinearClassifier of ai.onnx.ml on features [rows, features].
let linearModelRules = [
  ONNXRule("LinearRegressor", domain: learning) { node in
    let scores = try node.linearScores(count: node.int("targets", 1))
    return [try node.transformed(scores, node.string("post_transform", "NONE"))]
  },
  ONNXRule("LinearClassifier", domain: learning) { node in
    let labels = try node.ints("classlabels_ints")
    let classes = try labels?.count ?? node.strings("classlabels_strings")?.count ?? 0
    let features = try node.constantSize(node.type(0), axis: 1)
    let rows = try (node.floats("coefficients")?.count ?? 0) / max(1, features)
    var scores = try node.linearScores(count: rows)
    if rows == 1, classes == 2 { scores = try node.graph.concat([node.graph.negate(scores), scores], axis: 1) }
    let transform = try node.string("post_transform", "NONE")
    let result = try node.transformed(scores, transform)
    guard node.usedOutputs.first == true else { return [result, result] }
    guard let labels else { throw node.unsupported("class labels that are strings are not supported; leave the first output out") }
    if node.type(result).shape[1] == 1 {
      let isChosen = try node.graph.greaterEqual(node.graph.reshape(result, [node.type(result).shape[0]]), transform == "NONE" ? 0 : 0.5)
      let label = try node.graph.constant(Double(labels.first ?? 1), .i64)
      return [try node.graph.select(isChosen, label, 0), result]
    }
    guard labels.count == node.type(result).shape[1].constant else {
      throw Diagnostic("\(labels.count) class labels do not fit scores \(node.type(result))")
    }
    return [try node.graph.gather(node.graph.constant(HostTensor(labels)), node.graph.argMax(result, axis: 1)), result]
  },
]

extension ONNXNode {
  /// x coefficients^T + intercepts with one row of coefficients a score.
  fileprivate func linearScores(count: Int) throws -> ValueID {
    let x = try features(0)
    let width = try constantSize(type(x), axis: 1)
    guard let coefficients = try floats("coefficients"), count > 0, type(x).rank == 2, count <= coefficients.count,
      coefficients.count == count * width
    else {
      throw Diagnostic("'coefficients' must have \(count) rows of \(width) numbers for features \(type(x))")
    }
    let weights = try graph.constant(HostTensor(coefficients, shape: [count, width], element: type(x).element))
    let scores = try graph.matmul(x, weights, transposeB: true)
    guard let intercepts = try floats("intercepts"), !intercepts.isEmpty else { return scores }
    return try graph.add(scores, perFeature(intercepts, of: scores))
  }

  /// Scores under a transform of ai.onnx.ml.
  fileprivate func transformed(_ scores: ValueID, _ transform: String) throws -> ValueID {
    switch transform {
    case "NONE": return scores
    case "LOGISTIC": return try graph.sigmoid(scores)
    case "SOFTMAX": return try graph.softmax(scores)
    case "SOFTMAX_ZERO": return try softmaxZero(scores)
    case "PROBIT": return try probit(scores)
    default: throw Diagnostic("post_transform '\(transform)' is none of NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO and PROBIT")
    }
  }

  /// Softmax in which a score of 0 has no share but that of its own (tiny) size.
  private func softmaxZero(_ scores: ValueID) throws -> ValueID {
    let largest = try graph.max(scores, axes: [-1], keepDims: true)
    let isZero = try graph.lessEqual(graph.abs(scores), 1e-7)
    let powers = try graph.exp(graph.subtract(scores, largest))
    let shares = try graph.select(isZero, graph.multiply(scores, graph.exp(graph.negate(largest))), powers)
    let total = try graph.sum(shares, axes: [-1], keepDims: true)
    let isEmpty = try graph.equal(total, 0)
    return try graph.select(isEmpty, 0.5, graph.divide(shares, graph.select(isEmpty, 1, total)))
  }

  /// The normal quantile of scores in 0 ... 1 by Winitzki's approximation of the inverse error function, as the reference has it.
  private func probit(_ scores: ValueID) throws -> ValueID {
    let x = try graph.subtract(graph.multiply(scores, 2), 1)
    let log = try graph.log(graph.multiply(graph.subtract(1, x), graph.add(x, 1)))
    let v = try graph.add(graph.multiply(log, 0.5), 2 / (Double.pi * 0.147))
    let root = try graph.sqrt(graph.subtract(graph.square(v), graph.multiply(log, 1 / 0.147)))
    let size = try graph.sqrt(graph.subtract(root, v))
    return try graph.multiply(graph.multiply(graph.sign(x), size), 1.41421356)
  }
}
