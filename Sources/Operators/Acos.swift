import Basics
import GraphIR
import LoopIR

/// The inverse of the cosine, between 0 and pi; NaN outside -1 ... 1.
public struct Acos: PointwiseOperator {
  public static let name = "acos"
  public static let operandNames = ["x"]
  public static let formula = "y = acos x"

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.pointwise("Acos") }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireFloat(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { .call(.acos, [x[0]]) }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let sine = try builder.rsqrt(builder.subtract(1, builder.square(request.operands[0])))
    return [try builder.negate(builder.multiply(request.cotangent, sine))]
  }

  public static let onnxRules = [ONNXRule("Acos") { try $0.pointwise(Acos()) }]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "four numbers", Acos(), [TensorLiteral([-0.9, -0.25, 0.4, 0.8])],
        [TensorLiteral([2.690565842, 1.823476582, 1.159279481, 0.6435011088])], source: "mpmath 1.3")
    ]
  }
}

extension GraphBuilder {
  /// The inverse of the cosine.
  public mutating func acos(_ x: ValueID) throws -> ValueID { try add(Acos(), [x]) }
}
