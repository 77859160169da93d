import Basics
import GraphIR
import LoopIR

/// Whether x and y is true.
public struct LogicalAnd: PointwiseOperator {
  public static let name = "logical_and"
  public static let operandNames = ["x", "y"]
  public static let formula = "z = x and y"
  public static let isDifferentiable = false

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.pointwise("And") }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireBools(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { .binary(.and, x[0], x[1]) }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? { [nil, nil] }

  public static let onnxRules = [
    ONNXRule("And") { try $0.pointwise(LogicalAnd()) }
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "all pairs", LogicalAnd(), [TensorLiteral([0, 0, 1, 1], element: .bool), TensorLiteral([0, 1, 0, 1], element: .bool)],
        [TensorLiteral([0, 0, 0, 1], element: .bool)], source: "by hand", checksGradient: false)
    ]
  }
}

extension GraphBuilder {
  /// Whether x and y is true, broadcast.
  public mutating func logicalAnd(_ x: ValueID, _ y: ValueID) throws -> ValueID { try pointwise(LogicalAnd(), [x, y]) }
}
