import Basics
import GraphIR
import LoopIR

/// The last axes with other sizes, each element that of x at floor(i n / m) (PyTorch's `nearest` with a size given).
public struct ResizeNearest: Operator {
  public static let name = "resize_nearest"
  public static let operandNames = ["x"]
  public static let formula = "y[…, i…] = x[…, floor(i n / m)…], from n elements to m"
  /// Sizes of the result along the last axes.
  public var sizes: [Int]

  public init(sizes: [Int]) { self.sizes = sizes }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    var y = try call.operand(0)
    let first = y.rank - sizes.count
    let old = y.shape.suffix(sizes.count).map(\.coefficient)
    if y.element == .f32, zip(sizes, old).allSatisfy({ $0 % $1 == 0 }) {
      let scales = HostTensor(zip(sizes, old).map { Double($0 / $1) }, element: .f32)
      let attributes: ONNXAttributes = [
        "axes": .ints(Array(first..<y.rank)), "coordinate_transformation_mode": .string("asymmetric"), "mode": .string("nearest"),
        "nearest_mode": .string("floor"),
      ]
      return call.writer.node("Resize", [y, nil, call.writer.constant(scales)], attributes, types: call.results)
    }
    // Other scales are not exact as the floats that Resize computes positions in.
    for (k, (n, m)) in zip(old, sizes).enumerated() where n != m {
      var shape = y.shape
      shape[first + k] = Dimension(m)
      let positions = call.writer.integers((0..<m).map { $0 * n / m })
      y = call.writer.node("Gather", [y, positions], ["axis": .int(first + k)], shape: shape)
    }
    return [y]
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    return [try resizedType(Self.name, operands[0], sizes)]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    let first = results[0].rank - sizes.count
    var indices = results[0].shape.indices.map { Index.variable("i\($0)") }
    for (k, m) in sizes.enumerated() { indices[first + k] = .divide(indices[first + k] * operands[0].shape[first + k].coefficient, m) }
    return .map(.element(0, indices))
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let x = builder.type(request.operands[0])
    return [try builder.add(ResizeNearestGradient(sizes: x.shape.suffix(sizes.count).map(\.coefficient)), [request.cotangent])]
  }

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "twice", ResizeNearest(sizes: [6, 4]),
        [TensorLiteral([0.59, 1.82, -1.06, -1.55, 1.46, 1.17, -1.76, -0.72, 1.94, 0.22, -2, 0.3], shape: [1, 2, 3, 2])],
        [
          TensorLiteral(
            [
              0.59, 0.59, 1.82, 1.82, 0.59, 0.59, 1.82, 1.82, -1.06, -1.06, -1.55, -1.55, -1.06, -1.06, -1.55, -1.55, 1.46, 1.46, 1.17,
              1.17, 1.46, 1.46, 1.17, 1.17, -1.76, -1.76, -0.72, -0.72, -1.76, -1.76, -0.72, -0.72, 1.94, 1.94, 0.22, 0.22, 1.94, 1.94,
              0.22, 0.22, -2, -2, 0.3, 0.3, -2, -2, 0.3, 0.3,
            ], shape: [1, 2, 6, 4])
        ], source: "PyTorch 2.15 float64"),
      OperatorExample(
        "five thirds and a half", ResizeNearest(sizes: [5, 1]),
        [TensorLiteral([0.59, 1.82, -1.06, -1.55, 1.46, 1.17, -1.76, -0.72, 1.94, 0.22, -2, 0.3], shape: [1, 2, 3, 2])],
        [TensorLiteral([0.59, 0.59, -1.06, -1.06, 1.46, -1.76, -1.76, 1.94, 1.94, -2], shape: [1, 2, 5, 1])], source: "PyTorch 2.15 float64"
      ),
    ]
  }
}

extension GraphBuilder {
  /// The last axes with other sizes by repeating or leaving out elements.
  public mutating func resizeNearest(_ x: ValueID, sizes: [Int]) throws -> ValueID { try add(ResizeNearest(sizes: sizes), [x]) }
}
