import Basics
import GraphIR
import LoopIR

/// A window that slides over the last axes of a tensor (over the spatial axes of [N, C, H, W]); each list has one number for each of them.
public struct Window: Hashable, Codable, Sendable {
  /// Taps.
  public var kernel: [Int]
  /// Positions from one window to the next.
  public var strides: [Int]
  /// Positions from one tap to the next.
  public var dilations: [Int]
  /// Positions that are added before the first element.
  public var before: [Int]
  /// Positions that are added after the last element.
  public var after: [Int]
  /// Whether a last window counts that does not fit whole; it must begin inside the input or before it, as in PyTorch.
  public var ceil: Bool

  /// Strides and dilations are 1 and paddings 0 unless given.
  public init(
    kernel: [Int], strides: [Int]? = nil, dilations: [Int]? = nil, before: [Int]? = nil, after: [Int]? = nil, ceil: Bool = false
  ) {
    func all(_ value: Int) -> [Int] { Array(repeating: value, count: kernel.count) }
    self.kernel = kernel
    self.strides = strides ?? all(1)
    self.dilations = dilations ?? all(1)
    self.before = before ?? all(0)
    self.after = after ?? all(0)
    self.ceil = ceil
  }

  /// Counts beyond this are refused; products of two stay far from overflow.
  private static let largestCount = 1 << 20

  /// Positions from the first tap to the last, both included.
  func span(_ k: Int) -> Int { (kernel[k] - 1) * dilations[k] + 1 }

  /// All taps.
  var taps: Int { kernel.reduce(1, *) }

  /// The first axis of a tensor of that rank that the window slides over.
  func firstAxis(_ rank: Int) -> Int { rank - kernel.count }

  /// The shape of the windows' results over x.
  func resultShape(_ name: String, _ x: TensorType) throws -> Shape {
    guard !kernel.isEmpty, kernel.count <= x.rank,
      [strides.count, dilations.count, before.count, after.count].allSatisfy({ $0 == kernel.count })
    else {
      throw TypeError(
        "\(name) of \(x): kernel, strides, dilations, before and after need one number for each of the last axes, got \(kernel), \(strides), "
          + "\(dilations), \(before) and \(after)")
    }
    var shape = x.shape
    for k in kernel.indices {
      let axis = firstAxis(x.rank) + k
      if kernel[k] == 1, strides[k] == 1, before[k] == 0, after[k] == 0 { continue }
      shape[axis] = Dimension(try count(name, k, axis, x))
    }
    return shape
  }

  private func count(_ name: String, _ k: Int, _ axis: Int, _ x: TensorType) throws -> Int {
    let size = try requireConstant(name, axis: axis, of: x)
    guard [kernel[k], strides[k], dilations[k]].allSatisfy((1...Self.largestCount).contains) else {
      throw TypeError(
        "\(name) of \(x): kernel, stride and dilation must be at least 1, got \(kernel[k]), \(strides[k]) and \(dilations[k])")
    }
    let span = span(k)
    guard before[k] >= 0, after[k] >= 0, before[k] < span, after[k] < span else {
      throw TypeError(
        "\(name) of \(x): padding must lie in 0 ..< \(span), the window's extent along axis \(axis), got \(before[k]) before and "
          + "\(after[k]) after")
    }
    let free = before[k] + size + after[k] - span
    guard free >= 0 else {
      throw TypeError(
        "\(name) of \(x): a window of \(span) is larger than axis \(axis) with its padding, \(before[k] + size + after[k]); "
          + "make the kernel smaller or pad more")
    }
    let stride = strides[k]
    guard ceil else { return free / stride + 1 }
    let count = (free + stride - 1) / stride + 1
    return (count - 1) * stride >= size + before[k] ? count - 1 : count
  }

  // MARK: From a window to its elements

  /// A reduction over the taps of each window; `body` is given the element at the tap, `fill` stands for taps outside.
  func reduction(
    _ combiner: Reduction.Combiner, of x: TensorType, _ y: TensorType, fill: Scalar, body: (Scalar) -> Scalar = { $0 }
  ) -> Reduction {
    let first = firstAxis(x.rank)
    var conditions: [Scalar] = []
    var indices = x.shape.indices.map { Index.variable("i\($0)") }
    for k in kernel.indices {
      let position = indices[first + k] * strides[k] + .variable("r\(k)") * dilations[k] - before[k]
      indices[first + k] = position
      let (size, count) = (x.shape[first + k].coefficient, y.shape[first + k].coefficient)
      if before[k] > 0 { conditions.append(.atLeast(position, 0)) }
      if (count - 1) * strides[k] + span(k) - before[k] > size { conditions.append(.below(position, .constant(size))) }
    }
    let element = body(.element(0, indices))
    return Reduction(
      combiner, extents: kernel.map { Dimension($0) }, body: Scalar.all(conditions).map { .select($0, element, fill) } ?? element)
  }

  /// The number of the tap `r0`, `r1` … in row-major order.
  var tap: Index {
    kernel.indices.reduce(Index.constant(0)) { $0 * kernel[$1] + .variable("r\($1)") }
  }

  // MARK: From an element to the windows that hold it

