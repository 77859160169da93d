import Basics
import GraphIR
import LoopIR

/// The product of two tensors, element by element.
public struct Multiply: PointwiseOperator {
  public static let name = "multiply"
  public static let operandNames = ["x", "y"]
  public static let formula = "z = x y"

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.pointwise("Mul") }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireNumbers(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { x[0] * x[1] }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    [try builder.multiply(request.cotangent, request.operands[1]), try builder.multiply(request.cotangent, request.operands[0])]
  }

  public static let onnxRules = [
    ONNXRule("Mul") { try $0.pointwise(Multiply()) }
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "three products", Multiply(), [TensorLiteral([1, 2, -3]), TensorLiteral([0.5, -2, 4])], [TensorLiteral([0.5, -4, -12])],
        source: "by hand")
    ]
  }
}

extension GraphBuilder {
  /// x y, broadcast.
  public mutating func multiply(_ x: ValueID, _ y: ValueID) throws -> ValueID { try pointwise(Multiply(), [x, y]) }

  /// The same with a number for `y`.
  public mutating func multiply(_ x: ValueID, _ y: Double) throws -> ValueID {
    try multiply(x, constant(y, type(x).element))
  }
}
