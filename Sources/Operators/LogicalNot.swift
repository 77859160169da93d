import Basics
import GraphIR
import LoopIR

/// Whether x is false.
public struct LogicalNot: PointwiseOperator {
  public static let name = "logical_not"
  public static let operandNames = ["x"]
  public static let formula = "y = not x"
  public static let isDifferentiable = false

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.pointwise("Not") }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireBools(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { .unary(.not, x[0]) }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? { [nil] }

  public static let onnxRules = [
    ONNXRule("Not") { try $0.pointwise(LogicalNot()) }
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "both", LogicalNot(), [TensorLiteral([0, 1], element: .bool)], [TensorLiteral([1, 0], element: .bool)], source: "by hand",
        checksGradient: false)
    ]
  }
}

extension GraphBuilder {
  /// Whether x is false.
  public mutating func logicalNot(_ x: ValueID) throws -> ValueID { try add(LogicalNot(), [x]) }
}
