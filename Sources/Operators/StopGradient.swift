import Basics
import GraphIR
import LoopIR

/// The operand itself, without a gradient.
public struct StopGradient: PointwiseOperator {
  public static let name = "stop_gradient"
  public static let operandNames = ["x"]
  public static let formula = "y = x, held constant in differentiation"
  public static let isDifferentiable = false

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { call.inputs }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { x[0] }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? { [nil] }

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "two numbers", StopGradient(), [TensorLiteral([1, -2])], [TensorLiteral([1, -2])], source: "by hand", checksGradient: false)
    ]
  }
}

extension GraphBuilder {
  /// The operand, through which no gradient passes.
  public mutating func stopGradient(_ x: ValueID) throws -> ValueID { try add(StopGradient(), [x]) }
}
