import Basics
import GraphIR
import LoopIR

/// The loss of Huber 1964: half the square of the error up to delta, linear beyond.
public struct Huber: PointwiseOperator {
  public static let name = "huber"
  public static let operandNames = ["predictions", "targets"]
  public static let formula = "y = e²/2 if |e| <= delta, else delta (|e| - delta/2), e = p - t"
  public var delta: Double

  public init(delta: Double = 1) { self.delta = delta }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    let error = try call.writer.pointwise("Abs", [call.writer.pointwise("Sub", call.inputs)])
    let inner = try call.writer.pointwise("Min", error, delta)
    let rest = try call.writer.pointwise("Sub", [error, call.writer.pointwise("Mul", inner, 0.5)])
    return [try call.writer.pointwise("Mul", [inner, rest])]
  }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType {
    guard delta > 0 else { throw TypeError("huber needs a positive delta, got \(delta)") }
    return try requireFloats(Self.name, operands)
  }

  /// With c = min(|e|, delta) both sides are c (|e| - c/2).
  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar {
    let error = Scalar.unary(.abs, x[0] - x[1])
    let inner = Scalar.binary(.min, error, .constant(delta, elements[0]))
    return inner * (error - .constant(0.5, elements[0]) * inner)
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let error = try builder.subtract(request.operands[0], request.operands[1])
    let slope = try builder.multiply(request.cotangent, builder.clip(error, low: -delta, high: delta))
    return [slope, try builder.negate(slope)]
  }

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "delta 1", Huber(), [TensorLiteral([1.5, 2, 5, -1]), TensorLiteral([1, 2, 3, 2])], [TensorLiteral([0.125, 0, 1.5, 2.5])],
        source: "PyTorch 2.15 float64"),
      OperatorExample(
        "delta 0.5", Huber(delta: 0.5), [TensorLiteral([1.5, 2.2, 5]), TensorLiteral([1.2, 2, 3])],
        [TensorLiteral([0.045, 0.02, 0.875])], source: "PyTorch 2.15 float64"),
    ]
  }
}

extension GraphBuilder {
  /// The Huber loss, element by element; operands are broadcast.
  public mutating func huber(_ predictions: ValueID, _ targets: ValueID, delta: Double = 1) throws -> ValueID {
    try pointwise(Huber(delta: delta), [predictions, targets])
  }
}
