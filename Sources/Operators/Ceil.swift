import Basics
import GraphIR
import LoopIR

/// The smallest whole number that is not below x.
public struct Ceil: PointwiseOperator {
  public static let name = "ceil"
  public static let operandNames = ["x"]
  public static let formula = "y = ceil(x)"
  public static let isDifferentiable = false

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.pointwise("Ceil") }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireFloat(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { .unary(.ceil, x[0]) }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? { [nil] }

  public static let onnxRules = [ONNXRule("Ceil") { try $0.pointwise(Ceil()) }]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "four numbers", Ceil(), [TensorLiteral([-2, -0.5, 0.7, 3])],
        [TensorLiteral([-2, 0, 1, 3])], source: "by hand", checksGradient: false)
    ]
  }
}

extension GraphBuilder {
  /// The smallest whole number not below x.
  public mutating func ceil(_ x: ValueID) throws -> ValueID { try add(Ceil(), [x]) }
}
