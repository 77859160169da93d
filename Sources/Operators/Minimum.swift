import Basics
import GraphIR
import LoopIR

/// The smaller of two numbers; NaN where either is NaN. At ties the gradient is halved, as in PyTorch.
public struct Minimum: PointwiseOperator {
  public static let name = "minimum"
  public static let operandNames = ["x", "y"]
  public static let formula = "z = min(x, y)"

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.pointwise("Min") }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireNumbers(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar {
    let result = Scalar.binary(.min, x[0], x[1])
    return elements[1].isFloat ? .select(.unary(.isNaN, x[1]), x[1], result) : result
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let (x, y) = (request.operands[0], request.operands[1])
    let half = try builder.multiply(request.cotangent, 0.5)
    let ties = try builder.equal(x, y)
    let whole = try builder.less(x, y)
    let dx = try builder.select(whole, request.cotangent, builder.select(ties, half, 0))
    let dy = try builder.select(whole, 0, builder.select(ties, half, request.cotangent))
    return [dx, dy]
  }

  public static let onnxRules = [
    ONNXRule("Min") { node in
      let values = try node.values()
      guard let first = values.first else { throw Diagnostic("there is no input") }
      return [try values.dropFirst().reduce(first) { try node.graph.pointwise(Minimum(), [$0, $1]) }]
    }
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "three pairs", Minimum(), [TensorLiteral([1, 2, -3]), TensorLiteral([0.5, -2, 4])], [TensorLiteral([0.5, -2, -3])],
        source: "by hand")
    ]
  }
}

extension GraphBuilder {
  /// The smaller of two numbers, broadcast.
  public mutating func minimum(_ x: ValueID, _ y: ValueID) throws -> ValueID { try pointwise(Minimum(), [x, y]) }

  /// The same with a number for `y`.
  public mutating func minimum(_ x: ValueID, _ y: Double) throws -> ValueID {
    try minimum(x, constant(y, type(x).element))
  }
}
