import Basics
import GraphIR
import LoopIR

/// Whether x >= y; false where either is NaN.
public struct GreaterEqual: PointwiseOperator {
  public static let name = "greater_equal"
  public static let operandNames = ["x", "y"]
  public static let formula = "z = x >= y"
  public static let isDifferentiable = false

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.pointwise("GreaterOrEqual") }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType {
    _ = try requireNumbers(Self.name, operands)
    return .bool
  }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { .compare(.ge, x[0], x[1]) }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? { [nil, nil] }

  public static let onnxRules = [
    ONNXRule("GreaterOrEqual") { try $0.pointwise(GreaterEqual()) }
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "three pairs", GreaterEqual(), [TensorLiteral([1, 2, -3]), TensorLiteral([0.5, 2, 4])], [TensorLiteral([1, 1, 0], element: .bool)],
        source: "by hand", checksGradient: false)
    ]
  }
}

extension GraphBuilder {
  /// Whether x >= y, broadcast.
  public mutating func greaterEqual(_ x: ValueID, _ y: ValueID) throws -> ValueID { try pointwise(GreaterEqual(), [x, y]) }

  /// The same with a number for `y`.
  public mutating func greaterEqual(_ x: ValueID, _ y: Double) throws -> ValueID {
    try greaterEqual(x, constant(y, type(x).element))
  }
}
