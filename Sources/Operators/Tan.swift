import Basics
import GraphIR
import LoopIR

/// The tangent.
public struct Tan: PointwiseOperator {
  public static let name = "tan"
  public static let operandNames = ["x"]
  public static let formula = "y = tan x"

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.pointwise("Tan") }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireFloat(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { .call(.tan, [x[0]]) }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    [try builder.multiply(request.cotangent, builder.add(builder.square(request.result), 1))]
  }

  public static let onnxRules = [ONNXRule("Tan") { try $0.pointwise(Tan()) }]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "four numbers", Tan(), [TensorLiteral([-0.9, -0.25, 0.4, 0.8])],
        [TensorLiteral([-1.260158218, -0.2553419212, 0.4227932187, 1.029638557])], source: "mpmath 1.3")
    ]
  }
}

extension GraphBuilder {
  /// The tangent.
  public mutating func tan(_ x: ValueID) throws -> ValueID { try add(Tan(), [x]) }
}
