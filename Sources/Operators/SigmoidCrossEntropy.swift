import Basics
import GraphIR
import LoopIR

/// The binary cross-entropy of a sigmoid from its logit, element by element. Finite wherever the logits are.
public struct SigmoidCrossEntropy: PointwiseOperator {
  public static let name = "sigmoid_cross_entropy"
  public static let operandNames = ["logits", "targets"]
  public static let formula = "y = max(z, 0) - z t + ln(1 + e^-|z|)"

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    let (logits, targets) = (call.inputs[0], call.inputs[1])
    let positive = try call.writer.pointwise("Relu", [logits])
    let linear = try call.writer.pointwise("Sub", [positive, call.writer.pointwise("Mul", [logits, targets])])
    let distance = try call.writer.pointwise("Neg", [call.writer.pointwise("Abs", [logits])])
    return [try call.writer.pointwise("Add", [linear, call.writer.pointwise("Softplus", [distance])])]
  }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireFloats(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar {
    let positive = Scalar.binary(.max, x[0], .constant(0, elements[0]))
    return positive - x[0] * x[1] + .call(.log1p, [.call(.exp, [-.unary(.abs, x[0])])])
  }

  /// sigmoid(z) - t; the targets get -z.
  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let (z, t, dy) = (request.operands[0], request.operands[1], request.cotangent)
    return [
      try builder.multiply(dy, builder.subtract(builder.sigmoid(z), t)), try builder.negate(builder.multiply(dy, z)),
    ]
  }

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "three logits", SigmoidCrossEntropy(), [TensorLiteral([-2, 0.5, 3]), TensorLiteral([0, 1, 0.3])],
        [TensorLiteral([0.126928011, 0.4740769842, 2.148587352])], source: "PyTorch 2.15 float64"),
      OperatorExample(
        "probability 0.99 of what is not", SigmoidCrossEntropy(), [TensorLiteral([4.59511985013459]), TensorLiteral([0])],
        [TensorLiteral([4.605170186])], source: "course notes"),
      OperatorExample(
        "far out", SigmoidCrossEntropy(), [TensorLiteral([1000, -1000, 1000, -1000]), TensorLiteral([1, 0, 0, 1])],
        [TensorLiteral([0, 0, 1000, 1000])], source: "PyTorch 2.15 float64"),
    ]
  }
}

extension GraphBuilder {
  /// The binary cross-entropy of sigmoid(logits), element by element; operands are broadcast.
  public mutating func sigmoidCrossEntropy(_ logits: ValueID, _ targets: ValueID) throws -> ValueID {
    try pointwise(SigmoidCrossEntropy(), [logits, targets])
  }
}
