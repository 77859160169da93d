import Basics
import GraphIR
import LoopIR

/// The gradient of `resample` with respect to x: each element of y is added, weighted, to the elements that made it.
public struct ResampleTransposed: Operator {
  public static let name = "resample_transposed"
  public static let operandNames = ["y", "positions", "weights"]
  public static let formula = "x[b…, o…, p, j…] = sum over i, k with positions[b…, i, k] = p of weights[b…, i, k] y[b…, o…, i, j…]"
  public var axis: Int
  public var batchAxes: Int
  /// The size of x along the axis.
  public var size: Int

  public init(axis: Int, batchAxes: Int = 0, size: Int) {
    self.axis = axis
    self.batchAxes = batchAxes
    self.size = size
  }

  /// The weighted elements, one for each tap, added to zeros along an axis of their own.
  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    let (y, positions) = (try call.operand(0), try call.index(1, below: size))
    // The axis comes right behind the batch axes.
    let order = Array(0..<batchAxes) + [axis] + (batchAxes..<y.rank).filter { $0 != axis }
    let turned = call.writer.transpose(y, order)
    let (batch, rest) = (turned.shape[..<batchAxes], Array(turned.shape[(batchAxes + 1)...]))
    let ones = rest.map { _ in Dimension(1) }
    let rows = try call.writer.reshape(turned, batch + [turned.shape[batchAxes], 1] + rest)
    let weighted = try call.writer.pointwise("Mul", [rows, call.writer.reshape(call.operand(2), positions.shape + ones)])
    let count = Dimension.product(positions.shape[batchAxes...]) ?? 0
    let updates = try call.writer.reshape(weighted, batch + [count] + rest)
    let places = try call.writer.expand(call.writer.reshape(positions, batch + [count] + ones), to: updates.shape)
    let shape = batch + [Dimension(size)] + rest
    let zeros = try call.writer.expand(call.writer.number(0, call.element), to: Shape(shape))
    let sum = call.writer.node(
      "ScatterElements", [zeros, places, updates], ["axis": .int(batchAxes), "reduction": .string("add")], shape: Shape(shape))
    return [call.writer.transpose(sum, order.indices.map { order.firstIndex(of: $0)! })]
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    let (y, positions, weights) = (operands[0], operands[1], operands[2])
    guard (0..<y.rank).contains(axis), size >= 0 else {
      throw TypeError("\(Self.name) of \(y) needs an axis of it and a size, got axis \(axis) and size \(size)")
    }
    var x = y
    x.shape[axis] = Dimension(size)
    let table = try ResampleTable(Self.name, x, axis: axis, batchAxes: batchAxes, positions)
    _ = try requireNumbers(Self.name, [y.element, weights.element])
    guard weights.shape == positions.shape, y.shape[axis] == table.results else {
      throw TypeError(
        "\(Self.name) along axis \(axis) needs a table for each of y's positions and a weight for each entry, got \(y), \(positions) and "
          + weights.description)
    }
    return [x]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    let (y, positions) = (operands[0], operands[1])
    let taps = positions.shape[batchAxes + 1]
    let width = y.shape[(axis + 1)...].reduce(1) { $0 * $1.coefficient }
    let outer = (0..<axis).map { Index.variable("i\($0)") }
    let (i, k, j) = (Index.variable("i"), Index.variable("k"), Index.variable("j"))
    let entry = positions.offset(outer.prefix(batchAxes) + [i, k])
    let place = Index.clamped(.load("x1", entry), positions.element, bound: max(1, size))
    let target = results[0].offset(outer) + place * width + j
    let value = Scalar.load("x2", entry) * .load("x0", y.offset(outer + [i]) + j)
    let add = Statement.store("y0", target, .load("y0", target) + value)
    let first = Loop(
      "j", to: .constant(size * width), [.store("y0", results[0].offset(outer) + j, .constant(0, results[0].element))])
    let rows = Loop("k", to: taps.index, [.loop(Loop("j", to: .constant(width), [add]))])
    return .custom(CustomLoops(outerRank: axis, body: [.loop(first), .loop(Loop("i", to: y.shape[axis].index, [.loop(rows)]))]))
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let (y, positions, weights) = (request.operands[0], request.operands[1], request.operands[2])
    return [
      try builder.resample(request.cotangent, axis: axis, batchAxes: batchAxes, positions: positions, weights: weights), nil,
      try builder.add(ResampleWeightGradient(axis: axis, batchAxes: batchAxes), [request.cotangent, y, positions]),
    ]
  }

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "columns", ResampleTransposed(axis: 1, size: 3),
        [
          TensorLiteral([1, 2, 10, 20], shape: [2, 2]), TensorLiteral([0, 1, 2, 2], shape: [2, 2], element: .i32),
          TensorLiteral([0.25, 0.75, 1, 2], shape: [2, 2]),
        ], [TensorLiteral([0.25, 0.75, 6, 2.5, 7.5, 60], shape: [2, 3])], source: "by hand"),
      OperatorExample(
        "rows", ResampleTransposed(axis: 0, size: 2),
        [
          TensorLiteral([1, 2, 3, 4, 5, 6], shape: [3, 2]), TensorLiteral([1, 0, 5], shape: [3, 1], element: .i64),
          TensorLiteral([1, 2, -1], shape: [3, 1]),
        ], [TensorLiteral([6, 8, -4, -4], shape: [2, 2])], source: "by hand"),
      OperatorExample(
        "a table for each image", ResampleTransposed(axis: 2, batchAxes: 1, size: 2),
        [
          TensorLiteral([1, 2, 3, 4], shape: [2, 2, 1]), TensorLiteral([0, 1, 1, 1], shape: [2, 1, 2], element: .i32),
          TensorLiteral([1, 10, 0.5, 0.25], shape: [2, 1, 2]),
        ], [TensorLiteral([1, 10, 2, 20, 0, 2.25, 0, 3], shape: [2, 2, 2])], source: "by hand"),
    ]
  }
}
