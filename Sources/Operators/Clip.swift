import Basics
import GraphIR
import LoopIR

/// The nearest number of a range; NaN stays NaN. The gradient passes inside the range, not at its ends, as in PyTorch 2.15.
public struct Clip: PointwiseOperator {
  public static let name = "clip"
  public static let operandNames = ["x"]
  public static let formula = "y = min(max(x, low), high)"
  /// May be minus infinity.
  public var low: Double
  /// May be infinity.
  public var high: Double

  public init(low: Double, high: Double) {
    self.low = low
    self.high = high
  }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    // A bound that is infinite is left out.
    let (x, element) = (call.inputs[0], call.element)
    let lowest = low == -.infinity ? nil : call.writer.number(low, element)
    let highest = high == .infinity ? nil : call.writer.number(high, element)
    let operands = highest != nil ? [x, lowest, highest] : lowest != nil ? [x, lowest] : [x]
    return [call.writer.node("Clip", operands, shape: x.shape)]
  }

  public func resultElement(_ operands: [ElementType]) throws -> ElementType {
    guard low <= high else { throw TypeError("clip needs low <= high, got \(low) and \(high)") }
    return try requireFloat(Self.name, operands)
  }

  public func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar {
    .binary(.min, .binary(.max, x[0], .constant(low, elements[0])), .constant(high, elements[0]))
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let x = request.operands[0]
    let inside = try builder.logicalAnd(builder.greater(x, low), builder.less(x, high))
    return [try builder.select(inside, request.cotangent, 0)]
  }

  public static let onnxRules = [
    // Bounds were attributes before version 11.
    ONNXRule("Clip") { node in
      let (low, high) = (try node.float("min", -.infinity), try node.float("max", .infinity))
      return [try node.add(Clip(low: Swift.min(low, high), high: high), node.value(0))]
    },
    ONNXRule("Clip", since: 11) { node in
      let x = try node.value(0)
      let isFloat = node.type(x).element.isFloat
      let (low, high) = (try isFloat ? node.written(1) : nil, try isFloat ? node.written(2) : nil)
      if isFloat, low != nil || !node.has(1), high != nil || !node.has(2) {
        let most = high?.doubles.first ?? .infinity
        return [try node.add(Clip(low: Swift.min(low?.doubles.first ?? -.infinity, most), high: most), x)]
      }
      // Where the lower bound is above the upper one, the upper one holds.
      let raised = try node.optional(1).map { try node.graph.maximum(x, $0) } ?? x
      return [try node.optional(2).map { try node.graph.minimum(raised, $0) } ?? raised]
    },
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "below, inside, above", Clip(low: -1, high: 2), [TensorLiteral([-3, 0.5, 7])], [TensorLiteral([-1, 0.5, 2])],
        source: "by hand")
    ]
  }
}

extension GraphBuilder {
  /// The nearest number between `low` and `high`.
  public mutating func clip(_ x: ValueID, low: Double, high: Double) throws -> ValueID {
    try add(Clip(low: low, high: high), [x])
  }
}
