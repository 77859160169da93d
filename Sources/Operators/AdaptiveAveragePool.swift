import Basics
import GraphIR
import LoopIR

/// Means over the last axes in as many windows as the result has positions, as PyTorch's adaptive average pooling cuts them.
public struct AdaptiveAveragePool: Operator {
  public static let name = "adaptive_average_pool"
  public static let operandNames = ["x"]
  public static let formula = "y[…, i…] = mean of x[…, p…] for p from floor(i n / m) to below ceil((i + 1) n / m)"
  /// Sizes of the result along the last axes.
  public var sizes: [Int]

  public init(sizes: [Int]) { self.sizes = sizes }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.adaptivePool(sizes: sizes, isMean: true) }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    _ = try requireFloat(Self.name, [operands[0].element])
    return [try resizedType(Self.name, operands[0], sizes)]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    .composite { builder, x in [try divided(builder.adaptiveSumPool(x[0], sizes: sizes), operands[0], &builder)] }
  }

  /// Divided by the sizes of the windows, which are those of the sums of ones where they differ.
  private func divided(_ sum: ValueID, _ x: TensorType, _ builder: inout GraphBuilder) throws -> ValueID {
    let elements = x.shape.suffix(sizes.count).map(\.coefficient)
    if zip(elements, sizes).allSatisfy({ $0 % $1 == 0 }) {
      return try builder.divide(sum, Double(elements.reduce(1, *) / sizes.reduce(1, *)))
    }
    let ones = try builder.broadcast(builder.constant(1, x.element), to: elements.map { Dimension($0) })
    return try builder.divide(sum, builder.adaptiveSumPool(ones, sizes: sizes))
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let x = builder.type(request.operands[0])
    let share = try divided(request.cotangent, x, &builder)
    return [try builder.adaptiveSumPool(share, sizes: x.shape.suffix(sizes.count).map(\.coefficient))]
  }

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "windows of equal sizes", AdaptiveAveragePool(sizes: [2, 3]),
        [
          TensorLiteral(
            [
              0.59, 1.82, -1.06, -1.55, 1.46, 1.17, -1.76, -0.72, 1.94, 0.22, -2, 0.3, 1.92, -0.8, -1.72, 1.24, 1.4, -1.6, -0.99, 1.85,
              0.51, -1.98, 0, 1.98,
            ], shape: [1, 2, 4, 3])
        ], [TensorLiteral([-0.48, 1.64, 0.055, -0.77, -1.36, 1.12, 1.58, 0.3, -1.66, -1.485, 0.925, 1.245], shape: [1, 2, 2, 3])],
        source: "PyTorch 2.15 float64"),
      OperatorExample(
        "overlapping windows", AdaptiveAveragePool(sizes: [3, 3]),
        [
          TensorLiteral(
            [0.59, 1.82, -1.06, -1.55, 1.46, 1.17, -1.76, -0.72, 1.94, 0.22, -2, 0.3, 1.92, -0.8, -1.72, 1.24, 1.4, -1.6, -0.99, 1.85],
            shape: [1, 1, 5, 4])
        ], [TensorLiteral([1.26, 0.0425, -1.2725, 0.985, -0.815, -0.7766666667, 0.23, -1.2775, 0.095], shape: [1, 1, 3, 3])],
        source: "PyTorch 2.15 float64"),
      OperatorExample(
        "more results than elements", AdaptiveAveragePool(sizes: [5]),
        [TensorLiteral([0.59, 1.82, -1.06, -1.55, 1.46, 1.17], shape: [1, 2, 3])],
        [TensorLiteral([0.59, 1.205, 1.82, 0.38, -1.06, -1.55, -0.045, 1.46, 1.315, 1.17], shape: [1, 2, 5])],
        source: "PyTorch 2.15 float64"),
      OperatorExample(
        "all positions", AdaptiveAveragePool(sizes: [1, 1]),
        [TensorLiteral([0.59, 1.82, -1.06, -1.55, 1.46, 1.17, -1.76, -0.72, 1.94, 0.22, -2, 0.3], shape: [1, 2, 2, 3])],
        [TensorLiteral([0.405, -0.3366666667], shape: [1, 2, 1, 1])], source: "PyTorch 2.15 float64"),
    ]
  }
}

extension GraphBuilder {
  /// Means over the last axes in as many windows as `sizes` says.
  public mutating func adaptiveAveragePool(_ x: ValueID, sizes: [Int]) throws -> ValueID {
    try add(AdaptiveAveragePool(sizes: sizes), [x])
  }
}
