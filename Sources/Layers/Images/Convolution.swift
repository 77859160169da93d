import Basics
import GraphIR
import Operators

/// What the layers of convolution have in common beside the window.
public struct ConvolutionOptions: Sendable {
  public var groups = 1
  public var bias = true
  public var activation: Activation?
  public var initializer = Initializer.xavierUniform
  /// Factors of Σ|w| and ½ Σ w² in the training loss.
  public var l1 = 0.0
  public var l2 = 0.0

  public init(
    groups: Int = 1, bias: Bool = true, activation: Activation? = nil, initializer: Initializer = .xavierUniform, l1: Double = 0,
    l2: Double = 0
  ) {
    (self.groups, self.bias, self.activation, self.initializer, self.l1, self.l2) = (groups, bias, activation, initializer, l1, l2)
  }
}

extension ModelBuilder {
  /// A convolution over as many spatial axes as the window has, with filters `weight` [filters, channels / groups, kernel…] and a bias
  /// [filters] that begins at zero and never decays: PyTorch's names and shapes, whatever the model's layout.
  public mutating func convolution(
    _ x: ValueID, filters: Int, _ window: SlidingWindow, _ options: ConvolutionOptions = ConvolutionOptions(), name: String? = nil
  ) throws -> ValueID {
    try layer("conv\(window.kernel.count)d", name: name) { builder in
      try builder.requireImage(x, spatialAxes: window.kernel.count)
      guard filters >= 1 else { throw Diagnostic("layer '\(builder.graph.path)': filters must be at least 1, got \(filters)") }
      return try builder.convolved(x, filters: builder.outputs(declared: filters), window, options)
    }
  }

  /// A convolution of each channel with `multiplier` filters of its own, weight [channels · multiplier, 1, kernel…].
  public mutating func depthwiseConvolution(
    _ x: ValueID, _ window: SlidingWindow, multiplier: Int = 1, _ options: ConvolutionOptions = ConvolutionOptions(), name: String? = nil
  ) throws -> ValueID {
    try layer("depthwise_conv\(window.kernel.count)d", name: name) { builder in
      try builder.requireImage(x, spatialAxes: window.kernel.count)
      guard (1...1 << 20).contains(multiplier) else {
        throw Diagnostic("layer '\(builder.graph.path)': multiplier must be at least 1, got \(multiplier)")
      }
      var options = options
      options.groups = try builder.channels(x)
      return try builder.convolved(x, filters: options.groups * multiplier, window, options)
    }
  }

  private mutating func convolved(
    _ x: ValueID, filters: Int, _ window: SlidingWindow, _ options: ConvolutionOptions
  ) throws -> ValueID {
    try window.check(graph.path)
    let channels = try channels(x)
    try requireGroups(options.groups, dividing: channels, "input channels")
    try requireGroups(options.groups, dividing: filters, "filters")
    let weight = try filter([filters, channels / options.groups] + window.kernel, options)
    let y = try withChannelsFirst(x) { builder, x in
      let sizes = builder.type(x).shape.dropFirst(2).map(\.coefficient)
      let paddings = try window.paddings(sizes, builder.graph.path)
      return try builder.graph.convolution(
        x, weight,
        ConvolutionWindow(
          strides: window.stride, dilations: window.dilation, paddingBefore: paddings.map(\.before), paddingAfter: paddings.map(\.after),
          groups: options.groups))
    }
    return try biased(y, options)
  }

