import Basics
import GraphIR
import Layers
import LoopIR
import Training
import XCTest

/// Sizes, parameters, first values and errors of layers of images.
final class ImageModelTests: XCTestCase {
  private func builder(_ mode: Mode = .inference, _ layout: ImageLayout = .channelsFirst) -> ModelBuilder {
    var builder = ModelBuilder(name: "run", mode: mode, element: .f64, symbols: [Symbol(name: "n", maximum: 8)])
    builder.imageLayout = layout
    return builder
  }

  private func apply(
    _ layer: String, _ arguments: [LabelledArgument] = [], to dims: [Int], _ mode: Mode = .inference, _ layout: ImageLayout = .channelsFirst
  ) throws -> (type: String, builder: ModelBuilder) {
    var b = builder(mode, layout)
    let y = try b.apply(layer: layer, [LabelledArgument(.value(b.input("x", dims: dims)))] + arguments)
    return (b.type(y).description, b)
  }

  private func label(_ name: String, _ value: Argument) -> LabelledArgument { LabelledArgument(value, label: name) }

  /// Course notes: 32 positions under a window of 3.
  func testSizesOfConvolutions() throws {
    for (padding, stride, size) in [(0, 1, 30), (1, 1, 32), (0, 2, 15), (1, 2, 16)] {
      let found = try apply(
        "conv2d",
        [
          LabelledArgument(.integer(4)), LabelledArgument(.integer(3)), label("stride", .integer(stride)),
          label("padding", .integer(padding)),
        ],
        to: [1, 32, 32])
      XCTAssertEqual(found.type, "f64[N, 4, \(size), \(size)]", "\(padding), \(stride)")
    }
  }

  /// Course notes: two convolutions of 32 and 64, a pooling, a dense layer on CIFAR-10's images.
  func testParametersOfTheTutorialNet() throws {
    for layout in ImageLayout.allCases {
      for (padding, counts) in [(Padding.same, [896, 18_496, 163_850]), (.valid, [896, 18_496, 125_450])] {
        var b = builder(.training, layout)
        var y = try b.input("x", dims: layout == .channelsFirst ? [3, 32, 32] : [32, 32, 3])
        for filters in [32, 64] {
          y = try b.convolution(y, filters: filters, SlidingWindow(3, padding: padding), ConvolutionOptions(activation: .relu))
        }
        y = try b.dense(b.flatten(b.pool(.max, y, SlidingWindow(2, stride: 2))), units: 10)
        let layers = ["conv2d1.", "conv2d2.", "dense1."].map { path in
          b.parameters.filter { $0.name.hasPrefix(path) }.reduce(0) { $0 + $1.count }
        }
        XCTAssertEqual(layers, counts)
        XCTAssertEqual(layers.reduce(0, +), padding == .same ? 183_242 : 144_842)
      }
    }
  }

  /// Course notes: a block whose branch is zero passes its input, and its gradient, through.
  func testAResidualBlockOfZeros() throws {
    var trainer = try TestTrainer(loss: LossChoice("mse")) { b in
      let x = try b.convolution(
        b.input("x", dims: [1, 3, 3]), filters: 1, SlidingWindow(1), ConvolutionOptions(bias: false), name: "first")
      try b.output("y", b.add([b.convolution(x, filters: 1, SlidingWindow(3, padding: .same)), x]))
    }
    trainer.set("first.weight", [1])
    let x = Values((0..<9).map { Double($0) - 3.5 }, shape: [1, 1, 3, 3])
    XCTAssertEqual(try trainer.run([x])[0], x)
    // d mse / d weight = 2 / 9 Σ (y - t) x with dy / dx = 1.
    try trainer.backward([x], [Values(Array(repeating: 0, count: 9), shape: [1, 1, 3, 3])])
    assertClose(trainer.gradients["first.weight"]!, [2 / 9 * x.doubles.reduce(0) { $0 + $1 * $1 }], 1e-12)
  }

  /// The fans of filters [12, 2, 3, 5]: 2 · 15 and 12 · 15.
  func testFirstValues() throws {
    var b = builder()
    let x = try b.input("x", dims: [4, 9, 9])
    func initializer(_ initializer: Initializer) throws -> Initializer? {
      let options = ConvolutionOptions(groups: 2, initializer: initializer)
      _ = try b.convolution(x, filters: 12, SlidingWindow(kernel: [3, 5]), options, name: "\(initializer)".filter(\.isLetter))
      return b.initializers["\(initializer)".filter(\.isLetter) + ".weight"]
    }
    XCTAssertEqual(try initializer(.heNormal), .normal(mean: 0, deviation: (2.0 / 30).squareRoot()))
    XCTAssertEqual(try initializer(.xavierUniform), .uniform(low: -(6.0 / 210).squareRoot(), high: (6.0 / 210).squareRoot()))
    XCTAssertEqual(try initializer(.constant(0.5)), .constant(0.5))
  }

