import Basics
import GraphIR
import LoopIR

/// The gradient of `resize_nearest`: each element collects the cotangents of its copies.
public struct ResizeNearestGradient: Operator {
  public static let name = "resize_nearest_gradient"
  public static let operandNames = ["dy"]
  public static let formula = "dx[…, p…] = sum of dy[…, i…] for i from ceil(p m / n) to below ceil((p + 1) m / n)"
  /// Sizes of the result along the last axes.
  public var sizes: [Int]

  public init(sizes: [Int]) { self.sizes = sizes }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    _ = try requireFloat(Self.name, [operands[0].element])
    return [try resizedType(Self.name, operands[0], sizes)]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    let first = results[0].rank - sizes.count
    var conditions: [Scalar] = []
    var extents: [Dimension] = []
    var indices = results[0].shape.indices.map { Index.variable("i\($0)") }
    for (k, n) in sizes.enumerated() {
      let m = operands[0].shape[first + k].coefficient
      let p = indices[first + k]
      extents.append(Dimension((m + n - 1) / n))
      indices[first + k] = .divide(p * m + (n - 1), n) + .variable("r\(k)")
      if m % n != 0 { conditions.append(.below(indices[first + k], .divide(p * m + (m + n - 1), n))) }
    }
    let dy = Scalar.element(0, indices)
    return .reduction(
      Reduction(
        .sum, extents: extents, body: Scalar.all(conditions).map { .select($0, dy, .constant(0, results[0].element)) } ?? dy))
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let dy = builder.type(request.operands[0])
    return [try builder.resizeNearest(request.cotangent, sizes: dy.shape.suffix(sizes.count).map(\.coefficient))]
  }

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "two copies of each", ResizeNearestGradient(sizes: [3]), [TensorLiteral([1, 2, 4, 8, 16, 32], shape: [1, 6])],
        [TensorLiteral([3, 12, 48], shape: [1, 3])], source: "by hand"),
      OperatorExample(
        "one copy or two", ResizeNearestGradient(sizes: [3]), [TensorLiteral([1, 2, 4, 8, 16], shape: [1, 5])],
        [TensorLiteral([3, 12, 16], shape: [1, 3])], source: "by hand"),
      OperatorExample(
        "some left out", ResizeNearestGradient(sizes: [5]), [TensorLiteral([1, 2], shape: [1, 2])],
        [TensorLiteral([1, 0, 2, 0, 0], shape: [1, 5])], source: "by hand"),
    ]
  }
}
