import Basics
import GraphIR
import LoopIR

/// Whether x <= y; false where either is NaN.
public struct LessEqual: PointwiseOperator {
  public static let name = "less_equal"
  public static let operandNames = ["x", "y"]
  public static let formula = "z = x <= y"
  public static let isDifferentiable = false

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.pointwise("LessOrEqual") }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType {
    _ = try requireNumbers(Self.name, operands)
    return .bool
  }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { .compare(.le, x[0], x[1]) }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? { [nil, nil] }

  public static let onnxRules = [
    ONNXRule("LessOrEqual") { try $0.pointwise(LessEqual()) }
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "three pairs", LessEqual(), [TensorLiteral([1, 2, -3]), TensorLiteral([0.5, 2, 4])], [TensorLiteral([0, 1, 1], element: .bool)],
        source: "by hand", checksGradient: false)
    ]
  }
}

extension GraphBuilder {
  /// Whether x <= y, broadcast.
  public mutating func lessEqual(_ x: ValueID, _ y: ValueID) throws -> ValueID { try pointwise(LessEqual(), [x, y]) }

  /// The same with a number for `y`.
  public mutating func lessEqual(_ x: ValueID, _ y: Double) throws -> ValueID {
    try lessEqual(x, constant(y, type(x).element))
  }
}