  func testNamesAndShapes() throws {
    var b = builder()
    let x = try b.input("x", dims: [4, 8, 8])
    let y = try b.transposedConvolution(
      b.depthwiseConvolution(
        b.convolution(x, filters: 6, SlidingWindow(3), ConvolutionOptions(groups: 2)), SlidingWindow(3), multiplier: 2),
      filters: 5, SlidingWindow(2, stride: 2))
    let z = try b.prelu(b.groupNorm(b.batchNorm(y), groups: 5), perChannel: true)
    XCTAssertEqual(b.type(z).description, "f64[N, 5, 8, 8]")
    XCTAssertEqual(
      b.parameters.map { "\($0.name)\($0.shape)\($0.decays ? " decays" : "")" },
      [
        "conv2d1.weight[6, 2, 3, 3] decays", "conv2d1.bias[6]", "depthwise_conv2d1.weight[12, 1, 3, 3] decays",
        "depthwise_conv2d1.bias[12]",
        "conv_transpose2d1.weight[12, 5, 2, 2] decays", "conv_transpose2d1.bias[5]", "batch_norm1.gamma[5]", "batch_norm1.beta[5]",
        "batch_norm1.running_mean[5]", "batch_norm1.running_var[5]", "group_norm1.gamma[5]", "group_norm1.beta[5]", "prelu1.alpha[5]",
      ])
    XCTAssertEqual(b.heads.map { "\($0.path) \($0.outputs)" }, ["conv2d1 6", "conv_transpose2d1 5"])
  }

  /// Whole channels are zeros or scaled, another draw for each row.
  func testChannelDropout() throws {
    for layout in ImageLayout.allCases {
      let isLast = layout == .channelsLast
      var trainer = try TestTrainer(loss: LossChoice("mse")) { b in
        b.imageLayout = layout
        let x = try b.input("x", dims: isLast ? [2, 3, 8] : [8, 2, 3])
        try b.output(
          "y", b.multiply([b.channelDropout(x, rate: 0.25), b.parameter("w", shape: isLast ? [2, 3, 8] : [8, 2, 3], initializer: .ones)]))
      }
      trainer.seed = 7
      trainer.set("w", Array(repeating: 1, count: 48))
      let ones = Values(Array(repeating: 1, count: 96), shape: [2] + (isLast ? [2, 3, 8] : [8, 2, 3]))
      XCTAssertEqual(try trainer.run([ones])[0], ones)
      // With targets of zero the gradient of w is 2 / 48 Σ over rows of (mask)² / 2.
      try trainer.backward([ones], [Values(Array(repeating: 0, count: 96), shape: ones.shape)])
      let gradient = trainer.gradients["w"]!
      var byChannel: [[Double]] = []
      for channel in 0..<8 {
        let values = (0..<6).map { position -> Double in gradient[isLast ? position * 8 + channel : channel * 6 + position] }
        byChannel.append(values.map { ($0 * 27).rounded() })
      }
      for values in byChannel { XCTAssertEqual(Set(values).count, 1, "\(values)") }
      XCTAssert(Set(byChannel.map { $0[0] }).isSubset(of: [0, 1, 2]), "\(byChannel)")
      XCTAssertGreaterThan(Set(byChannel.map { $0[0] }).count, 1)
    }
  }

  func testArgumentsOfTheCatalog() throws {
    let list = { (values: [Int]) in Argument.list(values.map { .integer($0) }) }
    XCTAssertEqual(
      try apply(
        "conv2d", [LabelledArgument(.integer(8)), label("kernel", list([3, 5])), label("padding", list([1, 0, 2, 2]))], to: [3, 9, 9]
      ).type,
      "f64[N, 8, 8, 9]")
    XCTAssertEqual(
      try apply(
        "conv2d", [LabelledArgument(.integer(8)), label("kernel", .integer(3)), label("padding", .word("same"))], to: [9, 9, 3], .inference,
        .channelsLast
      )
      .type, "f64[N, 9, 9, 8]")
    XCTAssertEqual(try apply("max_pooling2d", to: [3, 9, 8]).type, "f64[N, 3, 4, 4]")
    XCTAssertEqual(try apply("avg_pool1d", [label("kernel", .integer(3)), label("stride", .integer(2))], to: [3, 9]).type, "f64[N, 3, 4]")
    XCTAssertEqual(try apply("global_average_pooling2d", to: [3, 9, 8]).type, "f64[N, 3]")
    XCTAssertEqual(
      try apply("global_avg_pool2d", [label("keep_dims", .bool(true))], to: [9, 8, 3], .inference, .channelsLast).type, "f64[N, 1, 1, 3]")
    XCTAssertEqual(try apply("adaptive_avg_pool2d", [label("size", .integer(7))], to: [3, 9, 8]).type, "f64[N, 3, 7, 7]")
    XCTAssertEqual(try apply("upsample2d", [label("size", list([5, 20]))], to: [3, 9, 8]).type, "f64[N, 3, 5, 20]")
    XCTAssertEqual(try apply("zero_padding2d", [label("padding", list([1, 2]))], to: [3, 9, 8]).type, "f64[N, 3, 11, 12]")
    XCTAssertEqual(try apply("space_to_depth", to: [3, 8, 6]).type, "f64[N, 12, 4, 3]")
    XCTAssertEqual(try apply("conv1d", [LabelledArgument(.integer(4)), LabelledArgument(list([3]))], to: [3, 8]).type, "f64[N, 4, 6]")
  }

