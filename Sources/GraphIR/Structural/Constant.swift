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

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    if element.isInteger {
      let bits = 8 * element.size
      let isWide = bits == 64
      // As literals, whole numbers of 64 bits are those of a signed type.
      let least = element.isUnsigned && !isWide ? 0 : -Double(sign: .plus, exponent: bits - 1, significand: 1)
      let end = Double(sign: .plus, exponent: element.isUnsigned && !isWide ? bits : bits - 1, significand: 1)
      guard value > least - 1 || value == least, value < end else { throw TypeError("\(value) is no number of type \(element.rawValue)") }
    }
    return [TensorType(element, [])]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering { .map(.constant(value, element)) }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? { [] }

  public static var examples: [OperatorExample] {
    [OperatorExample("a number", Constant(1.5, .f32), [], [TensorLiteral([1.5], shape: [])], source: "by hand")]
  }
}
