import Basics
import Foundation
import GraphIR
import Layers
import LoopIR
import Training
import XCTest

/// Networks of one image layer each in f64 against PyTorch 2.15 in float64 (`references/image_layers.py`), forward and backward, in both
/// layouts.
final class ImageLayerTests: XCTestCase {
  private typealias Build = (inout ModelBuilder, ValueID) throws -> ValueID

  private func wave(_ count: Int, _ phase: Double) -> [Double] { (0..<count).map { sin(1.7 * Double($0) + phase) } }

  private func projection(_ values: [Double]) -> Double {
    values.enumerated().reduce(0) { $0 + $1.element * cos(0.7 * Double($1.offset)) }
  }

  /// Rows with channels first as rows with channels last, or back.
  private func turned(_ values: Values, channelsLast: Bool) -> Values {
    let shape = values.shape
    guard shape.count > 2 else { return values }
    let axes = channelsLast ? [0] + Array(2..<shape.count) + [1] : [0, shape.count - 1] + Array(1..<shape.count - 1)
    let strides = shape.indices.map { shape[($0 + 1)...].reduce(1, *) }
    let turned = axes.map { shape[$0] }
    let count = shape.reduce(1, *)
    let numbers = (0..<count).map { position -> Double in
      var rest = position
      var source = 0
      for (axis, size) in zip(axes, turned).reversed() {
        source += rest % size * strides[axis]
        rest /= size
      }
      return values.doubles[source]
    }
    return Values(numbers, shape: turned)
  }

  /// Loss, output and gradients: numbers are the script's, in its order.
  private func check(
    _ dims: [Int], _ outputDims: [Int], _ numbers: [Double], parameters: [String], checksOutput: Bool = true, line: UInt = #line,
    _ build: @escaping Build
  ) throws {
    for layout in ImageLayout.allCases {
      let isLast = layout == .channelsLast
      let inputDims = isLast ? Array(dims.dropFirst()) + [dims[0]] : dims
      var trainer = try TestTrainer(loss: LossChoice("mse")) { b in
        b.imageLayout = layout
        try b.output("y", build(&b, b.input("x", dims: inputDims)))
      }
      XCTAssertEqual(trainer.model.parameters.filter { !$0.isState }.map(\.name), parameters, line: line)
      for (k, name) in parameters.enumerated() { trainer.set(name, wave(trainer.tensors[name]!.numbers.count, Double(k)).map { $0 / 2 }) }
      let x = turned(Values(wave(2 * dims.reduce(1, *), 0.5), shape: [2] + dims), channelsLast: true)
      let target = Values(wave(2 * outputDims.reduce(1, *), 2), shape: [2] + outputDims)
      let given = isLast ? x : turned(x, channelsLast: false)
      let output = try trainer.run([given])[0]
      try trainer.backward([given], [isLast ? turned(target, channelsLast: true) : target])
      XCTAssertEqual(trainer.loss, numbers[0], accuracy: 1e-10, "loss, \(layout)", line: line)
      if checksOutput {
        let first = isLast ? turned(output, channelsLast: false) : output
        XCTAssertEqual(first.shape, [2] + outputDims, line: line)
        XCTAssertEqual(projection(first.doubles), numbers[1], accuracy: 1e-9, "output, \(layout)", line: line)
      }
      for (name, number) in zip(parameters, numbers.dropFirst(2)) {
        XCTAssertEqual(projection(trainer.gradients[name]!), number, accuracy: 1e-9, "\(name), \(layout)", line: line)
      }
    }
  }

  private let image = [2, 6, 5]
  private static let noBias = ConvolutionOptions(bias: false)

  /// A layer after a convolution of one pixel without bias.
  private func checkLayer(
    _ outputDims: [Int], _ numbers: [Double], filters: Int = 3, parameters: [String] = [], checksOutput: Bool = true, line: UInt = #line,
    _ build: @escaping Build
  ) throws {
    try check(image, outputDims, numbers, parameters: ["conv2d1.weight"] + parameters, checksOutput: checksOutput, line: line) { b, x in
      try build(&b, b.convolution(x, filters: filters, SlidingWindow(1), Self.noBias))
    }
  }

  // MARK: Convolutions

