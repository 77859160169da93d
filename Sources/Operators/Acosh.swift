import Basics
import GraphIR
import LoopIR

/// The inverse of the hyperbolic cosine; NaN below 1.
public struct Acosh: PointwiseOperator {
  public static let name = "acosh"
  public static let operandNames = ["x"]
  public static let formula = "y = acosh x"

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.pointwise("Acosh") }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireFloat(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { .call(.acosh, [x[0]]) }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    [try builder.multiply(request.cotangent, builder.rsqrt(builder.subtract(builder.square(request.operands[0]), 1)))]
  }

  public static let onnxRules = [ONNXRule("Acosh") { try $0.pointwise(Acosh()) }]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "four numbers", Acosh(), [TensorLiteral([1.0625, 1.5, 2, 30])],
        [TensorLiteral([0.35173739, 0.9624236501, 1.316957897, 4.094066669])], source: "mpmath 1.3")
    ]
  }
}

extension GraphBuilder {
  /// The inverse of the hyperbolic cosine.
  public mutating func acosh(_ x: ValueID) throws -> ValueID { try add(Acosh(), [x]) }
}
