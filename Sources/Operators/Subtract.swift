import Basics
import GraphIR
import LoopIR

/// The difference of two tensors.
public struct Subtract: PointwiseOperator {
  public static let name = "subtract"
  public static let operandNames = ["x", "y"]
  public static let formula = "z = x - y"

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.pointwise("Sub") }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireNumbers(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { x[0] - x[1] }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    [request.cotangent, try builder.negate(request.cotangent)]
  }

  public static let onnxRules = [
    ONNXRule("Sub") { try $0.pointwise(Subtract()) }
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "three differences", Subtract(), [TensorLiteral([1, 2, -3]), TensorLiteral([0.5, -2, 4])], [TensorLiteral([0.5, 4, -7])],
        source: "by hand")
    ]
  }
}

extension GraphBuilder {
  /// x - y, broadcast.
  public mutating func subtract(_ x: ValueID, _ y: ValueID) throws -> ValueID { try pointwise(Subtract(), [x, y]) }

  /// The same with a number for `y`.
  public mutating func subtract(_ x: ValueID, _ y: Double) throws -> ValueID {
    try subtract(x, constant(y, type(x).element))
  }

  /// The same with a number for `x`.
  public mutating func subtract(_ x: Double, _ y: ValueID) throws -> ValueID {
    try subtract(constant(x, type(y).element), y)
  }
}
