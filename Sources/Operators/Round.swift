import Basics
import GraphIR
import LoopIR

/// The nearest whole number, the even one of two.
public struct Round: PointwiseOperator {
  public static let name = "round"
  public static let operandNames = ["x"]
  public static let formula = "y = round(x)"
  public static let isDifferentiable = false

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.pointwise("Round") }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireFloat(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { .unary(.rint, x[0]) }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? { [nil] }

  public static let onnxRules = [ONNXRule("Round") { try $0.pointwise(Round()) }]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "five numbers", Round(), [TensorLiteral([-2.5, -1.5, 0.5, 1.7, 4])],
        [TensorLiteral([-2, -2, 0, 2, 4])], source: "by hand", checksGradient: false)
    ]
  }
}

extension GraphBuilder {
  /// The nearest whole number, the even one of two.
  public mutating func round(_ x: ValueID) throws -> ValueID { try add(Round(), [x]) }
}
