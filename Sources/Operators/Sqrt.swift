import Basics
import GraphIR
import LoopIR

/// The square root; its gradient at 0 is infinite, as in PyTorch.
public struct Sqrt: PointwiseOperator {
  public static let name = "sqrt"
  public static let operandNames = ["x"]
  public static let formula = "y = sqrt(x)"

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.pointwise("Sqrt") }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireFloat(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { .unary(.sqrt, x[0]) }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    [try builder.divide(request.cotangent, builder.multiply(request.result, 2))]
  }

  public static let onnxRules = [
    ONNXRule("Sqrt") { try $0.pointwise(Sqrt()) }
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "four numbers", Sqrt(), [TensorLiteral([0.25, 0.5, 2, 10])], [TensorLiteral([0.5, 0.7071067812, 1.414213562, 3.16227766])],
        source: "PyTorch 2.15 float64")
    ]
  }
}

extension GraphBuilder {
  /// The square root.
  public mutating func sqrt(_ x: ValueID) throws -> ValueID { try add(Sqrt(), [x]) }
}
