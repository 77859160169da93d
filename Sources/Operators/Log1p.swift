import Basics
import GraphIR
import LoopIR

/// ln(1 + x), accurate near 0.
public struct Log1p: PointwiseOperator {
  public static let name = "log1p"
  public static let operandNames = ["x"]
  public static let formula = "y = ln(1 + x)"

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    [try call.writer.pointwise("Log", [call.writer.pointwise("Add", call.inputs[0], 1)])]
  }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireFloat(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { .call(.log1p, [x[0]]) }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    [try builder.divide(request.cotangent, builder.add(request.operands[0], 1))]
  }

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "four numbers", Log1p(), [TensorLiteral([0.25, 0.5, 2, 10])],
        [TensorLiteral([0.2231435513, 0.4054651081, 1.098612289, 2.397895273])], source: "PyTorch 2.15 float64")
    ]
  }
}

extension GraphBuilder {
  /// ln(1 + x).
  public mutating func log1p(_ x: ValueID) throws -> ValueID { try add(Log1p(), [x]) }
}
