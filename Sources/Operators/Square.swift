import Basics
import GraphIR
import LoopIR

/// x times itself.
public struct Square: PointwiseOperator {
  public static let name = "square"
  public static let operandNames = ["x"]
  public static let formula = "y = x^2"

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    [try call.writer.pointwise("Mul", [call.inputs[0], call.inputs[0]])]
  }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireNumber(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { x[0] * x[0] }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    [try builder.multiply(request.cotangent, builder.multiply(request.operands[0], 2))]
  }

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "four numbers", Square(), [TensorLiteral([-2, -0.5, 0.7, 3])], [TensorLiteral([4, 0.25, 0.49, 9])], source: "by hand")
    ]
  }
}

extension GraphBuilder {
  /// x times itself.
  public mutating func square(_ x: ValueID) throws -> ValueID { try add(Square(), [x]) }
}
