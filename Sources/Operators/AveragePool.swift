import Basics
import GraphIR
import LoopIR

/// The mean of each window over the last axes, with or without the padding's zeros counted (PyTorch's `count_include_pad`).
public struct AveragePool: Operator {
  public static let name = "average_pool"
  public static let operandNames = ["x"]
  public static let formula = "y[…, i…] = sum of x over window i…, divided by the taps that count"
  public var window: Window
  /// Whether padding counts in the divisor.
  public var includePadding: Bool

  public init(_ window: Window, includePadding: Bool = false) {
    self.window = window
    self.includePadding = includePadding
  }

  private enum Key: CodingKey { case includePadding }

  public init(from decoder: Decoder) throws {
    window = try Window(from: decoder)
    includePadding = try decoder.container(keyedBy: Key.self).decode(Bool.self, forKey: .includePadding)
  }

  public func encode(to encoder: Encoder) throws {
    try window.encode(to: encoder)
    var container = encoder.container(keyedBy: Key.self)
    try container.encode(includePadding, forKey: .includePadding)
  }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    // ONNX counts what a last window has beyond the padding as well; where that matters, the sum and the division are written.
    guard !includePadding || !window.reachesBeyondPadding(call.operands[0], call.results[0]) else { return nil }
    return try call.pooled(window, "AveragePool", ["count_include_pad": .int(includePadding ? 1 : 0)]).map { [$0] }
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    return [TensorType(try requireFloat(Self.name, [operands[0].element]), try window.resultShape(Self.name, operands[0]))]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    .composite { builder, x in [try divided(builder.sumPool(x[0], window), operands[0], &builder)] }
  }

  /// Divided by the number of taps that count, which is one number where no window reaches outside.
  private func divided(_ sum: ValueID, _ x: TensorType, _ builder: inout GraphBuilder) throws -> ValueID {
    let isPadded = window.before.contains { $0 > 0 } || window.after.contains { $0 > 0 }
    guard window.ceil || isPadded && !includePadding else { return try builder.divide(sum, Double(window.taps)) }
    let count = PoolCount(window, sizes: window.sizes(of: x), includePadding: includePadding, x.element)
    return try builder.divide(sum, builder.add(count, []))
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let x = request.operands[0]
    return [try builder.sumPoolGradient(divided(request.cotangent, builder.type(x), &builder), window, of: x)]
  }

  public static let onnxRules = [
    ONNXRule("AveragePool") { node in
      let x = try node.value(0)
      let includePadding = try node.int("count_include_pad", 0) != 0
      return [try node.add(AveragePool(node.poolWindow(node.type(x)), includePadding: includePadding), x)]
    }
  ]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "2x2", AveragePool(Window(kernel: [2, 2], strides: [2, 2])),
        [TensorLiteral([1, 3, 2, 4, 5, 6, 7, 8, 9, 1, 2, 0, 3, 4, 5, 6], shape: [1, 1, 4, 4])],
        [TensorLiteral([3.75, 5.25, 4.25, 3.25], shape: [1, 1, 2, 2])], source: "course notes"),
      OperatorExample(
        "padding counted", AveragePool(Window(kernel: [3, 3], strides: [2, 2], before: [1, 1], after: [1, 1]), includePadding: true),
        [
          TensorLiteral(
            [
              0.59, 1.82, -1.06, -1.55, 1.46, 1.17, -1.76, -0.72, 1.94, 0.22, -2, 0.3, 1.92, -0.8, -1.72, 1.24, 1.4, -1.6, -0.99, 1.85,
              0.51, -1.98, 0, 1.98, -0.51, -1.85, 0.99, 1.6, -1.4, -1.23, 1.72, 0.79, -1.92, -0.3, 2, -0.22, -1.94, 0.72, 1.76, -1.17,
            ], shape: [1, 2, 5, 4])
        ],
        [
          TensorLiteral(
            [
              0.56, -0.2333333333, 0.6566666667, -0.4522222222, 0.1022222222, -0.2244444444, -0.4255555556, 0.0822222222, -0.8011111111,
              0.3888888889, -0.3822222222, 0.31,
            ], shape: [1, 2, 3, 2])
        ], source: "PyTorch 2.15 float64"),
      OperatorExample(
        "padding not counted", AveragePool(Window(kernel: [3, 3], strides: [2, 2], before: [1, 1], after: [1, 1])),
        [
          TensorLiteral(
            [
              0.59, 1.82, -1.06, -1.55, 1.46, 1.17, -1.76, -0.72, 1.94, 0.22, -2, 0.3, 1.92, -0.8, -1.72, 1.24, 1.4, -1.6, -0.99, 1.85,
              0.51, -1.98, 0, 1.98, -0.51, -1.85, 0.99, 1.6, -1.4, -1.23, 1.72, 0.79, -1.92, -0.3, 2, -0.22, -1.94, 0.72, 1.76, -1.17,
            ], shape: [1, 2, 5, 4])
        ],
        [
          TensorLiteral(
            [1.26, -0.35, 0.985, -0.4522222222, 0.23, -0.3366666667, -0.9575, 0.1233333333, -1.2016666667, 0.3888888889, -0.86, 0.465],
            shape: [1, 2, 3, 2])
        ], source: "PyTorch 2.15 float64"),
      OperatorExample(
        "a last window that does not fit, padding counted",
        AveragePool(Window(kernel: [3], strides: [2], before: [1], after: [1], ceil: true), includePadding: true),
        [TensorLiteral([0.59, 1.82, -1.06, -1.55, 1.46, 1.17, -1.76, -0.72, 1.94, 0.22, -2, 0.3], shape: [2, 1, 6])],
        [TensorLiteral([0.8033333333, -0.2633333333, 0.36, 0.585, -0.8266666667, 0.48, -0.4933333333, 0.15], shape: [2, 1, 4])],
        source: "PyTorch 2.15 float64"),
      OperatorExample(
        "a last window that does not fit", AveragePool(Window(kernel: [3], strides: [2], before: [1], after: [1], ceil: true)),
        [TensorLiteral([0.59, 1.82, -1.06, -1.55, 1.46, 1.17, -1.76, -0.72, 1.94, 0.22, -2, 0.3], shape: [2, 1, 6])],
        [TensorLiteral([1.205, -0.2633333333, 0.36, 1.17, -1.24, 0.48, -0.4933333333, 0.3], shape: [2, 1, 4])],
        source: "PyTorch 2.15 float64"),
    ]
  }
}

extension GraphBuilder {
  /// The mean of each window.
  public mutating func averagePool(_ x: ValueID, _ window: Window, includePadding: Bool = false) throws -> ValueID {
    try add(AveragePool(window, includePadding: includePadding), [x])
  }
}
