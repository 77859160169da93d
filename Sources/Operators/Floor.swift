import Basics
import GraphIR
import LoopIR

/// The largest whole number that is not above x.
public struct Floor: PointwiseOperator {
  public static let name = "floor"
  public static let operandNames = ["x"]
  public static let formula = "y = floor(x)"
  public static let isDifferentiable = false

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.pointwise("Floor") }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireFloat(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { .unary(.floor, x[0]) }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? { [nil] }

  public static let onnxRules = [
    ONNXRule("Floor") { try $0.pointwise(Floor()) }
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "four numbers", Floor(), [TensorLiteral([-2, -0.5, 0.7, 3])], [TensorLiteral([-2, -1, 0, 3])], source: "by hand",
        checksGradient: false)
    ]
  }
}

extension GraphBuilder {
  /// The largest whole number not above x.
  public mutating func floor(_ x: ValueID) throws -> ValueID { try add(Floor(), [x]) }
}
