import Basics
import GraphIR
import LoopIR

/// The gradient of a convolution with respect to its input: each element of y is spread over the elements of x that made it. It is also the
/// transposed convolution of y [N, O, P…] with filters [O, C/groups, K…] to x [N, C, S…] (in a network the two names of the channels change
/// places).
public struct ConvolutionInputGradient: Operator {
  public static let name = "convolution_input_gradient"
  public static let operandNames = ["dy", "filter"]
  public static let formula = "dx[n, c, s] = sum over o, p, t with s = stride p + dilation t - padding of dy[n, o, p] filter[o, c, t]"
  public var window: ConvolutionWindow
  /// The spatial sizes of x: several fit one y where the stride leaves a rest.
  public var sizes: [Int]

  public init(_ window: ConvolutionWindow, sizes: [Int]) {
    self.window = window
    self.sizes = sizes
  }

  private enum CodingKeys: CodingKey { case sizes }

  public init(from decoder: Decoder) throws {
    window = try ConvolutionWindow(from: decoder)
    sizes = try decoder.container(keyedBy: CodingKeys.self).decode([Int].self, forKey: .sizes)
  }

  public func encode(to encoder: Encoder) throws {
    try window.encode(to: encoder)
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(sizes, forKey: .sizes)
  }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    try window.requireONNX(call, paddings: window.paddingBefore)
    let (x, kernel) = (call.operands[0], call.operands[1].shape.dropFirst(2).map(\.coefficient))
    // What the taps reach beyond the result is padding, and what the result has beyond them output_padding.
    let ends = kernel.indices.map { k in
      (x.shape[2 + k].coefficient - 1) * window.strides[k] + window.dilations[k] * (kernel[k] - 1) + 1 - window.paddingBefore[k] - sizes[k]
    }
    let attributes: ONNXAttributes = [
      "dilations": .ints(window.dilations), "group": .int(window.groups), "kernel_shape": .ints(kernel),
      "output_padding": .ints(ends.map { max(0, -$0) }), "pads": .ints(window.paddingBefore + ends.map { max(0, $0) }),
      "strides": .ints(window.strides),
    ]
    return try call.node("ConvTranspose", attributes)
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    let (dy, filter) = (operands[0], operands[1])
    let element = try requireFloats(Self.name, [dy.element, filter.element])
    let given = try spatialSizes(Self.name, dy, "an operand")
    try window.check(Self.name, rank: given.count)
    guard sizes.count == given.count, sizes.allSatisfy({ $0 >= 1 }) else {
      throw TypeError("\(Self.name): needs one size of at least 1 for each of \(given.count) spatial axes, got \(sizes)")
    }
    let kernel = try filterSizes(Self.name, filter, rank: sizes.count)
    let channels = try window.channels(Self.name, filter: filter)
    let expected = try window.outputSizes(Self.name, sizes, kernel)
    guard dy.shape[1].constant == channels.y, given == expected else {
      throw TypeError(
        "\(Self.name) of \(dy) with filters \(filter): \(channels.y) channels of \(expected) would belong to an input of \(sizes)")
    }
    return [TensorType(element, [dy.shape[0], Dimension(channels.x)] + sizes.map { Dimension($0) })]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering { .convolution(window.convolution(.inputGradient)) }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let (dy, filter, cotangent) = (request.operands[0], request.operands[1], request.cotangent)
    let kernel = builder.type(filter).shape.dropFirst(2).map(\.coefficient)
    return [
      try builder.convolution(cotangent, filter, window),
      try builder.add(ConvolutionFilterGradient(window, kernel: kernel), [cotangent, dy]),
    ]
  }

  public static let onnxRules = [
    ONNXRule("ConvTranspose") { node in
      let (x, filter) = (try node.value(0), try node.value(1))
      let op = try transposed(node, node.type(x), node.type(filter))
      return [try node.biased(node.add(op, x, filter), operand: 2)]
    }
  ]

  /// ONNX's `ConvTranspose` of x [N, C, P…] with filters [C, O/groups, K…]: where the sizes of the result are given, by number or as
  /// multiples of x's, the padding follows from them.
  private static func transposed(_ node: ONNXNode, _ x: TensorType, _ filter: TensorType) throws -> ConvolutionInputGradient {
    let given = try node.spatialSizes(x)
    guard filter.rank == x.rank, filter.shape.allSatisfy({ $0.symbol == nil }) else {
      throw Diagnostic("a filter over \(x) must have \(x.rank) axes of known sizes, got \(filter)")
    }
    var window = try ONNXWindow(node, rank: given.count, kernel: filter.shape.dropFirst(2).map(\.coefficient))
    let extra = try node.ints("output_padding").map { Array($0.prefix(given.count)) } ?? given.map { _ in 0 }
    let isSame = window.autoPad.hasPrefix("SAME")
    var sizes: [Int]?
    if let shape = try node.ints("output_shape"), !shape.isEmpty { sizes = Array(shape.suffix(given.count)) }
    if sizes == nil, isSame { sizes = given.indices.map { given[$0] * window.strides[$0] } }
    guard extra.count == given.count, sizes.map({ $0.count == given.count }) ?? true else {
      throw Diagnostic("attributes 'output_padding' and 'output_shape' need one number for each of \(given.count) spatial axes")
    }
    guard (extra + (sizes ?? [])).allSatisfy({ (0...1 << 31).contains($0) }) else {
      throw Diagnostic("attributes 'output_padding' and 'output_shape' must lie in 0 ... 2^31, got \(extra) and \(sizes ?? [])")
    }
    window.resolvePadding(given)
    for k in given.indices {
      let whole = (given[k] - 1) * window.strides[k] + extra[k] + window.span(k)
      guard let size = sizes?[k] else { continue }
      if isSame || node.attributes["pads"] == nil { window.split(max(0, whole - size), k, upper: window.autoPad == "SAME_UPPER") }
    }
    let results = given.indices.map { k in
      sizes?[k] ?? (given[k] - 1) * window.strides[k] + extra[k] + window.span(k) - window.before[k] - window.after[k]
    }
    // The padding after that these sizes come to: what is added at the end meets no element of x.
    let after = given.indices.map { k in (given[k] - 1) * window.strides[k] + window.span(k) - window.before[k] - results[k] }
    return ConvolutionInputGradient(
      ConvolutionWindow(
        strides: window.strides, dilations: window.dilations, paddingBefore: window.before, paddingAfter: after,
        groups: try node.int("group", 1)), sizes: results)
  }

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "one axis, stride 2", ConvolutionInputGradient(ConvolutionWindow(rank: 1, stride: 2), sizes: [5]),
        [TensorLiteral([1, 2], shape: [1, 1, 2]), TensorLiteral([1, 10, 100], shape: [1, 1, 3])],
        [TensorLiteral([1, 10, 102, 20, 200], shape: [1, 1, 5])], source: "by hand"),
      OperatorExample(
        "2x2 filter with padding 1", ConvolutionInputGradient(ConvolutionWindow(rank: 2, padding: 1), sizes: [1, 1]),
        [TensorLiteral([1, 2, 3, 4], shape: [1, 1, 2, 2]), TensorLiteral([1, 10, 100, 1000], shape: [1, 1, 2, 2])],
        [TensorLiteral([1000 + 200 + 30 + 4], shape: [1, 1, 1, 1])], source: "by hand"),
    ]
  }
}