  /// What each element of x, with `i0`, `i1` … over its axes, collects from the windows that hold it: `body` is given the window's
  /// position in y and the number of the tap at which it holds the element. As many windows are tried as can hold one element, so there
  /// is no scatter, and none of the conditions depends on the axes before the window's.
  func gather(to x: TensorType, from y: TensorType, _ zero: Scalar, body: ([Index], Index) -> Scalar) -> Lowering {
    let first = firstAxis(x.rank)
    var conditions: [Scalar] = []
    var extents: [Dimension] = []
    var tap = Index.constant(0)
    var position = x.shape.indices.map { Index.variable("i\($0)") }
    for k in kernel.indices {
      let (stride, span) = (strides[k], span(k))
      let (size, count) = (x.shape[first + k].coefficient, y.shape[first + k].coefficient)
      let holders = (span + stride - 1) / stride
      var back = Index.constant(0)
      if holders > 1 {
        back = .variable("r\(extents.count)")
        extents.append(Dimension(holders))
      }
      let shifted = position[first + k] + before[k]
      let window = (stride == 1 ? shifted : .divide(shifted, stride)) - back
      let offset = (stride == 1 ? .constant(0) : Index.remainder(shifted, stride)) + back * stride
      position[first + k] = window
      if before[k] / stride < holders - 1 { conditions.append(.atLeast(window, 0)) }
      if (size - 1 + before[k]) / stride >= count { conditions.append(.below(window, .constant(count))) }
      if holders * stride > span { conditions.append(.below(offset, .constant(span))) }
      if dilations[k] > 1 {
        conditions.append(.compare(.eq, .index(.remainder(offset, dilations[k]), .i64), .integer(0, .i64)))
      }
      tap = tap * kernel[k] + (dilations[k] == 1 ? offset : .divide(offset, dilations[k]))
    }
    let value = body(position, tap)
    let guarded = Scalar.all(conditions).map { Scalar.select($0, value, zero) } ?? value
    return extents.isEmpty ? .map(guarded) : .reduction(Reduction(.sum, extents: extents, body: guarded))
  }
}

extension Scalar {
  /// The conjunction; nil of none.
  static func all(_ conditions: [Scalar]) -> Scalar? {
    conditions.first.map { conditions.dropFirst().reduce($0) { .binary(.and, $0, $1) } }
  }

  /// index >= bound.
  static func atLeast(_ index: Index, _ bound: Int) -> Scalar { .compare(.ge, .index(index, .i64), .integer(bound, .i64)) }

  /// index < bound.
  static func below(_ index: Index, _ bound: Index) -> Scalar { .compare(.lt, .index(index, .i64), .index(bound, .i64)) }
}

/// An operator whose only attributes are a window's.
public protocol WindowOperator: Operator {
  var window: Window { get }
  init(_ window: Window)
}

extension WindowOperator {
  public init(from decoder: Decoder) throws { self.init(try Window(from: decoder)) }

  public func encode(to encoder: Encoder) throws { try window.encode(to: encoder) }
}

/// The largest or smallest element of each window.
public protocol ExtremePool: WindowOperator {
  static var combiner: Reduction.Combiner { get }
}

extension ExtremePool {
  public static var operandNames: [String] { ["x"] }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    return [TensorType(try requireNumber(Self.name, [operands[0].element]), try window.resultShape(Self.name, operands[0]))]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    let fill = Self.combiner.neutral(results[0].element)
    return .reduction(window.reduction(Self.combiner, of: operands[0], results[0], fill: fill))
  }

  /// To the first element of the window that has the value, as PyTorch does.
  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let x = request.operands[0]
    guard builder.type(x).element.isFloat else { return [nil] }
    if DisjointPoolGradient.fits(window, builder.type(x)) {
      return [try builder.add(DisjointPoolGradient(window), [x, request.result, request.cotangent])]
    }
    let position = try builder.add(PoolPosition(window), [x, request.result])
    return [try builder.add(PoolGradient(window, sizes: window.sizes(of: builder.type(x))), [request.cotangent, position])]
  }
}

/// The gradient of an operator over windows with respect to its input, whose sizes the operands do not show.
public protocol WindowGradient: Operator {
  var window: Window { get }
  /// Sizes of the input along the window's axes.
  var sizes: [Int] { get }
  init(_ window: Window, sizes: [Int])
}

private enum SizesKey: String, CodingKey { case sizes }

extension WindowGradient {
  public init(from decoder: Decoder) throws {
    self.init(try Window(from: decoder), sizes: try decoder.container(keyedBy: SizesKey.self).decode([Int].self, forKey: .sizes))
  }

  public func encode(to encoder: Encoder) throws {
    try window.encode(to: encoder)
    var container = encoder.container(keyedBy: SizesKey.self)
    try container.encode(sizes, forKey: .sizes)
  }

  /// The input's type, given that of the windows' results, which must be what the window makes of it.
  func inputType(_ y: TensorType) throws -> TensorType {
    guard sizes.count == window.kernel.count, sizes.count <= y.rank else {
      throw TypeError("\(Self.name) of \(y) needs one size for each axis of the window, got \(sizes)")
    }
    let x = TensorType(y.element, y.shape.dropLast(sizes.count) + sizes.map { Dimension($0) })
    let wanted = TensorType(y.element, try window.resultShape(Self.name, x))
    guard wanted == y else { throw TypeError("\(Self.name) to \(x) needs the windows' results \(wanted), got \(y)") }
    return x
  }
}

extension Window {
  /// The sizes of x along the window's axes.
  func sizes(of x: TensorType) -> [Int] { x.shape.suffix(kernel.count).map(\.coefficient) }
}
