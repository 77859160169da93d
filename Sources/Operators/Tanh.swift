import Basics
import GraphIR
import LoopIR

/// The hyperbolic tangent.
public struct Tanh: PointwiseOperator {
  public static let name = "tanh"
  public static let operandNames = ["x"]
  public static let formula = "y = tanh x"

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.pointwise("Tanh") }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireFloat(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { .call(.tanh, [x[0]]) }

  /// From the result: 1 - y^2.
  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    [try builder.multiply(request.cotangent, builder.subtract(1, builder.square(request.result)))]
  }

  public static let onnxRules = [
    ONNXRule("Tanh") { try $0.pointwise(Tanh()) }
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "four numbers", Tanh(), [TensorLiteral([-2, -0.5, 0.7, 3])],
        [TensorLiteral([-0.9640275801, -0.4621171573, 0.6043677771, 0.9950547537])], source: "PyTorch 2.15 float64"),
      OperatorExample("of one", Tanh(), [TensorLiteral([1])], [TensorLiteral([0.761594156])], source: "course notes"),
    ]
  }
}

extension GraphBuilder {
  /// The hyperbolic tangent.
  public mutating func tanh(_ x: ValueID) throws -> ValueID { try add(Tanh(), [x]) }
}
