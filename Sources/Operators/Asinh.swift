import Basics
import GraphIR
import LoopIR

/// The inverse of the hyperbolic sine.
public struct Asinh: PointwiseOperator {
  public static let name = "asinh"
  public static let operandNames = ["x"]
  public static let formula = "y = asinh x"

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.pointwise("Asinh") }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireFloat(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { .call(.asinh, [x[0]]) }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    [try builder.multiply(request.cotangent, builder.rsqrt(builder.add(builder.square(request.operands[0]), 1)))]
  }

  public static let onnxRules = [ONNXRule("Asinh") { try $0.pointwise(Asinh()) }]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "four numbers", Asinh(), [TensorLiteral([-7.5, -0.25, 0.9, 3])],
        [TensorLiteral([-2.712465305, -0.2474664615, 0.8088669357, 1.818446459])], source: "mpmath 1.3")
    ]
  }
}

extension GraphBuilder {
  /// The inverse of the hyperbolic sine.
  public mutating func asinh(_ x: ValueID) throws -> ValueID { try add(Asinh(), [x]) }
}
