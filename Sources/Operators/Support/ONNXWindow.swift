import Basics
import GraphIR

/// The attributes that say how ONNX's convolutions and poolings move over the spatial axes, made explicit: one number an axis.
public struct ONNXWindow {
  public var kernel: [Int]
  public var strides: [Int]
  public var dilations: [Int]
  public var before: [Int]
  public var after: [Int]
  /// `NOTSET`, `SAME_UPPER`, `SAME_LOWER` or `VALID`.
  public var autoPad: String

  /// Counts beyond this are refused; products of two stay far from overflow.
  private static let largestCount = 1 << 20

  /// The attributes of a node over `rank` spatial axes; `kernel` is that of the filter, where there is one.
  public init(_ node: ONNXNode, rank: Int, kernel: [Int]? = nil) throws {
    func numbers(_ name: String, _ count: Int, missing: Int, least: Int) throws -> [Int] {
      guard let values = try node.ints(name), !values.isEmpty else { return Array(repeating: missing, count: count) }
      guard values.count == count, values.allSatisfy({ ($0 >= least) && abs($0) <= Self.largestCount }) else {
        throw Diagnostic("attribute '\(name)' must be \(count) numbers of at least \(least), got \(values)")
      }
      return values
    }
    strides = try numbers("strides", rank, missing: 1, least: 1)
    dilations = try numbers("dilations", rank, missing: 1, least: 1)
    let pads = try numbers("pads", 2 * rank, missing: 0, least: -Self.largestCount)
    (before, after) = (Array(pads[..<rank]), Array(pads[rank...]))
    guard kernel != nil || node.attributes["kernel_shape"] != nil else { throw Diagnostic("attribute 'kernel_shape' is missing") }
    self.kernel = kernel ?? []
    if node.attributes["kernel_shape"] != nil {
      let given = try numbers("kernel_shape", rank, missing: 1, least: 1)
      guard kernel == nil || kernel == given else {
        throw Diagnostic("attribute 'kernel_shape' is \(given), but the filter has the sizes \(kernel!)")
      }
      self.kernel = given
    }
    autoPad = try node.string("auto_pad", "NOTSET")
    guard ["NOTSET", "", "SAME_UPPER", "SAME_LOWER", "VALID"].contains(autoPad) else {
      throw Diagnostic("attribute 'auto_pad' must be NOTSET, SAME_UPPER, SAME_LOWER or VALID, got '\(autoPad)'")
    }
  }

  /// Positions from the first tap to the last, both included.
  public func span(_ k: Int) -> Int { dilations[k] * (kernel[k] - 1) + 1 }

  /// The padding that `auto_pad` asks for over an input of these sizes, in place of `pads`.
  public mutating func resolvePadding(_ sizes: [Int]) {
    switch autoPad {
    case "VALID": (before, after) = (sizes.map { _ in 0 }, sizes.map { _ in 0 })
    case "SAME_UPPER", "SAME_LOWER":
      for k in sizes.indices {
        let windows = (sizes[k] + strides[k] - 1) / strides[k]
        split(max(0, (windows - 1) * strides[k] + span(k) - sizes[k]), k, upper: autoPad == "SAME_UPPER")
      }
    default: break
    }
  }

  /// Shares padding out between both sides; an odd one goes to the end, or else to the beginning.
  mutating func split(_ total: Int, _ k: Int, upper: Bool) {
    let half = total / 2
    (before[k], after[k]) = upper ? (half, total - half) : (total - half, half)
  }
}

extension ONNXNode {
  /// The sizes of the axes after batch and channels, which must be known.
  public func spatialSizes(_ x: TensorType) throws -> [Int] {
    guard x.rank >= 3 else { throw Diagnostic("the input must have a batch, channels and spatial axes, got \(x)") }
    return try x.shape.dropFirst(2).map { dimension in
      guard let size = dimension.constant else { throw unsupported("a spatial axis of \(x) has no size known when the model is compiled") }
      return size
    }
  }

  /// The window of a convolution of x with a filter [O, C/groups, K…].
  public func convolutionWindow(_ x: TensorType, filter: TensorType) throws -> ConvolutionWindow {
    let sizes = try spatialSizes(x)
    guard filter.rank == x.rank, filter.shape.allSatisfy({ $0.symbol == nil }) else {
      throw Diagnostic("a filter over \(x) must have \(x.rank) axes of known sizes, got \(filter)")
    }
    var window = try ONNXWindow(self, rank: sizes.count, kernel: filter.shape.dropFirst(2).map(\.coefficient))
    window.resolvePadding(sizes)
    return ConvolutionWindow(
      strides: window.strides, dilations: window.dilations, paddingBefore: window.before, paddingAfter: window.after,
      groups: try int("group", 1))
  }

  /// The window of a pooling over x.
  public func poolWindow(_ x: TensorType) throws -> Window {
    let sizes = try spatialSizes(x)
    var window = try ONNXWindow(self, rank: sizes.count)
    window.resolvePadding(sizes)
    return Window(
      kernel: window.kernel, strides: window.strides, dilations: window.dilations, before: window.before, after: window.after,
      ceil: try int("ceil_mode", 0) != 0)
  }

  /// y plus a bias for each channel (axis 1); y itself where operand `k` is not given.
  public func biased(_ y: ValueID, operand k: Int) throws -> ValueID {
    guard let bias = try optional(k) else { return y }
    return try graph.add(y, channelVector(bias, rank: type(y).rank))
  }

  /// A vector [C] with axes of size 1 after it, so that it broadcasts to [N, C, …].
  public func channelVector(_ vector: ValueID, rank: Int) throws -> ValueID {
    try graph.reshape(vector, type(vector).shape + Array(repeating: 1, count: max(0, rank - 2)))
  }
}
