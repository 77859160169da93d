import Basics
import GraphIR
import LoopIR

/// The error function, 2/sqrt(pi) times the integral of e^(-t^2) from 0 to x.
public struct Erf: PointwiseOperator {
  public static let name = "erf"
  public static let operandNames = ["x"]
  public static let formula = "y = erf(x)"

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.pointwise("Erf") }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireFloat(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { .call(.erf, [x[0]]) }

  /// The slope is 2/sqrt(pi) e^(-x^2).
  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let slope = try builder.exp(builder.negate(builder.square(request.operands[0])))
    return [try builder.multiply(request.cotangent, builder.multiply(slope, 1.1283791670955126))]
  }

  public static let onnxRules = [
    ONNXRule("Erf") { try $0.pointwise(Erf()) }
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "four numbers", Erf(), [TensorLiteral([-2, -0.5, 0.7, 3])],
        [TensorLiteral([-0.995322265, -0.5204998778, 0.6778011938, 0.9999779095])], source: "PyTorch 2.15 float64")
    ]
  }
}

extension GraphBuilder {
  /// The error function.
  public mutating func erf(_ x: ValueID) throws -> ValueID { try add(Erf(), [x]) }
}
