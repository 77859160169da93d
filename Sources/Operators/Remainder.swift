import Basics
import GraphIR
import LoopIR

/// The remainder of a division: with the dividend's sign, or of the quotient rounded down, with the divisor's sign. Of floats it is exact
/// while the quotient is below 2^24 (f32) or 2^53; of integers it is 0 where the divisor is 0.
public struct Remainder: PointwiseOperator {
  public static let name = "remainder"
  public static let operandNames = ["x", "y"]
  public static let formula = "z = x - y q, q = x / y truncated or rounded down"
  /// Whether the quotient is rounded down, not truncated.
  public var floored: Bool

  public init(floored: Bool = false) { self.floored = floored }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    guard floored, call.element.isFloat else { return try call.pointwise("Mod", ["fmod": .int(floored ? 0 : 1)]) }
    // ONNX's Mod of floats has the dividend's sign.
    let (divisor, zero) = (call.inputs[1], call.writer.number(0, call.element))
    let rest = try call.pointwise("Mod", ["fmod": .int(1)])[0]
    let signs = try [rest, divisor].map { try call.writer.pointwise("Less", [$0, zero], element: .bool) }
    let isSome = try call.writer.pointwise("Not", [call.writer.pointwise("Equal", [rest, zero], element: .bool)])
    let isMoved = try call.writer.pointwise("And", [isSome, call.writer.pointwise("Xor", signs)])
    let moved = try call.writer.pointwise("Add", [rest, divisor])
    return [try call.writer.pointwise("Where", [isMoved, moved, rest], element: call.element)]
  }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType { try requireNumbers(Self.name, operands) }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar {
    let element = elements[0]
    let (a, b, zero) = (x[0], x[1], Scalar.constant(0, elements[0]))
    let rest: Scalar
    if element.isFloat {
      let quotient = Scalar.unary(.trunc, a / b)
      let direct = Scalar.fma(-quotient, b, a)
      // The rounded quotient may be one too large; what is left then has the wrong sign.
      let isOver = Scalar.compare(.lt, direct * a, zero)
      let size = Scalar.unary(.abs, b)
      let corrected = Scalar.select(isOver, .select(.compare(.lt, a, zero), direct - size, direct + size), direct)
      // Below the divisor, which may be infinite, nothing is taken away. A zero keeps the dividend's sign.
      rest = Scalar.select(.compare(.lt, .unary(.abs, a), size), a, .select(.compare(.eq, corrected, zero), zero * a, corrected))
    } else {
      rest = .select(.compare(.eq, b, zero), zero, .binary(.rem, a, b))
    }
    guard floored, !element.isUnsigned else { return rest }
    let differs = Scalar.binary(.xor, .compare(.lt, rest, zero), .compare(.lt, b, zero))
    let moved = Scalar.select(.binary(.and, .compare(.ne, rest, zero), differs), rest + b, rest)
    let signedZero = Scalar.select(.compare(.lt, b, zero), -zero, zero)
    return element.isFloat ? .select(.compare(.eq, rest, zero), signedZero, moved) : moved
  }

  /// dx = dz; dy = -q dz.
  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let (x, y, dz) = (request.operands[0], request.operands[1], request.cotangent)
    let quotient = try builder.round(builder.divide(builder.subtract(x, request.result), y))
    return [dz, try builder.negate(builder.multiply(dz, quotient))]
  }

  public static let onnxRules = [ONNXRule("Mod") { node in try node.pointwise(Remainder(floored: node.int("fmod", 0) == 0)) }]

  public static var examples: [OperatorExample] {
    let (x, y) = (TensorLiteral([-4.3, 7.2, 5, 4.3, -7.2, 8]), TensorLiteral([2.1, -3.4, 8, -2.1, 3.4, 5]))
    let (i, j) = (TensorLiteral([-4, 7, 5, 4, -7, 8], element: .i32), TensorLiteral([2, -3, 8, -2, 3, 0], element: .i32))
    return [
      OperatorExample("truncated", Remainder(), [x, y], [TensorLiteral([-0.1, 0.4, 5, 0.1, -0.4, 3])], source: "NumPy 2"),
      OperatorExample("rounded down", Remainder(floored: true), [x, y], [TensorLiteral([2, -3, 5, -2, 3, 3])], source: "NumPy 2"),
      OperatorExample(
        "integers", Remainder(), [i, j], [TensorLiteral([0, 1, 5, 0, -1, 0], element: .i32)], source: "by hand", checksGradient: false),
      OperatorExample(
        "integers, rounded down", Remainder(floored: true), [i, j], [TensorLiteral([0, -2, 5, 0, 2, 0], element: .i32)],
        source: "by hand", checksGradient: false),
      OperatorExample(
        "an infinite divisor", Remainder(floored: true), [TensorLiteral([2]), TensorLiteral([.infinity])], [TensorLiteral([2])],
        source: "NumPy 2", checksGradient: false),
    ]
  }
}

extension GraphBuilder {
  /// The remainder of x / y, broadcast, with x's sign or, `floored`, with y's.
  public mutating func remainder(_ x: ValueID, _ y: ValueID, floored: Bool = false) throws -> ValueID {
    try pointwise(Remainder(floored: floored), [x, y])
  }
}
