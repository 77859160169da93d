import Basics
import GraphIR
import LoopIR

/// The inverse of the tangent, between -pi/2 and pi/2.
public struct Atan: PointwiseOperator {
  public static let name = "atan"
  public static let operandNames = ["x"]
  public static let formula = "y = atan x"

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.pointwise("Atan") }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireFloat(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { .call(.atan, [x[0]]) }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    [try builder.divide(request.cotangent, builder.add(builder.square(request.operands[0]), 1))]
  }

  public static let onnxRules = [ONNXRule("Atan") { try $0.pointwise(Atan()) }]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "four numbers", Atan(), [TensorLiteral([-7.5, -0.25, 0.9, 3])],
        [TensorLiteral([-1.438244794, -0.2449786631, 0.7328151018, 1.249045772])], source: "mpmath 1.3")
    ]
  }
}

extension GraphBuilder {
  /// The inverse of the tangent.
  public mutating func atan(_ x: ValueID) throws -> ValueID { try add(Atan(), [x]) }
}
