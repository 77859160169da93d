import Basics
import GraphIR
import LoopIR

/// -1, 0 or 1; 0 for NaN.
public struct Sign: PointwiseOperator {
  public static let name = "sign"
  public static let operandNames = ["x"]
  public static let formula = "y = 1 if x > 0, -1 if x < 0, else 0"
  public static let isDifferentiable = false

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.pointwise("Sign") }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireNumber(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar {
    let zero = Scalar.constant(0, elements[0])
    if elements[0].isUnsigned { return .select(.compare(.gt, x[0], zero), .constant(1, elements[0]), zero) }
    return .select(
      .compare(.gt, x[0], zero), .constant(1, elements[0]), .select(.compare(.lt, x[0], zero), .constant(-1, elements[0]), zero))
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? { [nil] }

  public static let onnxRules = [
    ONNXRule("Sign") { try $0.pointwise(Sign()) }
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "four numbers", Sign(), [TensorLiteral([-2, 0, 0.7, 3])], [TensorLiteral([-1, 0, 1, 1])], source: "by hand", checksGradient: false)
    ]
  }
}

extension GraphBuilder {
  /// -1, 0 or 1.
  public mutating func sign(_ x: ValueID) throws -> ValueID { try add(Sign(), [x]) }
}
