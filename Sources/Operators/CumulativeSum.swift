import Basics
import GraphIR
import LoopIR

/// Sums along an axis of the elements up to each one.
public struct CumulativeSum: ScanningOperator {
  public static let name = "cumulative_sum"
  public static let combiner = Reduction.Combiner.sum
  public static let formula = "y[…, i, …] = sum over k up to i of x[…, k, …]"
  public var axis: Int
  public var exclusive: Bool
  public var reverse: Bool

  public init(axis: Int, exclusive: Bool = false, reverse: Bool = false) {
    self.axis = axis
    self.exclusive = exclusive
    self.reverse = reverse
  }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    let operands = [try call.operand(0), call.writer.constant(HostTensor([axis], shape: []))]
    let attributes: ONNXAttributes = ["exclusive": .int(exclusive ? 1 : 0), "reverse": .int(reverse ? 1 : 0)]
    return call.writer.node("CumSum", operands, attributes, types: call.results)
  }

  /// The same from the other end.
  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    [try builder.cumulativeSum(request.cotangent, axis: axis, exclusive: exclusive, reverse: !reverse)]
  }

  public static let onnxRules = [
    ONNXRule("CumSum") { node in
      let (axis, exclusive, reverse) = try node.scanning()
      return [try node.graph.cumulativeSum(node.value(0), axis: axis, exclusive: exclusive, reverse: reverse)]
    }
  ]

  public static var examples: [OperatorExample] {
    let x = TensorLiteral([1, 2, 3, 4, 5, 6], shape: [2, 3])
    return [
      OperatorExample("of rows", CumulativeSum(axis: 1), [x], [TensorLiteral([1, 3, 6, 4, 9, 15], shape: [2, 3])], source: "by hand"),
      OperatorExample(
        "of columns, from the end", CumulativeSum(axis: 0, reverse: true), [x], [TensorLiteral([5, 7, 9, 4, 5, 6], shape: [2, 3])],
        source: "by hand"),
      OperatorExample(
        "without the element", CumulativeSum(axis: -1, exclusive: true), [x], [TensorLiteral([0, 1, 3, 0, 4, 9], shape: [2, 3])],
        source: "by hand"),
      OperatorExample(
        "what is behind", CumulativeSum(axis: 0, exclusive: true, reverse: true), [TensorLiteral([1, 2, 3])],
        [TensorLiteral([5, 3, 0])], source: "by hand"),
    ]
  }
}

extension GraphBuilder {
  /// Sums along `axis` of the elements up to each one, itself left out when `exclusive`; from the end when `reverse`.
  public mutating func cumulativeSum(_ x: ValueID, axis: Int, exclusive: Bool = false, reverse: Bool = false) throws -> ValueID {
    try add(CumulativeSum(axis: axis, exclusive: exclusive, reverse: reverse), [x])
  }
}
