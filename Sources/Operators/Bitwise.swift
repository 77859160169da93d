import Basics
import GraphIR
import LoopIR

/// And, or, exclusive or of the bits of integers.
public struct Bitwise: PointwiseOperator {
  /// What is done with each pair of bits.
  public enum Function: String, Hashable, Sendable, Codable { case and, or, xor }

  public static let name = "bitwise"
  public static let operandNames = ["x", "y"]
  public static let formula = "z = x function y, bit by bit"
  public static let isDifferentiable = false
  public var function: Function

  public init(_ function: Function) { self.function = function }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    let names: [Function: String] = [.and: "BitwiseAnd", .or: "BitwiseOr", .xor: "BitwiseXor"]
    return try call.pointwise(names[function]!)
  }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireIntegers(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar {
    let operations: [Function: BinaryOperation] = [.and: .and, .or: .or, .xor: .xor]
    return .binary(operations[function]!, x[0], x[1])
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? { [nil, nil] }

  public static let onnxRules = [
    ONNXRule("BitwiseAnd") { try $0.pointwise(Bitwise(.and)) }, ONNXRule("BitwiseOr") { try $0.pointwise(Bitwise(.or)) },
    ONNXRule("BitwiseXor") { try $0.pointwise(Bitwise(.xor)) },
  ]

  public static var examples: [OperatorExample] {
    let (x, y) = (TensorLiteral([12, -1, 127], element: .i8), TensorLiteral([10, 5, -128], element: .i8))
    return [
      OperatorExample(
        "and", Bitwise(.and), [x, y], [TensorLiteral([8, 5, 0], element: .i8)], source: "by hand", checksGradient: false),
      OperatorExample("or", Bitwise(.or), [x, y], [TensorLiteral([14, -1, -1], element: .i8)], source: "by hand", checksGradient: false),
      OperatorExample(
        "xor", Bitwise(.xor), [x, y], [TensorLiteral([6, -6, -1], element: .i8)], source: "by hand", checksGradient: false),
      OperatorExample(
        "of 64 bits", Bitwise(.xor), [TensorLiteral([12], element: .u64), TensorLiteral([10], element: .u64)],
        [TensorLiteral([6], element: .u64)], source: "by hand", checksGradient: false),
    ]
  }
}
