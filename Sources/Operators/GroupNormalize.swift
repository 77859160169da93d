import Basics
import GraphIR
import LoopIR

/// Zero mean and unit variance over groups of neighbouring channels (axis 1) and all axes after it, with the variance that divides by the
/// count (Wu and He 2018). Only the statistics, [N, C], are reshaped; the tensor itself keeps its axes.
public struct GroupNormalize: Operator {
  public static let name = "group_normalize"
  public static let operandNames = ["x"]
  public static let formula = "y = (x - mean x) / sqrt(variance x + epsilon), over each group of channels"
  public var groups: Int
  public var epsilon: Double

  public init(groups: Int, epsilon: Double = 1e-5) {
    self.groups = groups
    self.epsilon = epsilon
  }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    let x = call.operands[0]
    // Each group is an instance's channel. ONNX Runtime has this for f32 alone.
    guard x.element == .f32, x.rank >= 3, let row = Dimension.product(x.shape.dropFirst())?.constant else { return nil }
    let grouped = try call.writer.reshape(call.operand(0), [x.shape[0], Dimension(groups), Dimension(row / groups)])
    let parameters = [1.0, 0].map { call.writer.constant(HostTensor([Double](repeating: $0, count: groups), element: x.element)) }
    let normal = call.writer.node(
      "InstanceNormalization", [grouped] + parameters, ["epsilon": .float(epsilon)], shape: grouped.shape)
    return [try call.writer.reshape(normal, x.shape)]
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    _ = try requireFloat(Self.name, [operands[0].element])
    guard operands[0].rank >= 2 else { throw TypeError("group_normalize needs a batch and channels, got \(operands[0])") }
    let channels = try requireConstant(Self.name, axis: 1, of: operands[0])
    guard groups >= 1, groups <= channels, channels % groups == 0 else {
      throw TypeError("group_normalize of \(operands[0]): \(groups) groups do not divide \(channels) channels")
    }
    return operands
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    .composite { builder, x in
      let (centred, scale) = try parts(x[0], &builder)
      return [try builder.multiply(centred, scale)]
    }
  }

  /// x - mean, and 1 / sqrt(variance + epsilon).
  private func parts(_ x: ValueID, _ builder: inout GraphBuilder) throws -> (centred: ValueID, scale: ValueID) {
    let centred = try builder.subtract(x, mean(x, &builder))
    return (centred, try builder.rsqrt(builder.add(mean(builder.square(centred), &builder), epsilon)))
  }

  /// The mean of each channel's group, [N, C, 1, …].
  private func mean(_ x: ValueID, _ builder: inout GraphBuilder) throws -> ValueID {
    let type = builder.type(x)
    let channels = type.shape[1].coefficient
    let shape: Shape = type.shape.prefix(2) + Array(repeating: Dimension(1), count: type.rank - 2)
    let each = try builder.mean(x, axes: Array(2..<type.rank))
    guard groups < channels else { return try builder.reshape(each, shape) }
    let grouped: Shape = [type.shape[0], Dimension(groups), Dimension(channels / groups)]
    let mean = try builder.mean(builder.reshape(each, grouped), axes: [2], keepDims: true)
    return try builder.reshape(builder.broadcast(mean, to: grouped), shape)
  }

  /// (dy - mean dy - y mean(dy y)) / sqrt(variance + epsilon).
  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let (y, dy) = (request.result, request.cotangent)
    let shifted = try builder.subtract(dy, mean(dy, &builder))
    let inner = try builder.subtract(shifted, builder.multiply(y, mean(builder.multiply(dy, y), &builder)))
    return [try builder.multiply(inner, parts(request.operands[0], &builder).scale)]
  }

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "two groups", GroupNormalize(groups: 2),
        [
          TensorLiteral(
            [
              0.59, 1.82, -1.06, -1.55, 1.46, 1.17, -1.76, -0.72, 1.94, 0.22, -2, 0.3, 1.92, -0.8, -1.72, 1.24, 1.4, -1.6, -0.99, 1.85,
              0.51, -1.98, 0, 1.98, -0.51, -1.85, 0.99, 1.6, -1.4, -1.23, 1.72, 0.79,
            ], shape: [2, 4, 2, 2])
        ],
        [
          TensorLiteral(
            [
              0.445925007, 1.365820619, -0.7880813017, -1.1545437813, 1.0965828789, 0.8796969216, -1.3115991297, -0.5338012139,
              1.2523239554, 0.0573185722, -1.4850720969, 0.1129002179, 1.2384285439, -0.6513474109, -1.2905363368, 0.7659845552,
              0.8638218604, -1.20314969, -0.7828654747, 1.173867593, 0.2506203005, -1.4649660863, -0.1007648631, 1.2634363602,
              -0.3920627727, -1.395144616, 0.7307900369, 1.1874168462, -1.0582887731, -0.9310321213, 1.277245071, 0.581076329,
            ], shape: [2, 4, 2, 2])
        ], source: "PyTorch 2.15 float64"),
      OperatorExample(
        "one group", GroupNormalize(groups: 1, epsilon: 0.1),
        [TensorLiteral([0.59, 1.82, -1.06, -1.55, 1.46, 1.17, -1.76, -0.72, 1.94, 0.22, -2, 0.3], shape: [2, 3, 2])],
        [
          TensorLiteral(
            [
              0.141177848, 1.0798197561, -1.1179759312, -1.4919064475, 0.8050952952, 0.5837894794, -1.0308808333, -0.2776376951,
              1.6489264851, 0.4031782182, -1.2047061728, 0.461119998,
            ], shape: [2, 3, 2])
        ], source: "PyTorch 2.15 float64"),
      OperatorExample(
        "a group a channel", GroupNormalize(groups: 2), [TensorLiteral([0.59, 1.82, -1.06, -1.55, 1.46, 1.17], shape: [1, 2, 3])],
        [TensorLiteral([0.1186521634, 1.1610961706, -1.279748334, -1.4088071797, 0.8113549203, 0.5974522595], shape: [1, 2, 3])],
        source: "PyTorch 2.15 float64"),
    ]
  }
}

extension GraphBuilder {
  /// Zero mean and unit variance over each group of channels.
  public mutating func groupNormalize(_ x: ValueID, groups: Int, epsilon: Double = 1e-5) throws -> ValueID {
    try add(GroupNormalize(groups: groups, epsilon: epsilon), [x])
  }
}
