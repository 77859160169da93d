import Basics
import GraphIR
import LoopIR

/// Batch normalisation as training computes it: zero mean and unit variance over all axes but one, then a scale and a shift for each position
/// of that axis (Ioffe and Szegedy 2015).
public struct BatchNormalize: Operator {
  public static let name = "batch_normalize"
  public static let operandNames = ["x", "scale", "shift"]
  public static let formula = "y = (x - mean x) / sqrt(variance x + epsilon) scale + shift, over all axes but one"
  /// The axis of features or channels.
  public var axis: Int
  public var epsilon: Double

  public init(axis: Int, epsilon: Double = 1e-5) {
    self.axis = axis
    self.epsilon = epsilon
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    _ = try requireFloats(Self.name, operands.map(\.element))
    let features = [operands[0].shape[try resolveAxis(Self.name, axis, operands[0])]]
    for operand in operands.dropFirst() where operand.shape != features {
      throw TypeError("\(Self.name) of \(operands[0]): scale and shift must have \(features[0]) elements, got \(operand)")
    }
    return [operands[0]]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    .composite { builder, x in
      let normal = try builder.normalize(x[0], axes: others(builder.type(x[0])), epsilon: epsilon)
      let scaled = try builder.multiply(normal, vector(x[1], like: x[0], &builder))
      return [try builder.add(scaled, vector(x[2], like: x[0], &builder))]
    }
  }

  /// With z = (x - mean) / deviation: dshift = sum dy, dscale = sum dy z, dx = scale / deviation (dy - mean dy - z mean(dy z)). Both means are
  /// those sums again, so that one pass over dy and x is enough before dx.
  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let (x, scale, dy) = (request.operands[0], request.operands[1], request.cotangent)
    let axes = others(builder.type(x))
    let normal = try builder.normalize(x, axes: axes, epsilon: epsilon)
    let dshift = try builder.sum(dy, axes: axes)
    let dscale = try builder.sum(builder.multiply(dy, normal), axes: axes)
    let count = try builder.size(of: axes.map { builder.type(x).shape[$0] }, builder.type(x).element)
    let factor = try builder.multiply(
      vector(scale, like: x, &builder), builder.reciprocalDeviation(x, axes: axes, epsilon: epsilon))
    let centred = try builder.subtract(dy, vector(builder.divide(dshift, count), like: x, &builder))
    let slope = try builder.multiply(normal, vector(builder.divide(dscale, count), like: x, &builder))
    return [try builder.multiply(builder.subtract(centred, slope), factor), dscale, dshift]
  }

  /// All axes but the features'.
  private func others(_ type: TensorType) -> [Int] {
    let own = axis < 0 ? axis + type.rank : axis
    return (0..<type.rank).filter { $0 != own }
  }

  /// A vector of the features in a shape that broadcasts to x.
  private func vector(_ value: ValueID, like x: ValueID, _ builder: inout GraphBuilder) throws -> ValueID {
    let type = builder.type(x)
    let own = axis < 0 ? axis + type.rank : axis
    return try builder.reshape(value, type.shape.indices.map { $0 == own ? type.shape[own] : 1 })
  }

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "two features", BatchNormalize(axis: 1, epsilon: 1e-5),
        [
          TensorLiteral([1, 4, 2, 3, 3, 2, 4, 1], shape: [4, 2]), TensorLiteral([1, 2]), TensorLiteral([0, 10]),
        ],
        [
          TensorLiteral(
            [-1.34163542, 12.68327084, -0.44721181, 10.89442362, 0.44721181, 9.10557638, 1.34163542, 7.31672916], shape: [4, 2])
        ], source: "course notes, scaled and shifted by hand"),
      OperatorExample(
        "channels of images", BatchNormalize(axis: 1, epsilon: 0),
        [
          TensorLiteral([1, 3, 10, 30, 5, 7, 10, 30], shape: [2, 2, 1, 2]), TensorLiteral([2.23606797749979, 3]), TensorLiteral([1, -1]),
        ],
        [TensorLiteral([-2, 0, -4, 2, 2, 4, -4, 2], shape: [2, 2, 1, 2])], source: "by hand"),
    ]
  }
}

extension GraphBuilder {
  /// Zero mean and unit variance over all axes but `axis`, then a scale and a shift for each of its positions.
  public mutating func batchNormalize(_ x: ValueID, scale: ValueID, shift: ValueID, axis: Int, epsilon: Double = 1e-5) throws -> ValueID {
    try add(BatchNormalize(axis: axis, epsilon: epsilon), [x, scale, shift])
  }
}
