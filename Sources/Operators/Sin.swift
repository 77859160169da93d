import Basics
import GraphIR
import LoopIR

/// The sine of radians.
public struct Sin: PointwiseOperator {
  public static let name = "sin"
  public static let operandNames = ["x"]
  public static let formula = "y = sin x"

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.pointwise("Sin") }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireFloat(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { .call(.sin, [x[0]]) }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    [try builder.multiply(request.cotangent, builder.cos(request.operands[0]))]
  }

  public static let onnxRules = [
    ONNXRule("Sin") { try $0.pointwise(Sin()) }
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "four numbers", Sin(), [TensorLiteral([-2, -0.5, 0.7, 3])],
        [TensorLiteral([-0.9092974268, -0.4794255386, 0.6442176872, 0.1411200081])], source: "PyTorch 2.15 float64")
    ]
  }
}

extension GraphBuilder {
  /// The sine of radians.
  public mutating func sin(_ x: ValueID) throws -> ValueID { try add(Sin(), [x]) }
}
