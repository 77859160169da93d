import Basics
import GraphIR
import LoopIR

/// Weighted sums of chosen elements along an axis: interpolation by tables of positions and weights. The tables are shared by all other
/// axes, or the first `batchAxes` axes have tables of their own. A position outside the axis is clamped into it.
public struct Resample: Operator {
  public static let name = "resample"
  public static let operandNames = ["x", "positions", "weights"]
  public static let formula = "y[b…, o…, i, j…] = sum over k of weights[b…, i, k] x[b…, o…, positions[b…, i, k], j…]"
  public var axis: Int
  public var batchAxes: Int

  public init(axis: Int, batchAxes: Int = 0) {
    self.axis = axis
    self.batchAxes = batchAxes
  }

  /// The chosen elements along an axis of their own, times the weights, summed.
  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    let (x, type) = (try call.operand(0), call.operands[0])
    let positions = try call.index(1, below: type.shape[axis].coefficient)
    // The axis comes right behind the batch axes.
    let order = Array(0..<batchAxes) + [axis] + (batchAxes..<x.rank).filter { $0 != axis }
    let turned = call.writer.transpose(x, order)
    let taps = positions.shape + turned.shape.dropFirst(batchAxes + 1)
    let chosen: ONNXTensor
    if batchAxes == 0 {
      chosen = call.writer.node("Gather", [turned, positions], ["axis": .int(0)], shape: taps)
    } else {
      let tuples = try call.writer.reshape(positions, positions.shape + [1])
      chosen = call.writer.node("GatherND", [turned, tuples], ["batch_dims": .int(batchAxes)], shape: taps)
    }
    let others = Shape(repeating: 1, count: x.rank - batchAxes - 1)
    let weighted = try call.writer.pointwise("Mul", [chosen, call.writer.reshape(call.operand(2), positions.shape + others)])
    let summed = call.writer.node(
      "ReduceSum", [weighted, call.writer.integers([batchAxes + 1])], ["keepdims": .int(0)],
      shape: order.map { call.results[0].shape[$0] })
    return [call.writer.transpose(summed, order.indices.map { order.firstIndex(of: $0)! })]
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    let (x, positions, weights) = (operands[0], operands[1], operands[2])
    let table = try ResampleTable(Self.name, x, axis: axis, batchAxes: batchAxes, positions)
    _ = try requireNumbers(Self.name, [x.element, weights.element])
    guard weights.shape == positions.shape else {
      throw TypeError("\(Self.name) needs a weight for each position, got \(positions) and \(weights)")
    }
    var result = x
    result.shape[axis] = table.results
    return [result]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    let taps = operands[1].shape[operands[1].rank - 1].coefficient
    let entry = (0..<batchAxes).map { Index.variable("i\($0)") } + [.variable("i\(axis)"), taps == 1 ? .constant(0) : .variable("r0")]
    var indices = results[0].shape.indices.map { Index.variable("i\($0)") }
    indices[axis] = .clamped(.element(1, entry), operands[1].element, bound: max(1, operands[0].shape[axis].coefficient))
    let product = Scalar.element(0, indices) * .element(2, entry)
    return taps == 1 ? .map(product) : .reduction(Reduction(.sum, extents: [Dimension(taps)], body: product))
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let (x, positions, weights) = (request.operands[0], request.operands[1], request.operands[2])
    let size = builder.type(x).shape[axis].coefficient
    return [
      try builder.add(ResampleTransposed(axis: axis, batchAxes: batchAxes, size: size), [request.cotangent, positions, weights]), nil,
      try builder.add(ResampleWeightGradient(axis: axis, batchAxes: batchAxes), [x, request.cotangent, positions]),
    ]
  }

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "columns", Resample(axis: 1),
        [
          TensorLiteral([1, 2, 3, 10, 20, 30], shape: [2, 3]), TensorLiteral([0, 1, 2, 2], shape: [2, 2], element: .i32),
          TensorLiteral([0.25, 0.75, 1, 2], shape: [2, 2]),
        ], [TensorLiteral([1.75, 9, 17.5, 90], shape: [2, 2])], source: "by hand"),
      OperatorExample(
        "rows, one tap each", Resample(axis: 0),
        [
          TensorLiteral([1, 2, 3, 4], shape: [2, 2]), TensorLiteral([1, 0, 5], shape: [3, 1], element: .i64),
          TensorLiteral([1, 2, -1], shape: [3, 1]),
        ], [TensorLiteral([3, 4, 2, 4, -3, -4], shape: [3, 2])], source: "by hand"),
      OperatorExample(
        "a table for each image", Resample(axis: 2, batchAxes: 1),
        [
          TensorLiteral([1, 2, 3, 4, 5, 6, 7, 8], shape: [2, 2, 2]), TensorLiteral([0, 1, 1, 1], shape: [2, 1, 2], element: .i32),
          TensorLiteral([1, 10, 0.5, 0.25], shape: [2, 1, 2]),
        ], [TensorLiteral([21, 43, 4.5, 6], shape: [2, 2, 1])], source: "by hand"),
    ]
  }
}

extension GraphBuilder {
  /// Weighted sums of the elements at `positions` along an axis.
  public mutating func resample(_ x: ValueID, axis: Int, batchAxes: Int = 0, positions: ValueID, weights: ValueID) throws -> ValueID {
    try add(Resample(axis: axis, batchAxes: batchAxes), [x, positions, weights])
  }
}
