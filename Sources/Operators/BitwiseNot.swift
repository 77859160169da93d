import Basics
import GraphIR
import LoopIR

/// An integer with all bits turned.
public struct BitwiseNot: PointwiseOperator {
  public static let name = "bitwise_not"
  public static let operandNames = ["x"]
  public static let formula = "y = not x, bit by bit"
  public static let isDifferentiable = false

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.pointwise("BitwiseNot") }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireIntegers(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { .unary(.not, x[0]) }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? { [nil] }

  public static let onnxRules = [ONNXRule("BitwiseNot") { try $0.pointwise(BitwiseNot()) }]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "signed", BitwiseNot(), [TensorLiteral([0, 5, -128], element: .i8)], [TensorLiteral([-1, -6, 127], element: .i8)],
        source: "by hand", checksGradient: false),
      OperatorExample(
        "unsigned", BitwiseNot(), [TensorLiteral([0, 5], element: .u16)], [TensorLiteral([65535, 65530], element: .u16)],
        source: "by hand", checksGradient: false),
    ]
  }
}
