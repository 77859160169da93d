import Basics
import GraphIR
import LoopIR

/// The sigmoid linear unit, also called swish (Elfwing et al. 2017).
public struct Silu: PointwiseOperator {
  public static let name = "silu"
  public static let operandNames = ["x"]
  public static let formula = "y = x / (1 + e^-x)"

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    let x = call.inputs[0]
    return [try call.writer.pointwise("Mul", [x, call.writer.pointwise("Sigmoid", [x])])]
  }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireFloat(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { x[0] * .call(.sigmoid, [x[0]]) }

  /// With s = sigmoid(x) the slope is s + y (1 - s).
  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let s = try builder.sigmoid(request.operands[0])
    let slope = try builder.add(s, builder.multiply(request.result, builder.subtract(1, s)))
    return [try builder.multiply(request.cotangent, slope)]
  }

  public static let onnxRules = [
    ONNXRule("Swish") { node in
      let alpha = try node.float("alpha", 1)
      if alpha == 1 { return try node.pointwise(Silu()) }
      let x = try node.value(0)
      return [try node.graph.multiply(x, node.graph.sigmoid(node.graph.multiply(x, alpha)))]
    }
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "four numbers", Silu(), [TensorLiteral([-2, -0.5, 0.7, 3])],
        [TensorLiteral([-0.238405844, -0.1887703344, 0.4677314405, 2.85772238])], source: "PyTorch 2.15 float64"),
      OperatorExample("of one", Silu(), [TensorLiteral([1])], [TensorLiteral([0.7310585786])], source: "course notes"),
    ]
  }
}

extension GraphBuilder {
  /// x times its sigmoid.
  public mutating func silu(_ x: ValueID) throws -> ValueID { try add(Silu(), [x]) }
}
