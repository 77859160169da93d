import Basics
import GraphIR
import LoopIR

/// One of two tensors, element by element (`where`).
public struct Select: PointwiseOperator {
  public static let name = "select"
  public static let operandNames = ["condition", "x", "y"]
  public static let formula = "z = x where condition, else y"

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.pointwise("Where") }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType {
    guard operands[0] == .bool else { throw TypeError("select needs a bool condition, got \(operands[0].rawValue)") }
    return try requireEqualElements(Self.name, Array(operands.dropFirst()))
  }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { .select(x[0], x[1], x[2]) }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let condition = request.operands[0]
    return [
      nil, try builder.select(condition, request.cotangent, 0), try builder.select(condition, 0, request.cotangent),
    ]
  }

  public static let onnxRules = [
    ONNXRule("Where") { try $0.pointwise(Select()) }
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "both sides", Select(), [TensorLiteral([1, 0, 1], element: .bool), TensorLiteral([1, 2, 3]), TensorLiteral([4, 5, 6])],
        [TensorLiteral([1, 5, 3])], source: "by hand")
    ]
  }
}

extension GraphBuilder {
  /// x where the condition holds, else y; broadcast.
  public mutating func select(_ condition: ValueID, _ x: ValueID, _ y: ValueID) throws -> ValueID {
    try pointwise(Select(), [condition, x, y])
  }

  /// The same with a number for `y`.
  public mutating func select(_ condition: ValueID, _ x: ValueID, _ y: Double) throws -> ValueID {
    try select(condition, x, constant(y, type(x).element))
  }

  /// The same with a number for `x`.
  public mutating func select(_ condition: ValueID, _ x: Double, _ y: ValueID) throws -> ValueID {
    try select(condition, constant(x, type(y).element), y)
  }
}
