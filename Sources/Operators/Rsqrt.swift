import Basics
import GraphIR
import LoopIR

/// One divided by the square root.
public struct Rsqrt: PointwiseOperator {
  public static let name = "rsqrt"
  public static let operandNames = ["x"]
  public static let formula = "y = 1 / sqrt(x)"

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    [try call.writer.pointwise("Reciprocal", [call.writer.pointwise("Sqrt", call.inputs)])]
  }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireFloat(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { .constant(1, elements[0]) / .unary(.sqrt, x[0]) }

  /// The slope is -y^3 / 2.
  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let cube = try builder.multiply(builder.square(request.result), request.result)
    return [try builder.multiply(request.cotangent, builder.multiply(cube, -0.5))]
  }

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "four numbers", Rsqrt(), [TensorLiteral([0.25, 0.5, 2, 10])], [TensorLiteral([2, 1.414213562, 0.7071067812, 0.316227766])],
        source: "PyTorch 2.15 float64")
    ]
  }
}

extension GraphBuilder {
  /// One divided by the square root.
  public mutating func rsqrt(_ x: ValueID) throws -> ValueID { try add(Rsqrt(), [x]) }
}
