import Basics
import GraphIR
import LoopIR

/// One divided by x.
public struct Reciprocal: PointwiseOperator {
  public static let name = "reciprocal"
  public static let operandNames = ["x"]
  public static let formula = "y = 1 / x"

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.pointwise("Reciprocal") }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireFloat(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { .constant(1, elements[0]) / x[0] }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    [try builder.negate(builder.multiply(request.cotangent, builder.square(request.result)))]
  }

  public static let onnxRules = [
    ONNXRule("Reciprocal") { try $0.pointwise(Reciprocal()) }
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "four numbers", Reciprocal(), [TensorLiteral([0.25, 0.5, 2, 10])], [TensorLiteral([4, 2, 0.5, 0.1])], source: "by hand")
    ]
  }
}

extension GraphBuilder {
  /// One divided by x.
  public mutating func reciprocal(_ x: ValueID) throws -> ValueID { try add(Reciprocal(), [x]) }
}
