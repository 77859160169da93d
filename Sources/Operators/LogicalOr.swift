import Basics
import GraphIR
import LoopIR

/// Whether x or y is true.
public struct LogicalOr: PointwiseOperator {
  public static let name = "logical_or"
  public static let operandNames = ["x", "y"]
  public static let formula = "z = x or y"
  public static let isDifferentiable = false

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.pointwise("Or") }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireBools(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { .binary(.or, x[0], x[1]) }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? { [nil, nil] }

  public static let onnxRules = [
    ONNXRule("Or") { try $0.pointwise(LogicalOr()) }
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "all pairs", LogicalOr(), [TensorLiteral([0, 0, 1, 1], element: .bool), TensorLiteral([0, 1, 0, 1], element: .bool)],
        [TensorLiteral([0, 1, 1, 1], element: .bool)], source: "by hand", checksGradient: false)
    ]
  }
}

extension GraphBuilder {
  /// Whether x or y is true, broadcast.
  public mutating func logicalOr(_ x: ValueID, _ y: ValueID) throws -> ValueID { try pointwise(LogicalOr(), [x, y]) }
}