  /// A transposed convolution (the gradient of a convolution with respect to its input), with filters `weight`
  /// [channels, filters / groups, kernel…]. Sizes become (size - 1) stride - padding + dilation (kernel - 1) + 1 + output padding; with
  /// `same` padding size · stride.
  public mutating func transposedConvolution(
    _ x: ValueID, filters: Int, _ window: SlidingWindow, outputPadding: [Int]? = nil, _ options: ConvolutionOptions = ConvolutionOptions(),
    name: String? = nil
  ) throws -> ValueID {
    try layer("conv_transpose\(window.kernel.count)d", name: name) { builder in
      try builder.requireImage(x, spatialAxes: window.kernel.count)
      try window.check(builder.graph.path)
      guard filters >= 1 else { throw Diagnostic("layer '\(builder.graph.path)': filters must be at least 1, got \(filters)") }
      let filters = builder.outputs(declared: filters)
      let channels = try builder.channels(x)
      try builder.requireGroups(options.groups, dividing: channels, "input channels")
      try builder.requireGroups(options.groups, dividing: filters, "filters")
      let weight = try builder.filter([channels, filters / options.groups] + window.kernel, options)
      let y = try builder.withChannelsFirst(x) { builder, x in
        let (paddings, extra) = try builder.transposedPaddings(x, window, outputPadding)
        return try builder.graph.transposedConvolution(
          x, weight,
          ConvolutionWindow(
            strides: window.stride, dilations: window.dilation, paddingBefore: paddings.map(\.before),
            paddingAfter: paddings.map(\.after), groups: options.groups), outputPadding: extra)
      }
      return try builder.biased(y, options)
    }
  }

  /// What is cut off before and after each axis of a transposed convolution, and what is added at its end.
  private func transposedPaddings(
    _ x: ValueID, _ window: SlidingWindow, _ outputPadding: [Int]?
  ) throws -> (paddings: [(before: Int, after: Int)], extra: [Int]) {
    let axes = window.kernel.indices
    if let outputPadding {
      guard outputPadding.count == axes.count,
        axes.allSatisfy({ (0..<max(window.stride[$0], window.dilation[$0])).contains(outputPadding[$0]) })
      else {
        throw Diagnostic(
          "layer '\(graph.path)': output_padding must be at least 0 and smaller than the stride or the dilation, got \(outputPadding)")
      }
    }
    var extra = outputPadding ?? axes.map { _ in 0 }
    let sizes = type(x).shape.dropFirst(2).map(\.coefficient)
    var paddings: [(before: Int, after: Int)]
    if window.padding == .same {
      let spare = axes.map { window.span($0) - window.stride[$0] }
      paddings = spare.map { (max(0, $0) / 2, max(0, $0) - max(0, $0) / 2) }
      for axis in axes { extra[axis] += max(0, -spare[axis]) }
    } else {
      paddings = try window.paddings(sizes, graph.path)
    }
    for axis in axes {
      let whole = (sizes[axis] - 1) * window.stride[axis] + window.span(axis) + extra[axis]
      guard paddings[axis].before + paddings[axis].after < whole else {
        throw Diagnostic(
          "layer '\(graph.path)': padding of \(paddings[axis].before) and \(paddings[axis].after) leaves nothing of the \(whole) positions of "
            + "spatial axis \(axis)")
      }
    }
    return (paddings, extra)
  }

  private func requireGroups(_ groups: Int, dividing count: Int, _ what: String) throws {
    guard groups >= 1, count % groups == 0 else {
      throw Diagnostic(
        "layer '\(graph.path)': \(count) \(what) cannot be cut into \(groups) groups; `groups` must divide input channels and filters")
    }
  }

  /// The filters of the current layer: fans count the taps of a filter, in its second axis's channels and its first's.
  private mutating func filter(_ shape: [Int], _ options: ConvolutionOptions) throws -> ValueID {
    let taps = shape.dropFirst(2).reduce(1.0) { $0 * Double($1) }
    let initializer = options.initializer.scaled(fanIn: taps * Double(shape[1]), fanOut: taps * Double(shape[0]))
    let weight = try parameter("weight", shape: shape, initializer: initializer)
    try penalize("weight", checked: options.l1, options.l2)
    return weight
  }

  private mutating func biased(_ y: ValueID, _ options: ConvolutionOptions) throws -> ValueID {
    var y = y
    if options.bias {
      let bias = try parameter("bias", shape: [channels(y)], initializer: .zeros, decays: false)
      y = try graph.add(y, perChannel(bias, like: y))
    }
    return try options.activation.map { try apply($0, to: y) } ?? y
  }
}

