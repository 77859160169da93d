import Basics
import GraphIR
import LoopIR

/// Zero mean and unit variance over some axes, with the variance that divides by the count: the middle of batch and layer normalisation.
public struct Normalize: Operator {
  public static let name = "normalize"
  public static let operandNames = ["x"]
  public static let formula = "y = (x - mean x) / sqrt(variance x + epsilon), over the axes"
  public var axes: [Int]
  public var epsilon: Double

  public init(axes: [Int], epsilon: Double = 1e-5) {
    self.axes = axes
    self.epsilon = epsilon
  }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    let x = call.operands[0]
    let axes = axes.map { $0 < 0 ? $0 + x.rank : $0 }.sorted()
    let sizes = axes.compactMap { x.shape[$0].constant }
    guard !axes.isEmpty, axes == Array(x.rank - axes.count..<x.rank), sizes.count == axes.count else { return nil }
    let scale = HostTensor([Double](repeating: 1, count: sizes.reduce(1, *)), shape: sizes, element: x.element)
    let operands = [try call.operand(0), call.writer.constant(scale)]
    return call.writer.node("LayerNormalization", operands, ["axis": .int(axes[0]), "epsilon": .float(epsilon)], types: call.results)
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    _ = try requireFloat(Self.name, [operands[0].element])
    _ = try reducedType(operands[0], axes: axes, keepDims: true)
    return operands
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    .composite { builder, x in
      let centred = try builder.subtract(x[0], builder.mean(x[0], axes: axes, keepDims: true))
      return [try builder.multiply(centred, builder.reciprocalDeviation(x[0], axes: axes, epsilon: epsilon))]
    }
  }

  /// (dy - mean dy - y mean(dy y)) / sqrt(variance + epsilon).
  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let (x, y, dy) = (request.operands[0], request.result, request.cotangent)
    let shift = try builder.mean(dy, axes: axes, keepDims: true)
    let scale = try builder.mean(builder.multiply(dy, y), axes: axes, keepDims: true)
    let inner = try builder.subtract(builder.subtract(dy, shift), builder.multiply(y, scale))
    return [try builder.multiply(inner, builder.reciprocalDeviation(x, axes: axes, epsilon: epsilon))]
  }

  public static var examples: [OperatorExample] {
    let column = TensorLiteral([1, 2, 3, 4], shape: [4, 1])
    return [
      OperatorExample(
        "a batch", Normalize(axes: [0]), [column],
        [TensorLiteral([-1.34163542, -0.44721181, 0.44721181, 1.34163542], shape: [4, 1])], source: "course notes"),
      OperatorExample(
        "a batch, epsilon 0.001", Normalize(axes: [0], epsilon: 1e-3), [column],
        [TensorLiteral([-1.34110445, -0.44703482, 0.44703482, 1.34110445], shape: [4, 1])], source: "course notes"),
      OperatorExample(
        "rows", Normalize(axes: [-1]), [TensorLiteral([1, 2, 4, 0, -3, 5], shape: [2, 3])],
        [
          TensorLiteral([-1.069041531, -0.2672603829, 1.336301914, -0.2020304161, -1.111167289, 1.313197705], shape: [2, 3])
        ], source: "PyTorch 2.15 float64"),
    ]
  }
}

extension GraphBuilder {
  /// Zero mean and unit variance over `axes`.
  public mutating func normalize(_ x: ValueID, axes: [Int], epsilon: Double = 1e-5) throws -> ValueID {
    try add(Normalize(axes: axes, epsilon: epsilon), [x])
  }

  /// The mean squared distance from the mean over `axes` (divided by the count, not one less).
  public mutating func variance(_ x: ValueID, axes: [Int], keepDims: Bool = false) throws -> ValueID {
    try mean(square(subtract(x, mean(x, axes: axes, keepDims: true))), axes: axes, keepDims: keepDims)
  }

  /// 1 / sqrt(variance + epsilon), the reduced axes kept with size 1.
  mutating func reciprocalDeviation(_ x: ValueID, axes: [Int], epsilon: Double) throws -> ValueID {
    try rsqrt(add(variance(x, axes: axes, keepDims: true), epsilon))
  }
}
