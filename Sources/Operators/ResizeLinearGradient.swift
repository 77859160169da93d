import Basics
import GraphIR
import LoopIR

/// The gradient of `resize_linear`: each element collects the cotangents of the results near it, with their weights.
public struct ResizeLinearGradient: Operator {
  public static let name = "resize_linear_gradient"
  public static let operandNames = ["dy"]
  public static let formula = "dx[…, p, …] = sum over i of max(0, 1 - |s(i) - p|) dy[…, i, …]"
  /// A negative one counts from the end.
  public var axis: Int
  /// The size of the result along the axis.
  public var size: Int
  public var alignCorners: Bool

  public init(axis: Int, size: Int, alignCorners: Bool = false) {
    self.axis = axis
    self.size = size
    self.alignCorners = alignCorners
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    _ = try requireFloat(Self.name, [operands[0].element])
    return [try resizedType(Self.name, operands[0], axis: axis, size)]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    let axis = axis < 0 ? axis + results[0].rank : axis
    let element = results[0].element
    let grid = ResizeGrid(from: size, to: operands[0].shape[axis].coefficient, alignCorners: alignCorners)
    let p = Index.variable("i\(axis)")
    let i = grid.first(p) + .variable("r0")
    let distance = grid.position(i) - p * grid.unit
    let near = Index.maximum(distance, distance * -1)
    var indices = results[0].shape.indices.map { Index.variable("i\($0)") }
    indices[axis] = i
    let condition = Scalar.all([.below(i, .constant(grid.m)), .below(near, .constant(grid.unit))])!
    let value = Scalar.element(0, indices) * grid.weight(.constant(grid.unit) - near, element)
    return .reduction(Reduction(.sum, extents: [Dimension(grid.reach)], body: .select(condition, value, .constant(0, element))))
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let dy = builder.type(request.operands[0])
    let size = dy.shape[axis < 0 ? axis + dy.rank : axis].coefficient
    return [try builder.add(ResizeLinear(axis: axis, size: size, alignCorners: alignCorners), [request.cotangent])]
  }

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "of twice", ResizeLinearGradient(axis: 1, size: 3), [TensorLiteral([0.59, 1.82, -1.06, -1.55, 1.46, 1.17], shape: [1, 6])],
        [TensorLiteral([1.69, -1.1375, 1.8775], shape: [1, 3])], source: "PyTorch 2.15 float64"),
      OperatorExample(
        "of fewer", ResizeLinearGradient(axis: 1, size: 7), [TensorLiteral([0.59, 1.82, -1.06], shape: [1, 3])],
        [TensorLiteral([0.1966666667, 0.3933333333, 0, 1.82, 0, -0.7066666667, -0.3533333333], shape: [1, 7])],
        source: "PyTorch 2.15 float64"),
      OperatorExample(
        "of aligned corners", ResizeLinearGradient(axis: 1, size: 4, alignCorners: true),
        [TensorLiteral([0.59, 1.82, -1.06, -1.55, 1.46, 1.17, -1.76], shape: [1, 7])],
        [TensorLiteral([1.5, -0.925, 1.27, -1.175], shape: [1, 4])], source: "PyTorch 2.15 float64"),
      OperatorExample(
        "of fewer, aligned corners", ResizeLinearGradient(axis: 1, size: 5, alignCorners: true),
        [TensorLiteral([0.59, 1.82], shape: [1, 2])], [TensorLiteral([0.59, 0, 0, 0, 1.82], shape: [1, 5])], source: "PyTorch 2.15 float64"),
      OperatorExample(
        "of one of many", ResizeLinearGradient(axis: 1, size: 3), [TensorLiteral([0.59], shape: [1, 1])],
        [TensorLiteral([0, 0.59, 0], shape: [1, 3])], source: "PyTorch 2.15 float64"),
      OperatorExample(
        "of many of one", ResizeLinearGradient(axis: 1, size: 1), [TensorLiteral([0.59, 1.82, -1.06, -1.55], shape: [1, 4])],
        [TensorLiteral([-0.2], shape: [1, 1])], source: "PyTorch 2.15 float64"),
    ]
  }
}
