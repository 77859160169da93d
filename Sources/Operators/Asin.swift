import Basics
import GraphIR
import LoopIR

/// The inverse of the sine, between -pi/2 and pi/2; NaN outside -1 ... 1.
public struct Asin: PointwiseOperator {
  public static let name = "asin"
  public static let operandNames = ["x"]
  public static let formula = "y = asin x"

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.pointwise("Asin") }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireFloat(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { .call(.asin, [x[0]]) }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let cosine = try builder.rsqrt(builder.subtract(1, builder.square(request.operands[0])))
    return [try builder.multiply(request.cotangent, cosine)]
  }

  public static let onnxRules = [ONNXRule("Asin") { try $0.pointwise(Asin()) }]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "four numbers", Asin(), [TensorLiteral([-0.9, -0.25, 0.4, 0.8])],
        [TensorLiteral([-1.119769515, -0.2526802551, 0.4115168461, 0.927295218])], source: "mpmath 1.3")
    ]
  }
}

extension GraphBuilder {
  /// The inverse of the sine.
  public mutating func asin(_ x: ValueID) throws -> ValueID { try add(Asin(), [x]) }
}
