import Basics
import GraphIR
import LoopIR

/// The absolute value; the gradient at 0 is 0, as in PyTorch.
public struct Abs: PointwiseOperator {
  public static let name = "abs"
  public static let operandNames = ["x"]
  public static let formula = "y = |x|"

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.pointwise("Abs") }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireNumber(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar {
    elements[0].isUnsigned ? x[0] : .unary(.abs, x[0])
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    [try builder.multiply(request.cotangent, builder.sign(request.operands[0]))]
  }

  public static let onnxRules = [
    ONNXRule("Abs") { try $0.pointwise(Abs()) }
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample("four numbers", Abs(), [TensorLiteral([-2, -0.5, 0.7, 3])], [TensorLiteral([2, 0.5, 0.7, 3])], source: "by hand")
    ]
  }
}

extension GraphBuilder {
  /// The absolute value.
  public mutating func abs(_ x: ValueID) throws -> ValueID { try add(Abs(), [x]) }
}
