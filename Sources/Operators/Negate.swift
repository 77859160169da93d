import Basics
import GraphIR
import LoopIR

/// The number with the other sign.
public struct Negate: PointwiseOperator {
  public static let name = "negate"
  public static let operandNames = ["x"]
  public static let formula = "y = -x"

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.pointwise("Neg") }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireSigned(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { -x[0] }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    [try builder.negate(request.cotangent)]
  }

  public static let onnxRules = [
    ONNXRule("Neg") { try $0.pointwise(Negate()) }
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "four numbers", Negate(), [TensorLiteral([-2, -0.5, 0.7, 3])], [TensorLiteral([2, 0.5, -0.7, -3])], source: "by hand")
    ]
  }
}

extension GraphBuilder {
  /// -x.
  public mutating func negate(_ x: ValueID) throws -> ValueID { try add(Negate(), [x]) }
}
