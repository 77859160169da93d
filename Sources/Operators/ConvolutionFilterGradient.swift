import Basics
import GraphIR
import LoopIR

/// The gradient of a convolution with respect to its filters.
public struct ConvolutionFilterGradient: Operator {
  public static let name = "convolution_filter_gradient"
  public static let operandNames = ["x", "dy"]
  public static let formula = "dfilter[o, c, t] = sum over n, p of x[n, c, stride p + dilation t - padding] dy[n, o, p]"
  public var window: ConvolutionWindow
  /// The filters' spatial sizes.
  public var kernel: [Int]

  public init(_ window: ConvolutionWindow, kernel: [Int]) {
    self.window = window
    self.kernel = kernel
  }

  private enum CodingKeys: CodingKey { case kernel }

  public init(from decoder: Decoder) throws {
    window = try ConvolutionWindow(from: decoder)
    kernel = try decoder.container(keyedBy: CodingKeys.self).decode([Int].self, forKey: .kernel)
  }

  public func encode(to encoder: Encoder) throws {
    try window.encode(to: encoder)
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(kernel, forKey: .kernel)
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    let (x, dy) = (operands[0], operands[1])
    let element = try requireFloats(Self.name, [x.element, dy.element])
    let sizes = try spatialSizes(Self.name, x, "an input")
    try window.check(Self.name, rank: sizes.count)
    guard kernel.count == sizes.count, kernel.allSatisfy({ $0 >= 1 }) else {
      throw TypeError("\(Self.name): needs one kernel size of at least 1 for each of \(sizes.count) spatial axes, got \(kernel)")
    }
    let expected = try window.outputSizes(Self.name, sizes, kernel)
    guard dy.rank == x.rank, dy.shape[0] == x.shape[0], dy.shape.dropFirst(2).map(\.coefficient) == expected else {
      throw TypeError("\(Self.name) of \(x) and \(dy): the output of a kernel \(kernel) has the sizes \(expected)")
    }
    let (c, o) = (try requireConstant(Self.name, axis: 1, of: x), try requireConstant(Self.name, axis: 1, of: dy))
    guard c % window.groups == 0, o % window.groups == 0 else {
      throw TypeError("\(Self.name): \(c) and \(o) channels cannot be cut into \(window.groups) groups")
    }
    return [TensorType(element, [Dimension(o), Dimension(c / window.groups)] + kernel.map { Dimension($0) })]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering { .convolution(window.convolution(.filterGradient)) }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let (x, dy, cotangent) = (request.operands[0], request.operands[1], request.cotangent)
    let sizes = builder.type(x).shape.dropFirst(2).map(\.coefficient)
    return [
      try builder.add(ConvolutionInputGradient(window, sizes: sizes), [dy, cotangent]),
      try builder.convolution(x, cotangent, window),
    ]
  }

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "one axis, padding 1", ConvolutionFilterGradient(ConvolutionWindow(rank: 1, padding: 1), kernel: [3]),
        [TensorLiteral([1, 2, 3, 4], shape: [2, 1, 2]), TensorLiteral([1, 10, 100, 1000], shape: [2, 1, 2])],
        [TensorLiteral([10 + 3000, 1 + 20 + 300 + 4000, 2 + 400], shape: [1, 1, 3])], source: "by hand")
    ]
  }
}