extension ArgumentDescription {
  static let filters = ArgumentDescription("filters", .integer, "channels of the result")
  static let kernel = ArgumentDescription("kernel", .sizes, "size of the window")
  static let stride = ArgumentDescription("stride", .sizes, default: .integer(1), "positions from one window to the next")
  static let padding = ArgumentDescription(
    "padding", .padding, default: .word("valid"), "same, valid, or positions added: all sides, each axis, or top, bottom, left, right")
  static let dilation = ArgumentDescription("dilation", .sizes, default: .integer(1), "positions from one tap of the window to the next")
  static let groups = ArgumentDescription("groups", .integer, default: .integer(1), "parts of the channels that do not see each other")

  /// Bias, activation, initializer and penalties.
  static let convolutionOptions = [
    ArgumentDescription("bias", .bool, default: .bool(true), "whether a number a channel is added"),
    ArgumentDescription("activation", .word(Activation.names), optional: true, "applied to the result"),
    ArgumentDescription("initializer", .initializer, default: .word("xavier_uniform"), "how the weight begins"),
    ArgumentDescription("l1", .number, default: .number(0), "factor of Σ|w| in the training loss"),
    ArgumentDescription("l2", .number, default: .number(0), "factor of ½ Σ w² in the training loss"),
  ]
}

extension ConvolutionOptions {
  init(_ arguments: Arguments) throws {
    self.init(
      groups: arguments.integer("groups") ?? 1, bias: arguments.bool("bias"),
      activation: arguments.word("activation").map(Activation.named), initializer: try Initializer(arguments["initializer"]!),
      l1: arguments.number("l1")!, l2: arguments.number("l2")!)
  }
}

extension LayerEntry {
  static let conv1d = convolution(axes: 1)
  static let conv2d = convolution(axes: 2)

  private static func convolution(axes: Int) -> LayerEntry {
    LayerEntry(
      "conv\(axes)d", aliases: ["convolution\(axes)d"], axes == 1 ? "convolution over sequences" : "convolution over images",
      [.input, .filters, .kernel, .stride, .padding, .dilation, .groups] + ArgumentDescription.convolutionOptions
    ) { builder, arguments, name in
      try builder.convolution(
        arguments.value("x")!, filters: arguments.integer("filters")!, arguments.window(axes: axes), ConvolutionOptions(arguments),
        name: name)
    }
  }

  static let depthwiseConv2d = LayerEntry(
    "depthwise_conv2d", aliases: ["depthwise_convolution2d"], "convolution of each channel with filters of its own",
    [
      .input, .kernel, .stride, .padding, .dilation,
      ArgumentDescription("multiplier", .integer, default: .integer(1), "filters of each channel"),
    ] + ArgumentDescription.convolutionOptions
  ) { builder, arguments, name in
    try builder.depthwiseConvolution(
      arguments.value("x")!, arguments.window(axes: 2), multiplier: arguments.integer("multiplier")!, ConvolutionOptions(arguments),
      name: name)
  }

  static let convTranspose1d = transposedConvolution(axes: 1)
  static let convTranspose2d = transposedConvolution(axes: 2)

  private static func transposedConvolution(axes: Int) -> LayerEntry {
    LayerEntry(
      "conv_transpose\(axes)d", aliases: ["conv\(axes)d_transpose"],
      axes == 1 ? "transposed convolution over sequences" : "transposed convolution over images",
      [
        .input, .filters, .kernel, .stride, .padding,
        ArgumentDescription("output_padding", .sizes, default: .integer(0), "positions added at the end of the result"),
        .dilation, .groups,
      ] + ArgumentDescription.convolutionOptions
    ) { builder, arguments, name in
      try builder.transposedConvolution(
        arguments.value("x")!, filters: arguments.integer("filters")!, arguments.window(axes: axes),
        outputPadding: arguments.sizes("output_padding", axes: axes), ConvolutionOptions(arguments), name: name)
    }
  }
}
