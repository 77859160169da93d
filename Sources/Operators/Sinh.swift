import Basics
import GraphIR
import LoopIR

/// The hyperbolic sine.
public struct Sinh: PointwiseOperator {
  public static let name = "sinh"
  public static let operandNames = ["x"]
  public static let formula = "y = (e^x - e^-x) / 2"

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.pointwise("Sinh") }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireFloat(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { .call(.sinh, [x[0]]) }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    [try builder.multiply(request.cotangent, builder.cosh(request.operands[0]))]
  }

  public static let onnxRules = [ONNXRule("Sinh") { try $0.pointwise(Sinh()) }]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "four numbers", Sinh(), [TensorLiteral([-7.5, -0.25, 0.9, 3])],
        [TensorLiteral([-904.0209307, -0.2526123168, 1.026516726, 10.01787493])], source: "mpmath 1.3")
    ]
  }
}

extension GraphBuilder {
  /// The hyperbolic sine.
  public mutating func sinh(_ x: ValueID) throws -> ValueID { try add(Sinh(), [x]) }
}
