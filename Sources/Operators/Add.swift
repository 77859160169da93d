import Basics
import GraphIR
import LoopIR

/// The sum of two tensors.
public struct Add: PointwiseOperator {
  public static let name = "add"
  public static let operandNames = ["x", "y"]
  public static let formula = "z = x + y"

  public init() {}

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireNumbers(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { x[0] + x[1] }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    [request.cotangent, request.cotangent]
  }

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "three sums", Add(), [TensorLiteral([1, 2, -3]), TensorLiteral([0.5, -2, 4])], [TensorLiteral([1.5, 0, 1])], source: "by hand")
    ]
  }
}

extension GraphBuilder {
  /// x + y, broadcast.
  public mutating func add(_ x: ValueID, _ y: ValueID) throws -> ValueID { try pointwise(Add(), [x, y]) }

  /// The same with a number for `y`.
  public mutating func add(_ x: ValueID, _ y: Double) throws -> ValueID {
    try add(x, constant(y, type(x).element))
  }
}
