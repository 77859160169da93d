import Basics
import GraphIR
import LoopIR

/// The natural logarithm.
public struct Log: PointwiseOperator {
  public static let name = "log"
  public static let operandNames = ["x"]
  public static let formula = "y = ln x"

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.pointwise("Log") }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireFloat(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { .call(.log, [x[0]]) }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    [try builder.divide(request.cotangent, request.operands[0])]
  }

  public static let onnxRules = [
    ONNXRule("Log") { try $0.pointwise(Log()) }
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "four numbers", Log(), [TensorLiteral([0.25, 0.5, 2, 10])],
        [TensorLiteral([-1.386294361, -0.6931471806, 0.6931471806, 2.302585093])], source: "PyTorch 2.15 float64")
    ]
  }
}

extension GraphBuilder {
  /// The natural logarithm.
  public mutating func log(_ x: ValueID) throws -> ValueID { try add(Log(), [x]) }
}
