import Basics
import GraphIR
import LoopIR

/// The operand itself.
public struct Identity: PointwiseOperator {
  public static let name = "identity"
  public static let operandNames = ["x"]
  public static let formula = "y = x"

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { call.inputs }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar { x[0] }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? { [request.cotangent] }

  public static let onnxRules = [ONNXRule("Identity", keepsTypes: true, values: { [$0.has(0) ? $0.inputs[0] : .absent] })]

  public static var examples: [OperatorExample] {
    [OperatorExample("two numbers", Identity(), [TensorLiteral([1, -2])], [TensorLiteral([1, -2])], source: "by hand")]
  }
}

extension GraphBuilder {
  /// The operand itself, as a node of its own.
  public mutating func identity(_ x: ValueID) throws -> ValueID { try add(Identity(), [x]) }
}
