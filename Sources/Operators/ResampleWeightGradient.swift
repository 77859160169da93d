import Basics
import GraphIR
import LoopIR

/// The gradient of `resample` with respect to its weights.
public struct ResampleWeightGradient: Operator {
  public static let name = "resample_weight_gradient"
  public static let operandNames = ["x", "dy", "positions"]
  public static let formula = "dweights[b…, i, k] = sum over o…, j… of dy[b…, o…, i, j…] x[b…, o…, positions[b…, i, k], j…]"
  public var axis: Int
  public var batchAxes: Int

  public init(axis: Int, batchAxes: Int = 0) {
    self.axis = axis
    self.batchAxes = batchAxes
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    let (x, dy, positions) = (operands[0], operands[1], operands[2])
    let table = try ResampleTable(Self.name, x, axis: axis, batchAxes: batchAxes, positions)
    _ = try requireNumbers(Self.name, [x.element, dy.element])
    var wanted = x
    wanted.shape[axis] = table.results
    guard dy == wanted else { throw TypeError("\(Self.name) of \(x) with positions \(positions) needs \(wanted), got \(dy)") }
    return [positions.with(x.element)]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    let (x, positions) = (operands[0], operands[2])
    let entry = (0..<batchAxes + 2).map { Index.variable("i\($0)") }
    var indices = entry.prefix(batchAxes) + []
    var extents: [Dimension] = []
    for other in batchAxes..<x.rank {
      indices.append(other == axis ? entry[batchAxes] : .variable("r\(extents.count)"))
      if other != axis { extents.append(x.shape[other]) }
    }
    let cotangent = Scalar.element(1, Array(indices))
    indices[axis] = .clamped(.element(2, entry), positions.element, bound: max(1, x.shape[axis].coefficient))
    let product = cotangent * .element(0, Array(indices))
    return extents.isEmpty ? .map(product) : .reduction(Reduction(.sum, extents: extents, body: product))
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let (x, dy, positions) = (request.operands[0], request.operands[1], request.operands[2])
    let size = builder.type(x).shape[axis].coefficient
    let op = ResampleTransposed(axis: axis, batchAxes: batchAxes, size: size)
    return [
      try builder.add(op, [dy, positions, request.cotangent]),
      try builder.resample(x, axis: axis, batchAxes: batchAxes, positions: positions, weights: request.cotangent), nil,
    ]
  }

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "columns", ResampleWeightGradient(axis: 1),
        [
          TensorLiteral([1, 2, 3, 10, 20, 30], shape: [2, 3]), TensorLiteral([1, 2, 3, 4], shape: [2, 2]),
          TensorLiteral([0, 1, 2, 2], shape: [2, 2], element: .i32),
        ], [TensorLiteral([31, 62, 126, 126], shape: [2, 2])], source: "by hand"),
      OperatorExample(
        "one axis", ResampleWeightGradient(axis: 0),
        [TensorLiteral([1, 2]), TensorLiteral([10, 100]), TensorLiteral([0, 1, 1, 1], shape: [2, 2], element: .i64)],
        [TensorLiteral([10, 20, 200, 200], shape: [2, 2])], source: "by hand"),
      OperatorExample(
        "a table for each image", ResampleWeightGradient(axis: 2, batchAxes: 1),
        [
          TensorLiteral([1, 2, 3, 4, 5, 6, 7, 8], shape: [2, 2, 2]), TensorLiteral([1, 10, 2, 20], shape: [2, 2, 1]),
          TensorLiteral([0, 1, 1, 1], shape: [2, 1, 2], element: .i32),
        ], [TensorLiteral([31, 42, 172, 172], shape: [2, 1, 2])], source: "by hand"),
    ]
  }
}
