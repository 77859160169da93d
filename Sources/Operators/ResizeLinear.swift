import Basics
import GraphIR
import LoopIR

/// One axis with another size, by linear interpolation between neighbours; two axes one after the other make PyTorch's `bilinear`.
/// Result i lies at s = i (n - 1) / (m - 1) with aligned corners, else at s = (i + ½) n / m - ½, moved into 0 ... n - 1. Positions are
/// fractions of whole numbers, so weights are exact before they are rounded once.
public struct ResizeLinear: Operator {
  public static let name = "resize_linear"
  public static let operandNames = ["x"]
  public static let formula = "y[…, i, …] = (1 - w) x[…, p, …] + w x[…, p + 1, …], p + w = s(i)"
  /// A negative one counts from the end.
  public var axis: Int
  public var size: Int
  /// Whether first and last elements stay first and last.
  public var alignCorners: Bool

  public init(axis: Int, size: Int, alignCorners: Bool = false) {
    self.axis = axis
    self.size = size
    self.alignCorners = alignCorners
  }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    let x = try call.operand(0)
    let axis = axis < 0 ? axis + x.rank : axis
    // ONNX Runtime has this for f32 alone, and for images.
    guard x.element == .f32, axis >= 2, x.rank <= 4 else {
      let grid = ResizeGrid(from: x.shape[axis].coefficient, to: size, alignCorners: alignCorners)
      return [try call.writer.combined(x, axis: axis, weights: grid.weights)]
    }
    let attributes: ONNXAttributes = [
      "axes": .ints([axis]), "coordinate_transformation_mode": .string(alignCorners ? "align_corners" : "half_pixel"),
      "mode": .string("linear"),
    ]
    return call.writer.node("Resize", [x, nil, nil, call.writer.integers([size])], attributes, types: call.results)
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    _ = try requireFloat(Self.name, [operands[0].element])
    return [try resizedType(Self.name, operands[0], axis: axis, size)]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    let axis = axis < 0 ? axis + results[0].rank : axis
    let element = results[0].element
    let grid = ResizeGrid(from: operands[0].shape[axis].coefficient, to: size, alignCorners: alignCorners)
    let position = grid.position(.variable("i\(axis)"))
    func neighbour(_ index: Index) -> Scalar {
      var indices = results[0].shape.indices.map { Index.variable("i\($0)") }
      indices[axis] = index
      return .element(0, indices)
    }
    let low = Index.divide(position, grid.unit)
    let high = Index.minimum(low + 1, .constant(grid.n - 1))
    let rest = Index.remainder(position, grid.unit)
    let weights = [.constant(grid.unit) - rest, rest].map { grid.weight($0, element) }
    return .map(neighbour(low) * weights[0] + neighbour(high) * weights[1])
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let x = builder.type(request.operands[0])
    let size = x.shape[axis < 0 ? axis + x.rank : axis].coefficient
    return [try builder.add(ResizeLinearGradient(axis: axis, size: size, alignCorners: alignCorners), [request.cotangent])]
  }

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "twice", ResizeLinear(axis: 2, size: 8), [TensorLiteral([0.59, 1.82, -1.06, -1.55, 1.46, 1.17, -1.76, -0.72], shape: [1, 2, 4])],
        [
          TensorLiteral(
            [0.59, 0.8975, 1.5125, 1.1, -0.34, -1.1825, -1.4275, -1.55, 1.46, 1.3875, 1.2425, 0.4375, -1.0275, -1.5, -0.98, -0.72],
            shape: [1, 2, 8])
        ], source: "PyTorch 2.15 float64"),
      OperatorExample(
        "fewer", ResizeLinear(axis: -1, size: 3), [TensorLiteral([0.59, 1.82, -1.06, -1.55, 1.46, 1.17, -1.76, -0.72], shape: [1, 2, 4])],
        [TensorLiteral([0.795, 0.38, -1.4683333333, 1.4116666667, -0.295, -0.8933333333], shape: [1, 2, 3])], source: "PyTorch 2.15 float64"
      ),
      OperatorExample(
        "aligned corners", ResizeLinear(axis: 2, size: 7, alignCorners: true),
        [TensorLiteral([0.59, 1.82, -1.06, -1.55, 1.46, 1.17, -1.76, -0.72], shape: [1, 2, 4])],
        [
          TensorLiteral([0.59, 1.205, 1.82, 0.38, -1.06, -1.305, -1.55, 1.46, 1.315, 1.17, -0.295, -1.76, -1.24, -0.72], shape: [1, 2, 7])
        ], source: "PyTorch 2.15 float64"),
      OperatorExample(
        "fewer, aligned corners", ResizeLinear(axis: 2, size: 2, alignCorners: true),
        [TensorLiteral([0.59, 1.82, -1.06, -1.55, 1.46, 1.17, -1.76, -0.72], shape: [1, 2, 4])],
        [TensorLiteral([0.59, -1.55, 1.46, -0.72], shape: [1, 2, 2])], source: "PyTorch 2.15 float64"),
      OperatorExample(
        "one, aligned corners", ResizeLinear(axis: 2, size: 1, alignCorners: true),
        [TensorLiteral([0.59, 1.82, -1.06, -1.55, 1.46, 1.17, -1.76, -0.72], shape: [1, 2, 4])],
        [TensorLiteral([0.59, 1.46], shape: [1, 2, 1])], source: "PyTorch 2.15 float64"),
      OperatorExample(
        "an axis in the middle", ResizeLinear(axis: 1, size: 5),
        [TensorLiteral([0.59, 1.82, -1.06, -1.55, 1.46, 1.17, -1.76, -0.72, 1.94, 0.22, -2, 0.3], shape: [1, 4, 3])],
        [
          TensorLiteral(
            [0.59, 1.82, -1.06, -0.908, 1.568, 0.501, -1.655, 0.37, 1.555, -1.166, -1.104, 1.448, 0.22, -2, 0.3], shape: [1, 5, 3])
        ], source: "PyTorch 2.15 float64"),
    ]
  }
}

extension GraphBuilder {
  /// The last axes with other sizes by linear interpolation along each.
  public mutating func resizeLinear(_ x: ValueID, sizes: [Int], alignCorners: Bool = false) throws -> ValueID {
    let rank = type(x).rank
    return try sizes.enumerated().reduce(x) { value, entry in
      let axis = rank - sizes.count + entry.offset
      guard type(value).shape[axis] != Dimension(entry.element) else { return value }
      return try add(ResizeLinear(axis: axis, size: entry.element, alignCorners: alignCorners), [value])
    }
  }
}
