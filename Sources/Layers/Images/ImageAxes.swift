import Basics
import GraphIR
import Operators

/// Which axis is which in the layers of images and sequences. Operators work on [N, C, S…]; a model with channels last is turned around
/// each of them, and the compiler's layout pass takes the turns out again.
extension ModelBuilder {
  /// The axis of the channels: in [N, C] and in images with channels first the second, else the last.
  func channelAxis(_ x: ValueID) -> Int {
    let rank = type(x).rank
    return imageLayout == .channelsLast && rank >= 3 ? rank - 1 : 1
  }

  /// The axes between batch and channels, or after the channels.
  func spatialAxes(_ x: ValueID) -> [Int] {
    let channels = channelAxis(x)
    return (1..<type(x).rank).filter { $0 != channels }
  }

  /// The number of channels.
  func channels(_ x: ValueID) throws -> Int {
    let dims = try rowDims(x)
    guard !dims.isEmpty else {
      throw Diagnostic("layer '\(graph.path)' needs an input of at least two axes (batch and channels), got \(type(x))")
    }
    return dims[channelAxis(x) - 1]
  }

  /// Throws unless x has a batch, channels and this many spatial axes.
  func requireImage(_ x: ValueID, spatialAxes: Int) throws {
    try requireWholeSequence()
    if type(x).rank == spatialAxes + 2 {
      // Sizes that are not known at compile time are an error of their own.
      _ = try rowDims(x)
      return
    }
    let space = spatialAxes == 1 ? "length" : spatialAxes == 2 ? "height, width" : "\(spatialAxes) spatial axes"
    let shape = imageLayout == .channelsFirst ? "[N, channels, \(space)]" : "[N, \(space), channels]"
    var hint = ""
    if type(x).rank == spatialAxes + 1, let dims = try? rowDims(x) {
      hint = "; `reshape(\(imageLayout == .channelsFirst ? [1] + dims : dims + [1]))` makes one channel of it"
    }
    throw Diagnostic("layer '\(graph.path)' needs an input \(shape) (\(imageLayout.rawValue)), got \(type(x))" + hint)
  }

  /// Runs `body` on x with channels first and gives its result the model's layout.
  mutating func withChannelsFirst(
    _ x: ValueID, _ body: (inout ModelBuilder, ValueID) throws -> ValueID
  ) throws -> ValueID {
    let rank = type(x).rank
    guard imageLayout == .channelsLast, rank >= 3 else { return try body(&self, x) }
    let y = try body(&self, graph.transpose(x, [0, rank - 1] + Array(1..<rank - 1)))
    return try graph.transpose(y, [0] + Array(2..<rank) + [1])
  }

  /// A vector of one number a channel in a shape that broadcasts to x.
  mutating func perChannel(_ vector: ValueID, like x: ValueID) throws -> ValueID {
    let after = type(x).rank - channelAxis(x) - 1
    return try graph.reshape(vector, type(vector).shape + Array(repeating: Dimension(1), count: after))
  }

  /// x · γ + β with one of each a channel; they begin at 1 and 0.
  mutating func channelAffine(_ x: ValueID) throws -> ValueID {
    let shape = [try channels(x)]
    let gamma = try parameter("gamma", shape: shape, initializer: .ones, decays: false)
    let beta = try parameter("beta", shape: shape, initializer: .zeros, decays: false)
    return try graph.add(graph.multiply(x, perChannel(gamma, like: x)), perChannel(beta, like: x))
  }
}
