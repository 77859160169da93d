import Basics
import GraphIR
import LoopIR

/// Sums over the last axes in as many windows as the result has positions: window i of m over n elements is floor(i n / m) ..<
/// ceil((i + 1) n / m), PyTorch's adaptive pooling. Window i holds element p exactly when window p of the opposite direction holds i, so
/// the operator is its own transpose.
public struct AdaptiveSumPool: Operator {
  public static let name = "adaptive_sum_pool"
  public static let operandNames = ["x"]
  public static let formula = "y[…, i…] = sum of x[…, p…] for p from floor(i n / m) to below ceil((i + 1) n / m)"
  /// Sizes of the result along the last axes.
  public var sizes: [Int]

  public init(sizes: [Int]) { self.sizes = sizes }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.adaptivePool(sizes: sizes, isMean: false) }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    _ = try requireFloat(Self.name, [operands[0].element])
    return [try resizedType(Self.name, operands[0], sizes)]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    let first = results[0].rank - sizes.count
    var conditions: [Scalar] = []
    var indices = results[0].shape.indices.map { Index.variable("i\($0)") }
    var extents: [Dimension] = []
    for (k, m) in sizes.enumerated() {
      let n = operands[0].shape[first + k].coefficient
      let i = indices[first + k]
      let isEven = n % m == 0 || m % n == 0
      extents.append(Dimension(isEven ? max(1, n / m) : (n + m - 1) / m + 1))
      indices[first + k] = .divide(i * n, m) + .variable("r\(k)")
      if !isEven { conditions.append(.below(indices[first + k], .divide(i * n + (n + m - 1), m))) }
    }
    let x = Scalar.element(0, indices)
    return .reduction(
      Reduction(
        .sum, extents: extents, body: Scalar.all(conditions).map { .select($0, x, .constant(0, results[0].element)) } ?? x))
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let x = builder.type(request.operands[0])
    return [try builder.adaptiveSumPool(request.cotangent, sizes: x.shape.suffix(sizes.count).map(\.coefficient))]
  }

  public static var examples: [OperatorExample] {
    let x = TensorLiteral([1, 2, 4, 8, 16], shape: [1, 5])
    return [
      OperatorExample("overlapping", AdaptiveSumPool(sizes: [3]), [x], [TensorLiteral([3, 14, 24], shape: [1, 3])], source: "by hand"),
      OperatorExample(
        "more windows than elements", AdaptiveSumPool(sizes: [7]), [x], [TensorLiteral([1, 3, 6, 4, 12, 24, 16], shape: [1, 7])],
        source: "by hand"),
      OperatorExample("one window", AdaptiveSumPool(sizes: [1]), [x], [TensorLiteral([31], shape: [1, 1])], source: "by hand"),
    ]
  }
}

extension GraphBuilder {
  /// Sums over the last axes in as many windows as `sizes` says; the sum itself where that is what x has.
  mutating func adaptiveSumPool(_ x: ValueID, sizes: [Int]) throws -> ValueID {
    type(x).shape.suffix(sizes.count).map(\.coefficient) == sizes ? x : try add(AdaptiveSumPool(sizes: sizes), [x])
  }
}
