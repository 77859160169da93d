import Basics
import GraphIR
import LoopIR

/// The bits of integers moved to higher or lower places. To the right a sign is kept. Shifts below 0, or as far as the width or farther, leave
/// nothing but zeros, or to the right the sign.
public struct BitShift: PointwiseOperator {
  public static let name = "bit_shift"
  public static let operandNames = ["x", "places"]
  public static let formula = "y = x · 2^places, or x / 2^places rounded down"
  public static let isDifferentiable = false
  /// Whether to lower places.
  public var right: Bool

  public init(right: Bool) { self.right = right }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    guard call.element.isUnsigned else {
      throw call.unsupported("ONNX's operator set \(ONNXWriter.operatorSet) shifts unsigned integers alone, not \(call.element.rawValue)")
    }
    return try call.pointwise("BitShift", ["direction": .string(right ? "RIGHT" : "LEFT")])
  }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireIntegers(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar {
    let element = elements[0]
    let unsigned: ElementType = [1: .u8, 2: .u16, 4: .u32, 8: .u64][element.size]!
    let (bits, places) = (Scalar.cast(unsigned, x[0]), Scalar.cast(unsigned, x[1]))
    let zero = Scalar.integer(0, unsigned)
    // A shift below 0 is a very large one.
    func shifted(_ operation: BinaryOperation, _ bits: Scalar) -> Scalar {
      .select(.compare(.lt, places, .integer(8 * element.size, unsigned)), .binary(operation, bits, places), zero)
    }
    guard right else { return .cast(element, shifted(.shl, bits)) }
    if element.isUnsigned { return shifted(.shr, bits) }
    let negative = Scalar.unary(.not, shifted(.shr, .unary(.not, bits)))
    return .cast(element, .select(.compare(.lt, x[0], .integer(0, element)), negative, shifted(.shr, bits)))
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? { [nil, nil] }

  public static let onnxRules = [
    ONNXRule("BitShift") { node in
      let direction = try node.string("direction") ?? ""
      guard ["LEFT", "RIGHT"].contains(direction) else {
        throw Diagnostic("attribute 'direction' must be LEFT or RIGHT, found '\(direction)'")
      }
      return try node.pointwise(BitShift(right: direction == "RIGHT"))
    }
  ]

  public static var examples: [OperatorExample] {
    let x = TensorLiteral([5, -5, 100, -1, 1], element: .i8), places = TensorLiteral([2, 1, 3, 8, -1], element: .i8)
    return [
      OperatorExample(
        "left", BitShift(right: false), [x, places], [TensorLiteral([20, -10, 32, 0, 0], element: .i8)], source: "by hand",
        checksGradient: false),
      OperatorExample(
        "right", BitShift(right: true), [x, places], [TensorLiteral([1, -3, 12, -1, 0], element: .i8)], source: "by hand",
        checksGradient: false),
      OperatorExample(
        "unsigned", BitShift(right: true), [TensorLiteral([200, 9], element: .u8), TensorLiteral([3, 9], element: .u8)],
        [TensorLiteral([25, 0], element: .u8)], source: "by hand", checksGradient: false),
    ]
  }
}
