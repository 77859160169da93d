import Basics
import GraphIR
import LoopIR

/// The self-normalising unit of Klambauer et al. 2017, with their two constants.
public struct Selu: PointwiseOperator {
  public static let name = "selu"
  public static let operandNames = ["x"]
  public static let formula = "y = 1.0507 x if x > 0, else 1.0507 1.6733 (e^x - 1)"

  static let alpha = 1.6732632423543772
  static let scale = 1.0507009873554805

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    try call.pointwise("Selu", ["alpha": .float(Self.alpha), "gamma": .float(Self.scale)])
  }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireFloat(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar {
    let scale = Scalar.constant(Self.scale, elements[0])
    return .select(
      .compare(.gt, x[0], .constant(0, elements[0])), scale * x[0],
      .constant(Self.scale * Self.alpha, elements[0]) * .call(.expm1, [x[0]]))
  }

  /// Below 0 the slope is y + scale alpha.
  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let negative = try builder.add(request.result, Self.scale * Self.alpha)
    let slope = try builder.select(
      builder.greater(request.operands[0], 0), builder.constant(Self.scale, builder.type(request.operands[0]).element), negative)
    return [try builder.multiply(request.cotangent, slope)]
  }

  public static let onnxRules = [
    ONNXRule("Selu") { node in
      let (alpha, scale) = (try node.float("alpha", Selu.alpha), try node.float("gamma", Selu.scale))
      if Float(alpha) == Float(Selu.alpha), Float(scale) == Float(Selu.scale) { return try node.pointwise(Selu()) }
      return [try node.graph.multiply(node.add(Elu(alpha: alpha), node.value(0)), scale)]
    }
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "four numbers", Selu(), [TensorLiteral([-2, -0.5, 0.7, 3])],
        [TensorLiteral([-1.520166469, -0.6917581878, 0.7354906911, 3.152102962])], source: "PyTorch 2.15 float64")
    ]
  }
}

extension GraphBuilder {
  /// The self-normalising unit.
  public mutating func selu(_ x: ValueID) throws -> ValueID { try add(Selu(), [x]) }
}
