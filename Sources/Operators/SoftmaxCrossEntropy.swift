import Basics
import GraphIR
import LoopIR

/// The cross-entropy of softmax from its logits, one number a row. Targets are classes (integers, one a row) or probabilities
/// (the shape of the logits). Finite wherever the logits are.
public struct SoftmaxCrossEntropy: Operator {
  public static let name = "softmax_cross_entropy"
  public static let operandNames = ["logits", "targets"]
  public static let formula = "y[i…] = ln(sum over c of e^z[i…, c]) - z[i…, t[i…]], or sum over c of t (ln(sum of e^z) - z)"

  public init() {}

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    let (logits, targets) = (operands[0], operands[1])
    let element = try requireFloat(Self.name, [logits.element])
    guard logits.rank >= 1, logits.shape.last?.constant != nil else {
      throw TypeError("softmax_cross_entropy needs logits with a last axis of classes, got \(logits)")
    }
    let rows = Array(logits.shape.dropLast())
    guard (targets.element.isInteger && targets.shape == rows) || targets == logits else {
      throw TypeError(
        "softmax_cross_entropy of logits \(logits) needs classes i32[\(rows.map(\.description).joined(separator: ", "))]"
          + " or probabilities \(logits), got \(targets)")
    }
    return [TensorType(element, rows)]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    .composite { builder, x in
      let (logits, targets) = (x[0], x[1])
      let largest = try builder.max(logits, axes: [-1], keepDims: true)
      let logTotal = try builder.log(builder.sum(builder.shiftedPowers(logits, axis: -1), axes: [-1], keepDims: true))
      if operands[1].element.isFloat {
        let logs = try builder.add(builder.subtract(largest, logits), logTotal)
        return [try builder.sum(builder.multiply(targets, logs), axes: [-1])]
      }
      let rows = results[0].shape
      let distance = try builder.subtract(builder.reshape(largest, rows), builder.pick(logits, targets))
      return [try builder.add(distance, builder.reshape(logTotal, rows))]
    }
  }

  /// softmax(z) times the sum of the targets, minus the targets; probabilities get -log_softmax(z).
  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let (logits, targets) = (request.operands[0], request.operands[1])
    let type = builder.type(logits)
    let dy = try builder.reshape(request.cotangent, type.shape.dropLast() + [1])
    let probabilities = try builder.softmax(logits)
    guard builder.type(targets).element.isFloat else {
      let chosen = try builder.cast(builder.rowPositions(equalTo: targets, type), to: type.element)
      return [try builder.multiply(dy, builder.subtract(probabilities, chosen)), nil]
    }
    let total = try builder.sum(targets, axes: [-1], keepDims: true)
    let slope = try builder.subtract(builder.multiply(probabilities, total), targets)
    return [
      try builder.multiply(dy, slope), try builder.negate(builder.multiply(dy, builder.logSoftmax(logits))),
    ]
  }

  public static var examples: [OperatorExample] {
    let logits = TensorLiteral([1, 2, -1, 0.5, 0, 3], shape: [2, 3])
    return [
      OperatorExample(
        "classes", SoftmaxCrossEntropy(), [logits, TensorLiteral([1, 0], element: .i32)],
        [TensorLiteral([0.3490122168, 2.623872958])], source: "PyTorch 2.15 float64"),
      OperatorExample(
        "probabilities", SoftmaxCrossEntropy(), [logits, TensorLiteral([0.2, 0.3, 0.5, 0.1, 0.9, 0], shape: [2, 3])],
        [TensorLiteral([2.049012217, 3.073872958])], source: "PyTorch 2.15 float64"),
      OperatorExample(
        "three probabilities", SoftmaxCrossEntropy(),
        [
          TensorLiteral([-0.3566749439, -1.6094379124, -2.3025850930], shape: [1, 3]), TensorLiteral([0], element: .i32),
        ], [TensorLiteral([0.3566749439])], source: "course notes"),
      OperatorExample(
        "far out", SoftmaxCrossEntropy(), [TensorLiteral([1000, 0, -1000], shape: [1, 3]), TensorLiteral([2], element: .i32)],
        [TensorLiteral([2000])], source: "PyTorch 2.15 float64"),
    ]
  }
}

extension GraphBuilder {
  /// The cross-entropy of softmax from logits [i…, classes] and targets: classes [i…] or probabilities [i…, classes]; result [i…].
  public mutating func softmaxCrossEntropy(_ logits: ValueID, _ targets: ValueID) throws -> ValueID {
    try add(SoftmaxCrossEntropy(), [logits, targets])
  }
}
