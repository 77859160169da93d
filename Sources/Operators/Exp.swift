import Basics
import GraphIR
import LoopIR

/// The exponential function.
public struct Exp: PointwiseOperator {
  public static let name = "exp"
  public static let operandNames = ["x"]
  public static let formula = "y = e^x"

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.pointwise("Exp") }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireFloat(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { .call(.exp, [x[0]]) }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    [try builder.multiply(request.cotangent, request.result)]
  }

  public static let onnxRules = [
    ONNXRule("Exp") { try $0.pointwise(Exp()) }
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "four numbers", Exp(), [TensorLiteral([-2, -0.5, 0.7, 3])],
        [TensorLiteral([0.1353352832, 0.6065306597, 2.013752707, 20.08553692])], source: "PyTorch 2.15 float64")
    ]
  }
}

extension GraphBuilder {
  /// e to the power x.
  public mutating func exp(_ x: ValueID) throws -> ValueID { try add(Exp(), [x]) }
}
