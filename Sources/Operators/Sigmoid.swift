import Basics
import GraphIR
import LoopIR

/// The logistic function.
public struct Sigmoid: PointwiseOperator {
  public static let name = "sigmoid"
  public static let operandNames = ["x"]
  public static let formula = "y = 1 / (1 + e^-x)"

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.pointwise("Sigmoid") }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireFloat(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { .call(.sigmoid, [x[0]]) }

  /// From the result: y (1 - y).
  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    [try builder.multiply(request.cotangent, builder.multiply(request.result, builder.subtract(1, request.result)))]
  }

  public static let onnxRules = [
    ONNXRule("Sigmoid") { try $0.pointwise(Sigmoid()) }
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "four numbers", Sigmoid(), [TensorLiteral([-2, -0.5, 0.7, 3])],
        [TensorLiteral([0.119202922, 0.3775406688, 0.6681877722, 0.9525741268])], source: "PyTorch 2.15 float64"),
      OperatorExample(
        "far out", Sigmoid(), [TensorLiteral([0, -5, 10, -40, 40])],
        [TensorLiteral([0.5, 0.006692850924, 0.9999546021, 4.248354255e-18, 1])], source: "PyTorch 2.15 float64"),
    ]
  }
}

extension GraphBuilder {
  /// The logistic function.
  public mutating func sigmoid(_ x: ValueID) throws -> ValueID { try add(Sigmoid(), [x]) }
}