  func testConvolution() throws {
    let window = SlidingWindow(kernel: [3, 2], stride: [2, 1], padding: .explicit([1, 0, 2, 1]), dilation: [1, 2])
    try check(
      [4, 6, 5], [6, 3, 6], [1.26415136143, -0.623259621166, -0.156580028776, 0.0629352431462],
      parameters: ["conv2d1.weight", "conv2d1.bias"]
    ) { try $0.convolution($1, filters: 6, window, ConvolutionOptions(groups: 2)) }
  }

  /// What `same` adds is more after than before, as in TensorFlow.
  func testSamePadding() throws {
    try check(
      image, [3, 3, 3], [0.81036179709, 0.110561502955, 0.733629706837, 0.362276852329], parameters: ["conv2d1.weight", "conv2d1.bias"]
    ) { try $0.convolution($1, filters: 3, SlidingWindow(3, stride: 2, padding: .same)) }
  }

  func testConvolutionOfSequences() throws {
    try check(
      [2, 7], [3, 7], [1.00719920364, -1.46673297687, -0.168733234448, 0.33798093154], parameters: ["conv1d1.weight", "conv1d1.bias"]
    ) { try $0.convolution($1, filters: 3, SlidingWindow(3, padding: .same, dilation: 2, axes: 1)) }
  }

  func testDepthwiseConvolution() throws {
    try check(
      image, [4, 6, 5], [0.70116182516, -2.21548581478, -1.02046174948, 0.275312065248],
      parameters: ["depthwise_conv2d1.weight", "depthwise_conv2d1.bias"]
    ) { try $0.depthwiseConvolution($1, SlidingWindow(3, padding: .same), multiplier: 2) }
  }

  func testTransposedConvolution() throws {
    try check(
      [4, 3, 2], [6, 6, 4], [0.951469674735, 4.23740966072, 0.0369179684436, 0.0281400802061],
      parameters: ["conv_transpose2d1.weight", "conv_transpose2d1.bias"]
    ) {
      try $0.transposedConvolution(
        $1, filters: 6, SlidingWindow(3, stride: 2, padding: .explicit([1])), outputPadding: [1, 1], ConvolutionOptions(groups: 2))
    }
    try check(
      image, [3, 12, 10], [1.02436251325, -1.35663515546, 0.173165457411, 0.336657306342],
      parameters: ["conv_transpose2d1.weight", "conv_transpose2d1.bias"]
    ) { try $0.transposedConvolution($1, filters: 3, SlidingWindow(3, stride: 2, padding: .same)) }
    try check([2, 4], [3, 12], [0.521918017849, -1.10160772272, -0.0294131729106], parameters: ["conv_transpose1d1.weight"]) {
      try $0.transposedConvolution($1, filters: 3, SlidingWindow(2, stride: 3, padding: .same, axes: 1), Self.noBias)
    }
  }

  func testResidual() throws {
    try check(
      image, image, [0.844187352351, 2.22627444324, -0.371771095503, 0.775940532274], parameters: ["conv2d1.weight", "conv2d1.bias"]
    ) { b, x in try b.relu(b.add([b.convolution(x, filters: 2, SlidingWindow(3, padding: .same)), x])) }
  }

  // MARK: Normalisation and activation

  func testBatchNorm() throws {
    try checkLayer(
      [3, 6, 5], [0.471560039391, 0, 0.268090189729, 0.0766712849308, 0.123275757545],
      parameters: ["batch_norm1.gamma", "batch_norm1.beta"], checksOutput: false
    ) { try $0.batchNorm($1) }
    for layout in ImageLayout.allCases {
      let isLast = layout == .channelsLast
      var trainer = try TestTrainer(loss: LossChoice("mse")) { b in
        b.imageLayout = layout
        try b.output("y", b.batchNorm(b.input("x", dims: isLast ? [6, 5, 2] : [2, 6, 5])))
      }
      let image = Values(wave(120, 0.5), shape: [2, 2, 6, 5])
      let x = isLast ? turned(image, channelsLast: true) : image
      try trainer.backward([x], [x])
      assertClose(trainer.tensors["batch_norm1.running_mean"]!.doubles, [0.0008074520831367, 0.001178103487952], 1e-12)
      assertClose(trainer.tensors["batch_norm1.running_var"]!.doubles, [0.9508330081166, 0.9509480546048], 1e-12)
      let y = try trainer.run([x])[0]
      XCTAssertEqual(projection((isLast ? turned(y, channelsLast: false) : y).doubles), 0.3512448582, accuracy: 1e-9)
    }
  }