extension GraphBuilder {
  /// The transposed convolution of x [N, C, P…] with filters [C, O/groups, K…], as PyTorch defines it: the sizes of the result are
  /// (size - 1)·stride - padding + dilation·(kernel - 1) + 1 + outputPadding.
  public mutating func transposedConvolution(_ x: ValueID, _ filter: ValueID, _ window: ConvolutionWindow, outputPadding: [Int]? = nil)
    throws -> ValueID
  {
    let (given, kernel) = (type(x).shape.dropFirst(2).map(\.coefficient), type(filter).shape.dropFirst(2).map(\.coefficient))
    guard given.count == kernel.count, window.strides.count == given.count else {
      throw TypeError("transposed convolution of \(type(x)) with filters \(type(filter)): their spatial axes do not fit")
    }
    var window = window
    let sizes = given.indices.map { axis in
      (given[axis] - 1) * window.strides[axis] - window.paddingBefore[axis] - window.paddingAfter[axis]
        + window.dilations[axis] * (kernel[axis] - 1) + 1 + (outputPadding?[axis] ?? 0)
    }
    // The padding that the sizes come to: what outputPadding adds at the end is not seen by any element of x.
    for axis in given.indices { window.paddingAfter[axis] -= outputPadding?[axis] ?? 0 }
    return try add(ConvolutionInputGradient(window, sizes: sizes), [x, filter])
  }
}
