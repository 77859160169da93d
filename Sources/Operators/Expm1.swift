import Basics
import GraphIR
import LoopIR

/// e^x - 1, accurate near 0.
public struct Expm1: PointwiseOperator {
  public static let name = "expm1"
  public static let operandNames = ["x"]
  public static let formula = "y = e^x - 1"

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    // e^x - 1 = tanh(x / 2) (e^x + 1), which is accurate near 0.
    let x = call.inputs[0]
    let half = try call.writer.pointwise("Tanh", [call.writer.pointwise("Mul", x, 0.5)])
    return [try call.writer.pointwise("Mul", [half, call.writer.pointwise("Add", call.writer.pointwise("Exp", [x]), 1)])]
  }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireFloat(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { .call(.expm1, [x[0]]) }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    [try builder.multiply(request.cotangent, builder.add(request.result, 1))]
  }

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "four numbers", Expm1(), [TensorLiteral([-2, -0.5, 0.7, 3])],
        [TensorLiteral([-0.8646647168, -0.3934693403, 1.013752707, 19.08553692])], source: "PyTorch 2.15 float64")
    ]
  }
}

extension GraphBuilder {
  /// e^x - 1.
  public mutating func expm1(_ x: ValueID) throws -> ValueID { try add(Expm1(), [x]) }
}
