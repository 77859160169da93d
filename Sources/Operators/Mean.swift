import Basics
import GraphIR
import LoopIR

/// The arithmetic mean over some axes.
public struct Mean: Operator {
  public static let name = "mean"
  public static let operandNames = ["x"]
  public static let formula = "y[i…] = sum over the reduced axes of x, divided by their size"
  public var axes: [Int]
  public var keepDims: Bool

  public init(axes: [Int], keepDims: Bool = false) {
    self.axes = axes
    self.keepDims = keepDims
  }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    let (x, result) = (try call.operand(0), call.results[0])
    // Images know this by a name.
    let isGlobal = x.rank > 2 && keepDims && Set(axes.map { $0 < 0 ? $0 + x.rank : $0 }) == Set(2..<x.rank)
    return isGlobal && x.element == .f32
      ? [call.writer.node("GlobalAveragePool", [x], shape: result.shape)]
      : try call.reduction("ReduceMean", axes: axes, keepDims: keepDims)
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    _ = try requireFloat(Self.name, [operands[0].element])
    return [try reducedType(operands[0], axes: axes, keepDims: keepDims)]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    .composite { builder, x in
      let count = try builder.count(of: x[0], axes: axes)
      return [try builder.divide(builder.sum(x[0], axes: axes, keepDims: keepDims), count)]
    }
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let x = request.operands[0]
    let type = builder.type(x)
    let share = try builder.divide(request.cotangent, builder.count(of: x, axes: axes))
    return [try builder.broadcast(builder.reshape(share, reducedType(type, axes: axes, keepDims: true).shape), to: type.shape)]
  }

  public static let onnxRules = [
    ONNXRule("ReduceMean") { node in
      try node.reduced { graph, x, axes, keepDims in
        if graph.type(x).element.isFloat { return try graph.mean(x, axes: axes, keepDims: keepDims) }
        return try graph.divide(graph.sum(x, axes: axes, keepDims: keepDims), graph.count(of: x, axes: axes))
      }
    },
    ONNXRule("Mean") { node in
      let values = try node.values()
      guard let first = values.first else { throw Diagnostic("there is no input") }
      return [try node.graph.divide(values.dropFirst().reduce(first) { try node.graph.add($0, $1) }, Double(values.count))]
    },
  ]

  public static var examples: [OperatorExample] {
    let x = TensorLiteral([1, 2, 3, 4, 5, 9], shape: [2, 3])
    return [
      OperatorExample("of rows", Mean(axes: [1]), [x], [TensorLiteral([2, 6])], source: "by hand"),
      OperatorExample(
        "of columns", Mean(axes: [0], keepDims: true), [x], [TensorLiteral([2.5, 3.5, 6], shape: [1, 3])], source: "by hand"),
      OperatorExample("of all", Mean(axes: [0, -1]), [x], [TensorLiteral([4], shape: [])], source: "by hand"),
    ]
  }
}

extension GraphBuilder {
  /// The mean over `axes` (all of them unless given; negative ones count from the end).
  public mutating func mean(_ x: ValueID, axes: [Int]? = nil, keepDims: Bool = false) throws -> ValueID {
    let axes = axes ?? Array(0..<type(x).rank)
    return axes.isEmpty ? x : try add(Mean(axes: axes, keepDims: keepDims), [x])
  }

  /// The number of elements that a reduction over `axes` combines, as a scalar of x's element type.
  mutating func count(of x: ValueID, axes: [Int]) throws -> ValueID {
    let type = type(x)
    return try size(of: axes.map { type.shape[$0 < 0 ? $0 + type.rank : $0] }, type.element)
  }
}
