import Basics
import GraphIR
import LoopIR

/// The hyperbolic cosine.
public struct Cosh: PointwiseOperator {
  public static let name = "cosh"
  public static let operandNames = ["x"]
  public static let formula = "y = (e^x + e^-x) / 2"

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.pointwise("Cosh") }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireFloat(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { .call(.cosh, [x[0]]) }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    [try builder.multiply(request.cotangent, builder.sinh(request.operands[0]))]
  }

  public static let onnxRules = [ONNXRule("Cosh") { try $0.pointwise(Cosh()) }]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "four numbers", Cosh(), [TensorLiteral([-7.5, -0.25, 0.9, 3])],
        [TensorLiteral([904.0214838, 1.0314131, 1.433086385, 10.067662])], source: "mpmath 1.3")
    ]
  }
}

extension GraphBuilder {
  /// The hyperbolic cosine.
  public mutating func cosh(_ x: ValueID) throws -> ValueID { try add(Cosh(), [x]) }
}
