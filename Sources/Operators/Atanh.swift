import Basics
import GraphIR
import LoopIR

/// The inverse of the hyperbolic tangent; NaN outside -1 ... 1.
public struct Atanh: PointwiseOperator {
  public static let name = "atanh"
  public static let operandNames = ["x"]
  public static let formula = "y = atanh x"

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.pointwise("Atanh") }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireFloat(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { .call(.atanh, [x[0]]) }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    [try builder.divide(request.cotangent, builder.subtract(1, builder.square(request.operands[0])))]
  }

  public static let onnxRules = [ONNXRule("Atanh") { try $0.pointwise(Atanh()) }]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "four numbers", Atanh(), [TensorLiteral([-0.9, -0.25, 0.4, 0.8])],
        [TensorLiteral([-1.47221949, -0.2554128119, 0.4236489302, 1.098612289])], source: "mpmath 1.3")
    ]
  }
}

extension GraphBuilder {
  /// The inverse of the hyperbolic tangent.
  public mutating func atanh(_ x: ValueID) throws -> ValueID { try add(Atanh(), [x]) }
}
