import Basics
import GraphIR
import LoopIR

/// x to the power y, for floats.
public struct Power: PointwiseOperator {
  public static let name = "power"
  public static let operandNames = ["x", "y"]
  public static let formula = "z = x^y"

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.pointwise("Pow") }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireFloats(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { .call(.pow, [x[0], x[1]]) }

  /// dx = y x^(y-1), 0 where y is 0; dy = z ln x, 0 where x is 0 and y is not negative; as in PyTorch.
  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let (x, y) = (request.operands[0], request.operands[1])
    let slope = try builder.multiply(y, builder.power(x, builder.subtract(y, 1)))
    let dx = try builder.multiply(request.cotangent, builder.select(builder.equal(y, 0), 0, slope))
    let flat = try builder.logicalAnd(builder.equal(x, 0), builder.greaterEqual(y, 0))
    let dy = try builder.multiply(request.cotangent, builder.select(flat, 0, builder.multiply(request.result, builder.log(x))))
    return [dx, dy]
  }

  public static let onnxRules = [
    // The result has the type of the base; whole numbers go through f64.
    ONNXRule("Pow") { node in
      let (x, y) = (try node.value(0), try node.value(1))
      let element = node.type(x).element
      let computed = element.isFloat ? element : .f64
      let power = try node.graph.power(node.graph.cast(x, to: computed), node.graph.cast(y, to: computed))
      return [try element.isFloat ? power : node.graph.cast(node.add(Round(), power), to: element)]
    }
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "three powers", Power(), [TensorLiteral([0.5, 2, 3]), TensorLiteral([3, -1.5, 0.5])],
        [TensorLiteral([0.125, 0.3535533906, 1.732050808])], source: "PyTorch 2.15 float64")
    ]
  }
}

extension GraphBuilder {
  /// x^y, broadcast.
  public mutating func power(_ x: ValueID, _ y: ValueID) throws -> ValueID { try pointwise(Power(), [x, y]) }

  /// The same with a number for `y`.
  public mutating func power(_ x: ValueID, _ y: Double) throws -> ValueID {
    try power(x, constant(y, type(x).element))
  }
}
