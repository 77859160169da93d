import Basics
import GraphIR
import LoopIR

/// A part of a tensor: of each axis so many elements from a start on, every step-th of them; with a negative step backward.
public struct Slice: Operator {
  public static let name = "slice"
  public static let operandNames = ["x"]
  public static let formula = "y[i…] = x[starts + i steps…]"
  /// One an axis.
  public var starts: [Int]
  /// How many elements, one an axis; a symbolic axis can only be taken whole.
  public var sizes: [Dimension]
  /// One an axis, not 0.
  public var steps: [Int]

  public init(starts: [Int], sizes: [Dimension], steps: [Int]) {
    self.starts = starts
    self.sizes = sizes
    self.steps = steps
  }

  /// All of a tensor of this shape.
  public init(all shape: Shape) { self.init(starts: shape.map { _ in 0 }, sizes: shape, steps: shape.map { _ in 1 }) }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    let x = try call.operand(0)
    let axes = x.shape.indices.filter { starts[$0] != 0 || steps[$0] != 1 || sizes[$0] != x.shape[$0] }
    // Below 0 an end would count from the back, one before all elements does not.
    let ends = axes.map { axis in
      let end = starts[axis] + sizes[axis].coefficient * steps[axis]
      return end < 0 ? -x.shape[axis].coefficient - 1 : end
    }
    let bounds = [axes.map { starts[$0] }, ends, axes, axes.map { steps[$0] }]
    return call.writer.node("Slice", [x] + bounds.map { call.writer.integers($0) }, types: call.results)
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    let x = operands[0]
    guard starts.count == x.rank, sizes.count == x.rank, steps.count == x.rank else {
      throw TypeError("slice of \(x) needs \(x.rank) starts, sizes and steps, got \(starts.count), \(sizes.count), \(steps.count)")
    }
    for axis in x.shape.indices {
      if starts[axis] == 0, steps[axis] == 1, sizes[axis] == x.shape[axis] { continue }
      guard let size = x.shape[axis].constant, let count = sizes[axis].constant else {
        throw TypeError("slice of \(x): axis \(axis) has a symbolic size and can only be taken whole")
      }
      guard steps[axis] != 0, lies(axis, count, in: size) else {
        throw TypeError(
          "slice of \(x): \(count) elements from \(starts[axis]) on by \(steps[axis]) do not lie in axis \(axis) of size \(size)")
      }
    }
    return [TensorType(x.element, sizes)]
  }

  /// Whether the elements of an axis lie in one of the given size.
  private func lies(_ axis: Int, _ count: Int, in size: Int) -> Bool {
    if count == 0 { return (0...size).contains(starts[axis]) }
    let (distance, overflow) = (count - 1).multipliedReportingOverflow(by: steps[axis])
    return !overflow && abs(distance) < size && (0..<size).contains(starts[axis]) && (0..<size).contains(starts[axis] + distance)
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    .map(.element(0, starts.indices.map { .variable("i\($0)") * steps[$0] + starts[$0] }))
  }

  /// Zeros around and between, along an axis taken backward in the opposite order.
  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let x = builder.type(request.operands[0]).shape
    let forward = try builder.reversed(request.cotangent, axes: x.indices.filter { steps[$0] < 0 && sizes[$0] != 1 })
    let spans = x.indices.map { span($0) }
    let before = spans.map(\.low)
    let after = zip(x, spans).map { $0.coefficient - $1.high - 1 }
    return [try builder.pad(forward, before: before, after: after, between: steps.map { abs($0) - 1 })]
  }

  /// The first and last element of x that is taken along an axis; the last one before the first where none is.
  private func span(_ axis: Int) -> (low: Int, high: Int) {
    let end = starts[axis] + (sizes[axis].coefficient - 1) * steps[axis]
    return sizes[axis] == 0 ? (starts[axis], starts[axis] - 1) : (min(starts[axis], end), max(starts[axis], end))
  }

  public static let onnxRules = [
    ONNXRule("Slice") { node in
      guard let starts = try node.ints("starts"), let ends = try node.ints("ends") else {
        throw Diagnostic("Slice needs the attributes 'starts' and 'ends'")
      }
      return [try sliced(node, starts: starts, ends: ends.map { Dimension($0) }, axes: node.ints("axes"), steps: nil)]
    },
    ONNXRule("Slice", since: 10) { node in
      let axes = node.has(3) ? try node.integers(3) : nil
      let steps = node.has(4) ? try node.integers(4) : nil
      return [try sliced(node, starts: node.integers(1), ends: node.dimensions(2), axes: axes, steps: steps)]
    },
  ]

  private static func sliced(_ node: ONNXNode, starts: [Int], ends: [Dimension], axes: [Int]?, steps: [Int]?) throws -> ValueID {
    let x = try node.value(0)
    let shape = node.type(x).shape
    let axes = try (axes ?? Array(starts.indices)).map { try node.axis($0, rank: shape.count) }
    let steps = steps ?? axes.map { _ in 1 }
    guard starts.count == axes.count, ends.count == axes.count, steps.count == axes.count, !steps.contains(0), Set(axes).count == axes.count
    else { throw Diagnostic("starts \(starts), ends \(ends), axes \(axes) and steps \(steps) do not fit; steps must not be 0") }
    let whole = Slice(all: shape)
    var slice = whole
    for (k, axis) in axes.enumerated() {
      guard let size = shape[axis].constant else {
        // What ends with the batch, or far behind any, is the whole axis.
        let isWhole = ends[k] == shape[axis] || ends[k].constant.map { $0 >= Int(Int32.max) } ?? false
        guard starts[k] == 0, steps[k] == 1, isWhole else {
          throw node.unsupported("a part of the batch, axis \(axis) of \(node.type(x)), cannot be taken")
        }
        continue
      }
      guard let end = ends[k].constant else {
        throw node.unsupported("axis \(axis) of \(node.type(x)) cannot be cut by the size of the batch")
      }
      slice.take(axis, from: starts[k], to: end, step: steps[k], of: size)
    }
    return slice == whole ? x : try node.add(slice, x)
  }

  /// Takes a part of an axis of this size under NumPy's rules.
  private mutating func take(_ axis: Int, from start: Int, to end: Int, step: Int, of size: Int) {
    func inside(_ position: Int, _ low: Int, _ high: Int) -> Int { min(max(position < 0 ? position + size : position, low), high) }
    // A step beyond the size takes one element too.
    let step = min(max(step, -max(1, size)), max(1, size))
    let (low, high) = step > 0 ? (0, size) : (-1, size - 1)
    let (first, last) = (inside(start, low, high), inside(end, low, high))
    let distance = step > 0 ? last - first : first - last
    let count = max(0, (distance + abs(step) - 1) / abs(step))
    (starts[axis], sizes[axis]) = (count == 0 ? 0 : first, Dimension(count))
    steps[axis] = count <= 1 ? 1 : step
  }

  public static var examples: [OperatorExample] {
    let x = TensorLiteral([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], shape: [2, 5])
    return [
      OperatorExample(
        "columns 1 and 2", Slice(starts: [0, 1], sizes: [2, 2], steps: [1, 1]), [x], [TensorLiteral([2, 3, 7, 8], shape: [2, 2])],
        source: "by hand"),
      OperatorExample(
        "every third of the last row", Slice(starts: [1, 1], sizes: [1, 2], steps: [1, 3]), [x], [TensorLiteral([7, 10], shape: [1, 2])],
        source: "by hand"),
      OperatorExample(
        "backward", Slice(starts: [1, 4], sizes: [2, 2], steps: [-1, -2]), [x], [TensorLiteral([10, 8, 5, 3], shape: [2, 2])],
        source: "by hand"),
    ]
  }
}

extension GraphBuilder {
  /// The elements `start ..< end` of one axis, every `step`-th of them.
  public mutating func slice(_ x: ValueID, axis: Int, from start: Int, to end: Int, step: Int = 1) throws -> ValueID {
    let type = type(x)
    let axis = try resolveAxis(Slice.name, axis, type)
    var slice = Slice(all: type.shape)
    if start == 0, step == 1, type.shape[axis] == Dimension(end) { return x }
    (slice.starts[axis], slice.sizes[axis], slice.steps[axis]) = (start, Dimension(Swift.max(0, (end - start + step - 1) / step)), step)
    return try add(slice, [x])
  }

  /// The elements along some axes in the opposite order.
  public mutating func reversed(_ x: ValueID, axes: [Int]) throws -> ValueID {
    let type = type(x)
    var slice = Slice(all: type.shape)
    for axis in axes where type.shape[axis] != 0 && type.shape[axis] != 1 {
      slice.starts[axis] = try requireConstant(Slice.name, axis: axis, of: type) - 1
      slice.steps[axis] = -1
    }
    return slice == Slice(all: type.shape) ? x : try add(slice, [x])
  }
}