  func testGroupInstanceAndLayerNorm() throws {
    try checkLayer(
      [4, 6, 5], [0.594475921934, 0.103613761898, 0.302423114674, 0.213977055864, 0.00230180438313], filters: 4,
      parameters: ["group_norm1.gamma", "group_norm1.beta"]
    ) { try $0.groupNorm($1, groups: 2) }
    try checkLayer(
      [3, 6, 5], [0.471786683691, 2.43065528895, 0.26580058857, 0.0769416299009, 0.123275757545],
      parameters: ["instance_norm1.gamma", "instance_norm1.beta"]
    ) { try $0.instanceNorm($1, affine: true) }
    try checkLayer(
      [3, 6, 5], [0.455830041326, 4.42706110097, 0.448011530251, -0.0364704451233, 0.125653662107],
      parameters: ["layer_norm1.gamma", "layer_norm1.beta"]
    ) { try $0.layerNorm($1, over: .channels) }
  }

  func testLocalResponseNormAndPRelu() throws {
    try checkLayer([5, 6, 5], [0.540135031067, -0.290098575649, 0.016130717091], filters: 5) {
      try $0.localResponseNorm($1, size: 3, alpha: 0.3, beta: 0.75, k: 2)
    }
    try checkLayer(
      [3, 6, 5], [0.550262725747, -0.0155164093119, -0.182716589313, -0.0266864061905], parameters: ["prelu1.alpha"]
    ) { try $0.prelu($1, perChannel: true) }
  }

  // MARK: Pooling and sizes

  func testPooling() throws {
    try checkLayer([3, 3, 3], [0.789868102128, -0.385445883041, 0.0210432073026]) {
      try $0.pool(.max, $1, SlidingWindow(3, stride: 2, padding: .explicit([1])))
    }
    try checkLayer([3, 3, 3], [0.825096627053, -0.635431789172, -0.118597284672]) {
      try $0.pool(.min, $1, SlidingWindow(2, stride: 2), ceil: true)
    }
    try checkLayer([3, 4, 3], [0.500695833622, 0.0405862175074, 0.010722377459]) {
      try $0.pool(.average, $1, SlidingWindow(3, stride: 2, padding: .explicit([1, 1])), ceil: true, includePadding: true)
    }
    try checkLayer([3, 6, 5], [0.505096530129, -1.04533129887, -0.0099933612623]) {
      try $0.pool(.average, $1, SlidingWindow(3, padding: .same))
    }
    try checkLayer([3, 4, 2], [0.505649444665, -0.00333056924515, -0.0439858052788]) { try $0.adaptiveAveragePool($1, sizes: [4, 2]) }
    try checkLayer([3], [0.559978862013, -0.00188068110142, -0.0196265414327]) { try $0.globalPool(.average, $1) }
    try checkLayer([3], [0.920076412336, -0.317975053317, -1.85331155088]) { try $0.globalPool(.max, $1) }
  }

  func testPaddingAndResizing() throws {
    try checkLayer([3, 7, 6], [0.646095695495, -2.32622256177, -0.0368913064615]) { try $0.pad($1, [1, 0, -1, 2]) }
    try checkLayer([3, 12, 10], [0.681651326102, -32.2402076458, -0.0254911570411]) { try $0.upsample($1, scales: [2, 2]) }
    try checkLayer([3, 9, 7], [0.560490615974, 1.55868561202, -0.0122126842681]) { try $0.upsample($1, scales: [1.5, 1.5], .bilinear) }
    try checkLayer([3, 4, 9], [0.574252983266, 4.49242227925, -0.0759908874432]) {
      try $0.upsample($1, sizes: [4, 9], .bilinear, alignCorners: true)
    }
    try checkLayer([2, 12, 10], [0.645379495547, 0.254204735837, 0.0458342292556], filters: 8) {
      try $0.depthToSpace($1, block: 2, order: .crd)
    }
  }
}
