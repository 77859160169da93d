import Basics
import GraphIR
import LoopIR

/// The exponential linear unit of Clevert et al. 2015.
public struct Elu: PointwiseOperator {
  public static let name = "elu"
  public static let operandNames = ["x"]
  public static let formula = "y = x if x > 0, else alpha (e^x - 1)"
  public var alpha: Double

  public init(alpha: Double = 1) { self.alpha = alpha }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.pointwise("Elu", ["alpha": .float(alpha)]) }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireFloat(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar {
    .select(
      .compare(.gt, x[0], .constant(0, elements[0])), x[0], .constant(alpha, elements[0]) * .call(.expm1, [x[0]]))
  }

  /// Below 0 the slope is y + alpha.
  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let negative = try builder.multiply(request.cotangent, builder.add(request.result, alpha))
    return [try builder.select(builder.greater(request.operands[0], 0), request.cotangent, negative)]
  }

  public static let onnxRules = [
    ONNXRule("Elu") { try $0.pointwise(Elu(alpha: $0.float("alpha", 1))) }
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "four numbers", Elu(), [TensorLiteral([-2, -0.5, 0.7, 3])], [TensorLiteral([-0.8646647168, -0.3934693403, 0.7, 3])],
        source: "PyTorch 2.15 float64"),
      OperatorExample("of minus one", Elu(), [TensorLiteral([-1])], [TensorLiteral([-0.6321205588])], source: "course notes"),
      OperatorExample(
        "alpha 2", Elu(alpha: 2), [TensorLiteral([-2, 3])], [TensorLiteral([-1.7293294336, 3])], source: "PyTorch 2.15 float64"),
    ]
  }
}

extension GraphBuilder {
  /// x above 0, alpha (e^x - 1) below.
  public mutating func elu(_ x: ValueID, alpha: Double = 1) throws -> ValueID { try add(Elu(alpha: alpha), [x]) }
}
