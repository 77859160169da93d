import Basics
import GraphIR
import LoopIR

/// A convolution of x [N, C, S…] with filters [O, C/groups, K…] (a correlation: the filter is not turned), as ONNX and PyTorch define it.
public struct Convolve: Operator {
  public static let name = "convolution"
  public static let operandNames = ["x", "filter"]
  public static let formula = "y[n, o, p] = sum over c, t of x[n, c, stride p + dilation t - padding] filter[o, c, t]"
  public var window: ConvolutionWindow

  public init(_ window: ConvolutionWindow) { self.window = window }

  public init(from decoder: Decoder) throws { window = try ConvolutionWindow(from: decoder) }

  public func encode(to encoder: Encoder) throws { try window.encode(to: encoder) }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    try window.requireONNX(call, paddings: window.paddingBefore + window.paddingAfter)
    let attributes: ONNXAttributes = [
      "dilations": .ints(window.dilations), "group": .int(window.groups),
      "kernel_shape": .ints(call.operands[1].shape.dropFirst(2).map(\.coefficient)),
      "pads": .ints(window.paddingBefore + window.paddingAfter), "strides": .ints(window.strides),
    ]
    return try call.node("Conv", attributes)
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    let (x, filter) = (operands[0], operands[1])
    let element = try requireNumbers(Self.name, [x.element, filter.element])
    let sizes = try spatialSizes(Self.name, x, "an input")
    try window.check(Self.name, rank: sizes.count)
    let kernel = try filterSizes(Self.name, filter, rank: sizes.count)
    let channels = try window.channels(Self.name, filter: filter)
    guard x.shape[1].constant == channels.x else {
      throw TypeError(
        "convolution of \(x) with filters \(filter)\(window.groups > 1 ? " in \(window.groups) groups" : ""): the input has \(x.shape[1])"
          + " channels, the filters want \(channels.x)")
    }
    let output = try window.outputSizes(Self.name, sizes, kernel)
    return [TensorType(element, [x.shape[0], Dimension(channels.y)] + output.map { Dimension($0) })]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering { .convolution(window.convolution(.forward)) }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let (x, filter, dy) = (request.operands[0], request.operands[1], request.cotangent)
    let (xShape, filterShape) = (builder.type(x).shape, builder.type(filter).shape)
    return [
      try builder.add(ConvolutionInputGradient(window, sizes: xShape.dropFirst(2).map(\.coefficient)), [dy, filter]),
      try builder.add(ConvolutionFilterGradient(window, kernel: filterShape.dropFirst(2).map(\.coefficient)), [x, dy]),
    ]
  }

  public static let onnxRules = [
    ONNXRule("Conv") { node in
      let (x, filter) = (try node.value(0), try node.value(1))
      let window = try node.convolutionWindow(node.type(x), filter: node.type(filter))
      return [try node.biased(node.graph.convolution(x, filter, window), operand: 2)]
    }
  ]

  public static var examples: [OperatorExample] {
    let image = TensorLiteral([1, 2, 3, 4, 5, 6, 7, 8, 9], shape: [1, 1, 3, 3])
    return [
      OperatorExample(
        "2x2 over 3x3", Convolve(ConvolutionWindow(rank: 2)), [image, TensorLiteral([1, 0, 0, -1], shape: [1, 1, 2, 2])],
        [TensorLiteral([-4, -4, -4, -4], shape: [1, 1, 2, 2])], source: "by hand"),
      OperatorExample(
        "padding, stride 2", Convolve(ConvolutionWindow(rank: 2, stride: 2, padding: 1)),
        [image, TensorLiteral([0, 1, 0, 1, 1, 1, 0, 1, 0], shape: [1, 1, 3, 3])],
        [TensorLiteral([7, 11, 19, 23], shape: [1, 1, 2, 2])], source: "by hand"),
      OperatorExample(
        "one axis, dilation 2", Convolve(ConvolutionWindow(rank: 1, dilation: 2)),
        [TensorLiteral([1, 2, 3, 4, 5], shape: [1, 1, 5]), TensorLiteral([1, 10], shape: [1, 1, 2])],
        [TensorLiteral([31, 42, 53], shape: [1, 1, 3])], source: "by hand"),
      OperatorExample(
        "two groups", Convolve(ConvolutionWindow(rank: 1, groups: 2)),
        [TensorLiteral([1, 2, 3, 4], shape: [1, 2, 2]), TensorLiteral([2, 5], shape: [2, 1, 1])],
        [TensorLiteral([2, 4, 15, 20], shape: [1, 2, 2])], source: "by hand"),
      OperatorExample(
        "asymmetric padding", Convolve(ConvolutionWindow(strides: [1], dilations: [1], paddingBefore: [0], paddingAfter: [2])),
        [TensorLiteral([1, 2, 3], shape: [1, 1, 3]), TensorLiteral([1, 1, 1], shape: [1, 1, 3])],
        [TensorLiteral([6, 5, 3], shape: [1, 1, 3])], source: "by hand"),
      OperatorExample(
        "three axes", Convolve(ConvolutionWindow(rank: 3, stride: 2, padding: 1)),
        [
          TensorLiteral([1, 2, 3, 4, 5, 6, 7, 8], shape: [1, 1, 2, 2, 2]),
          TensorLiteral([1, 2, 3, 4, 5, 6, 7, 8], shape: [1, 1, 2, 2, 2]),
        ], [TensorLiteral([8, 14, 18, 20, 20, 18, 14, 8], shape: [1, 1, 2, 2, 2])], source: "by hand"),
    ]
  }
}

extension GraphBuilder {
  /// The convolution of x [N, C, S…] with filters [O, C/groups, K…].
  public mutating func convolution(_ x: ValueID, _ filter: ValueID, _ window: ConvolutionWindow) throws -> ValueID {
    try add(Convolve(window), [x, filter])
  }
}