  func testErrors() throws {
    let three = label("kernel", .integer(3))
    let filters = LabelledArgument(.integer(8))
    let cases: [(String, [LabelledArgument], [Int], String)] = [
      (
        "conv2d", [filters, three], [28, 28],
        "layer 'conv2d1' needs an input [N, channels, height, width] (channels_first), got f64[N, 28, 28]; `reshape([1, 28, 28])` makes one "
          + "channel of it"
      ),
      (
        "conv1d", [filters, three], [3, 28, 28],
        "layer 'conv1d1' needs an input [N, channels, length] (channels_first), got f64[N, 3, 28, 28]"
      ),
      (
        "conv2d", [filters, label("kernel", .integer(5))], [3, 4, 9],
        "layer 'conv2d1': convolution: a kernel of 5 spans 5 elements, but spatial axis 0 has 4; use a smaller kernel or more padding"
      ),
      (
        "conv2d", [filters, three, label("groups", .integer(2))], [3, 9, 9],
        "layer 'conv2d1': 3 input channels cannot be cut into 2 groups; `groups` must divide input channels and filters"
      ),
      (
        "conv2d", [filters, three, label("groups", .integer(3))], [3, 9, 9],
        "layer 'conv2d1': 8 filters cannot be cut into 3 groups; `groups` must divide input channels and filters"
      ),
      (
        "conv2d", [filters, three, label("stride", .integer(0))], [3, 9, 9],
        "layer 'conv2d1': stride takes numbers from 1 to 1048576, one for each axis, got [0, 0]"
      ),
      (
        "conv2d", [filters, three, label("padding", .list([.integer(1), .integer(2), .integer(3)]))], [3, 9, 9],
        "layer 'conv2d1': padding takes one number for all sides, 2 for the axes or 4 for the sides (top, bottom, left, right), got 3"
      ),
      (
        "conv2d", [filters, three, label("padding", .integer(-1))], [3, 9, 9],
        "layer 'conv2d1': padding takes numbers from 0 to 1048576, got [-1]"
      ),
      ("conv2d", [LabelledArgument(.integer(0)), three], [3, 9, 9], "layer 'conv2d1': filters must be at least 1, got 0"),
      (
        "max_pool2d", [label("kernel", .integer(9))], [3, 4, 9],
        "layer 'max_pool2d1': max_pool of f64[N, 3, 4, 9]: a window of 9 is larger than axis 2 with its padding, 4; make the kernel smaller or "
          + "pad more"
      ),
      (
        "avg_pool2d", [label("padding", .integer(2))], [3, 4, 9],
        "layer 'avg_pool2d1': average_pool of f64[N, 3, 4, 9]: padding must lie in 0 ..< 2, the window's extent along axis 2, got 2 before and "
          + "2 after"
      ),
      ("group_norm", [label("groups", .integer(4))], [6, 4, 4], "layer 'group_norm1': 6 channels cannot be cut into 4 groups"),
      ("instance_norm", [], [6], "layer 'instance_norm1' needs channels and positions, got f64[N, 6]"),
      (
        "zero_pad2d", [label("padding", .integer(-2))], [3, 4, 9],
        "layer 'zero_pad2d1': padding of -2 and -2 leaves nothing of axis 2 of f64[N, 3, 4, 9], or is larger than 1048576"
      ),
      (
        "zero_pad2d", [label("padding", .word("same"))], [3, 4, 9],
        "argument 'padding' of 'zero_pad2d' takes numbers of positions, not same or valid"
      ),
      (
        "upsample2d", [label("scale", .number(0.1))], [3, 4, 9],
        "layer 'upsample2d1': axis 2 of f64[N, 3, 4, 9] times the scale 0.1 must lie in 1 ... 1048576"
      ),
      (
        "upsample2d", [label("align_corners", .bool(true))], [3, 4, 9],
        "layer 'upsample2d1': align_corners is for mode bilinear; nearest has no corners to align"
      ),
      (
        "depth_to_space", [], [3, 4, 9],
        "layer 'depth_to_space1': depth_to_space of f64[N, 3, 4, 9]: blocks of 4 positions need a multiple of 4 channels, got 3"
      ),
      (
        "conv_transpose2d", [filters, three, label("output_padding", .integer(1))], [3, 9, 9],
        "layer 'conv_transpose2d1': output_padding must be at least 0 and smaller than the stride or the dilation, got [1, 1]"
      ),
      (
        "conv_transpose2d", [filters, three, label("padding", .integer(6))], [3, 9, 9],
        "layer 'conv_transpose2d1': padding of 6 and 6 leaves nothing of the 11 positions of spatial axis 0"
      ),
      (
        "channel_dropout", [label("rate", .integer(1))], [3, 9, 9], "layer 'channel_dropout1': rate must be at least 0 and below 1, got 1.0"
      ),
    ]
    for (layer, arguments, dims, message) in cases {
      XCTAssertThrowsError(try apply(layer, arguments, to: dims), message) { XCTAssertEqual(($0 as? Diagnostic)?.message, message) }
    }
  }
}
