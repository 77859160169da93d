import Basics
import GraphIR
import LoopIR

/// A relu with a learned slope below 0 (He et al. 2015); the slope has the shape of x here, the builder repeats it.
public struct PRelu: PointwiseOperator {
  public static let name = "prelu"
  public static let operandNames = ["x", "slope"]
  public static let formula = "y = x if x > 0, else slope x"

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    // ONNX repeats the slope alone.
    let x = try call.operand(0)
    return [call.writer.node("PRelu", [x, call.inputs[1]], shape: x.shape)]
  }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireFloats(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar {
    .select(.compare(.gt, x[0], .constant(0, elements[0])), x[0], x[1] * x[0])
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let (x, slope, dy) = (request.operands[0], request.operands[1], request.cotangent)
    let positive = try builder.greater(x, 0)
    return [
      try builder.select(positive, dy, builder.multiply(dy, slope)), try builder.select(positive, 0, builder.multiply(dy, x)),
    ]
  }

  public static let onnxRules = [
    // Before version 7 a vector was one slope a channel.
    ONNXRule("PRelu") { node in
      let (x, slope) = (try node.value(0), try node.value(1))
      let isVector = node.type(slope).rank == 1 && node.type(slope).count != 1 && node.type(x).rank > 1
      return [try node.graph.prelu(x, slope: isVector ? node.channelVector(slope, rank: node.type(x).rank) : slope)]
    },
    ONNXRule("PRelu", since: 7) { try $0.pointwise(PRelu()) },
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "two rows", PRelu(), [TensorLiteral([-2, 3, 4, -1], shape: [2, 2]), TensorLiteral([0.1, 0.25, 0.1, 0.25], shape: [2, 2])],
        [TensorLiteral([-0.2, 3, 4, -0.25], shape: [2, 2])], source: "PyTorch 2.15 float64")
    ]
  }
}

extension GraphBuilder {
  /// x above 0, slope x below; the slope is broadcast.
  public mutating func prelu(_ x: ValueID, slope: ValueID) throws -> ValueID { try pointwise(PRelu(), [x, slope]) }
}
