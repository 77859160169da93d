import Basics
import LoopIR

/// A scalar known at compile time.
public struct Constant: Operator {
  public static let name = "constant"
  public static let operandNames: [String] = []
  public static let formula = "y = value"
  public static let isDifferentiable = false
  public var value: Double
  public var element: ElementType

  public init(_ value: Double, _ element: ElementType) {
    self.value = value
    self.element = element
  }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { [call.writer.number(value, element)] }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] { [TensorType(element, [])] }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering { .map(.constant(value, element)) }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? { [] }

  public static var examples: [OperatorExample] {
    [OperatorExample("a number", Constant(1.5, .f32), [], [TensorLiteral([1.5], shape: [])], source: "by hand")]
  }
}
