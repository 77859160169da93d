import Basics
import GraphIR
import LoopIR

/// How many taps of each window count in an average: those at elements, or those at elements and padding, but never those beyond the
/// padding (of a last window that does not fit whole). One axis for each of the window's.
public struct PoolCount: Operator {
  public static let name = "pool_count"
  public static let operandNames: [String] = []
  public static let formula = "y[i…] = taps of window i… that lie inside"
  public static let isDifferentiable = false
  public var window: Window
  /// Sizes of the input along the window's axes.
  public var sizes: [Int]
  public var includePadding: Bool
  public var element: ElementType

  public init(_ window: Window, sizes: [Int], includePadding: Bool, _ element: ElementType) {
    self.window = window
    self.sizes = sizes
    self.includePadding = includePadding
    self.element = element
  }

  private enum Key: CodingKey { case sizes, includePadding, element }

  public init(from decoder: Decoder) throws {
    window = try Window(from: decoder)
    let container = try decoder.container(keyedBy: Key.self)
    sizes = try container.decode([Int].self, forKey: .sizes)
    includePadding = try container.decode(Bool.self, forKey: .includePadding)
    element = try container.decode(ElementType.self, forKey: .element)
  }

  public func encode(to encoder: Encoder) throws {
    try window.encode(to: encoder)
    var container = encoder.container(keyedBy: Key.self)
    try container.encode(sizes, forKey: .sizes)
    try container.encode(includePadding, forKey: .includePadding)
    try container.encode(element, forKey: .element)
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    _ = try requireFloat(Self.name, [element])
    guard sizes.count == window.kernel.count else {
      throw TypeError("pool_count needs one size for each axis of the window, got \(sizes) for a kernel of \(window.kernel)")
    }
    return [TensorType(element, try window.resultShape(Self.name, TensorType(element, sizes.map { Dimension($0) })))]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    let counts = sizes.indices.map { Scalar.cast(element, .index(count($0), .i64)) }
    return .map(counts.dropFirst().reduce(counts[0]) { $0 * $1 })
  }

  /// From the first tap inside to the last, along one axis. A window begins before the input's end, so no dividend is negative.
  private func count(_ k: Int) -> Index {
    let (before, dilation) = (window.before[k], window.dilations[k])
    let start = Index.variable("i\(k)") * window.strides[k]
    let end = sizes[k] - 1 + before + (includePadding ? window.after[k] : 0)
    let last = Index.minimum(.divide(.constant(end) - start, dilation), .constant(window.kernel[k] - 1))
    guard !includePadding, before > 0 else { return last + 1 }
    let first = Index.divide(Index.maximum(.constant(before) - start, .constant(0)) + (dilation - 1), dilation)
    // A window of taps that all lie in the padding sums to 0; dividing by 1 keeps it so.
    return .maximum(last - first + 1, .constant(1))
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? { [] }

  public static var examples: [OperatorExample] {
    let window = Window(kernel: [3], strides: [2], before: [1], after: [1], ceil: true)
    return [
      OperatorExample(
        "elements", PoolCount(window, sizes: [4], includePadding: false, .f32), [], [TensorLiteral([2, 3, 1])], source: "by hand"),
      OperatorExample(
        "padding too", PoolCount(window, sizes: [4], includePadding: true, .f32), [], [TensorLiteral([3, 3, 2])], source: "by hand"),
      OperatorExample(
        "taps two apart",
        PoolCount(Window(kernel: [2, 1], dilations: [2, 1], before: [2, 0]), sizes: [3, 2], includePadding: false, .f32),
        [], [TensorLiteral([1, 1, 1, 1, 2, 2], shape: [3, 2])], source: "by hand"),
    ]
  }
}
