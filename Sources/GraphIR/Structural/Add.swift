import Basics
import LoopIR

/// The sum of two tensors of one shape; reverse mode adds cotangents with it.
public struct Add: PointwiseOperator {
  public static let name = "add"
  public static let operandNames = ["a", "b"]
  public static let formula = "y = a + b"

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.pointwise("Add") }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType {
    guard operands[0] == operands[1], operands[0] != .bool else {
      throw TypeError("add needs numbers of one type, got \(operands[0].rawValue) and \(operands[1].rawValue)")
    }
    return operands[0]
  }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { x[0] + x[1] }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    [request.cotangent, request.cotangent]
  }

  public static let onnxRules = [
    ONNXRule("Add") { try $0.pointwise(Add()) },
    ONNXRule("Sum") { node in
      let values = try node.values()
      guard let first = values.first else { throw Diagnostic("there is no input") }
      return [try values.dropFirst().reduce(first) { try node.graph.add($0, $1) }]
    },
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "floats", Add(), [TensorLiteral([1, -2, 0.5]), TensorLiteral([0.25, 2, 1])], [TensorLiteral([1.25, 0, 1.5])], source: "by hand"),
      OperatorExample(
        "integers", Add(), [TensorLiteral([1, -2], element: .i32), TensorLiteral([4, 2], element: .i32)],
        [TensorLiteral([5, 0], element: .i32)], source: "by hand", checksGradient: false),
    ]
  }
}

extension GraphBuilder {
  /// a + b, broadcast to their common shape.
  public mutating func add(_ a: ValueID, _ b: ValueID) throws -> ValueID { try pointwise(Add(), [a, b]) }

  /// The same with a number for `b`.
  public mutating func add(_ a: ValueID, _ b: Double) throws -> ValueID { try add(a, constant(b, type(a).element)) }
}
