import Basics
import GraphIR
import LoopIR

/// The quotient of two tensors; of integers truncated, and 0 where the divisor is 0.
public struct Divide: PointwiseOperator {
  public static let name = "divide"
  public static let operandNames = ["x", "y"]
  public static let formula = "z = x / y"

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.pointwise("Div") }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireNumbers(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar {
    let zero = Scalar.constant(0, elements[1])
    return elements[1].isFloat ? x[0] / x[1] : .select(.compare(.eq, x[1], zero), zero, x[0] / x[1])
  }

  /// dx = dz / y; dy = -dx z, from the result.
  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let x = try builder.divide(request.cotangent, request.operands[1])
    return [x, try builder.negate(builder.multiply(x, request.result))]
  }

  public static let onnxRules = [
    ONNXRule("Div") { try $0.pointwise(Divide()) }
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "three quotients", Divide(), [TensorLiteral([1, 2, -3]), TensorLiteral([0.5, -2, 4])], [TensorLiteral([2, -1, -0.75])],
        source: "by hand")
    ]
  }
}

extension GraphBuilder {
  /// x / y, broadcast.
  public mutating func divide(_ x: ValueID, _ y: ValueID) throws -> ValueID { try pointwise(Divide(), [x, y]) }

  /// The same with a number for `y`.
  public mutating func divide(_ x: ValueID, _ y: Double) throws -> ValueID {
    try divide(x, constant(y, type(x).element))
  }

  /// The same with a number for `x`.
  public mutating func divide(_ x: Double, _ y: ValueID) throws -> ValueID {
    try divide(constant(x, type(y).element), y)
  }
}
