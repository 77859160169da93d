import Basics
import GraphIR
import LoopIR

/// A relu with a small slope below 0; the slope at 0 is that of the negative side, as in PyTorch.
public struct LeakyRelu: PointwiseOperator {
  public static let name = "leaky_relu"
  public static let operandNames = ["x"]
  public static let formula = "y = x if x > 0, else slope x"
  public var slope: Double

  public init(slope: Double = 0.01) { self.slope = slope }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.pointwise("LeakyRelu", ["alpha": .float(slope)]) }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireFloat(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar {
    .select(.compare(.gt, x[0], .constant(0, elements[0])), x[0], .constant(slope, elements[0]) * x[0])
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let positive = try builder.greater(request.operands[0], 0)
    return [try builder.select(positive, request.cotangent, builder.multiply(request.cotangent, slope))]
  }

  public static let onnxRules = [
    ONNXRule("LeakyRelu") { try $0.pointwise(LeakyRelu(slope: $0.float("alpha", 0.01))) }
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "slope 0.01", LeakyRelu(), [TensorLiteral([-2, 0, 3])], [TensorLiteral([-0.02, 0, 3])], source: "course notes",
        checksGradient: false),
      OperatorExample("slope 0.2", LeakyRelu(slope: 0.2), [TensorLiteral([-2, 3])], [TensorLiteral([-0.4, 3])], source: "by hand"),
    ]
  }
}

extension GraphBuilder {
  /// x above 0, slope x below.
  public mutating func leakyRelu(_ x: ValueID, slope: Double = 0.01) throws -> ValueID { try add(LeakyRelu(slope: slope), [x]) }
}
