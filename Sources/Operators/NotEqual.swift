import Basics
import GraphIR
import LoopIR

/// Whether x != y; true where either is NaN.
public struct NotEqual: PointwiseOperator {
  public static let name = "not_equal"
  public static let operandNames = ["x", "y"]
  public static let formula = "z = x != y"
  public static let isDifferentiable = false

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    let equal = try call.pointwise("Equal")
    return [try call.writer.pointwise("Not", equal)]
  }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType {
    _ = try requireEqualElements(Self.name, operands)
    return .bool
  }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { .compare(.ne, x[0], x[1]) }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? { [nil, nil] }

  public static let onnxRules = [
    ONNXRule("Xor") { try $0.pointwise(NotEqual()) },
    // Only NaN differs from itself.
    ONNXRule("IsNaN") { [try $0.add(NotEqual(), $0.value(0), $0.value(0))] },
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "three pairs", NotEqual(), [TensorLiteral([1, 2, -3]), TensorLiteral([0.5, 2, 4])], [TensorLiteral([1, 0, 1], element: .bool)],
        source: "by hand", checksGradient: false)
    ]
  }
}

extension GraphBuilder {
  /// Whether x != y, broadcast.
  public mutating func notEqual(_ x: ValueID, _ y: ValueID) throws -> ValueID { try pointwise(NotEqual(), [x, y]) }

  /// The same with a number for `y`.
  public mutating func notEqual(_ x: ValueID, _ y: Double) throws -> ValueID {
    try notEqual(x, constant(y, type(x).element))
  }
}
