import Basics
import GraphIR
import LoopIR

/// A smooth relu.
public struct Softplus: PointwiseOperator {
  public static let name = "softplus"
  public static let operandNames = ["x"]
  public static let formula = "y = ln(1 + e^x)"

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.pointwise("Softplus") }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireFloat(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { .call(.softplus, [x[0]]) }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    [try builder.multiply(request.cotangent, builder.sigmoid(request.operands[0]))]
  }

  public static let onnxRules = [
    ONNXRule("Softplus") { try $0.pointwise(Softplus()) }
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "four numbers", Softplus(), [TensorLiteral([-2, -0.5, 0.7, 3])],
        [TensorLiteral([0.126928011, 0.4740769842, 1.103186049, 3.048587352])], source: "PyTorch 2.15 float64"),
      OperatorExample("of zero", Softplus(), [TensorLiteral([0])], [TensorLiteral([0.6931471806])], source: "course notes"),
    ]
  }
}

extension GraphBuilder {
  /// ln(1 + e^x).
  public mutating func softplus(_ x: ValueID) throws -> ValueID { try add(Softplus(), [x]) }
}
