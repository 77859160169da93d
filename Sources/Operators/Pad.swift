import Basics
import GraphIR
import LoopIR

/// A tensor with a constant before, after and between its elements along each axis.
public struct Pad: Operator {
  public static let name = "pad"
  public static let operandNames = ["x"]
  public static let formula = "y[before + i (between + 1)…] = x[i…], value elsewhere"
  /// Elements put before the first of each axis.
  public var before: [Int]
  /// Elements put after the last of each axis.
  public var after: [Int]
  /// Elements put between neighbours along each axis.
  public var between: [Int]
  public var value: Double

  fileprivate static let largestCount = 1 << 30
  /// Slices that a border of the tensor's own elements may consist of.
  fileprivate static let mostPieces = 256

  public init(before: [Int], after: [Int], between: [Int], value: Double = 0) {
    self.before = before
    self.after = after
    self.between = between
    self.value = value
  }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    var x = try call.operand(0)
    var after = after
    // Gaps between elements: each element is followed by its gap along an axis of its own, and the last gap is cut off again.
    for axis in between.indices where between[axis] > 0 {
      let (leading, size, trailing) = (Shape(x.shape[..<axis]), x.shape[axis].coefficient, Shape(x.shape[(axis + 1)...]))
      x = try call.writer.reshape(x, leading + [Dimension(size), 1] + trailing)
      let ends = x.shape.indices.map { $0 == axis + 1 ? between[axis] : 0 }
      x = call.writer.padded(x, before: ends.map { _ in 0 }, after: ends, value)
      x = try call.writer.reshape(x, leading + [Dimension(size * (1 + between[axis]))] + trailing)
      after[axis] -= between[axis]
    }
    return [call.writer.padded(x, before: before, after: after, value)]
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    let x = operands[0]
    guard before.count == x.rank, after.count == x.rank, between.count == x.rank else {
      throw TypeError("pad of \(x) needs \(x.rank) counts, got \(before.count) before, \(after.count) after, \(between.count) between")
    }
    let shape = try x.shape.indices.map { axis -> Dimension in
      if before[axis] == 0, after[axis] == 0, between[axis] == 0 { return x.shape[axis] }
      guard let size = x.shape[axis].constant else { throw TypeError("pad of \(x): axis \(axis) has a symbolic size and cannot grow") }
      guard [before[axis], after[axis], between[axis]].allSatisfy((0...Self.largestCount).contains) else {
        throw TypeError(
          "pad of \(x): counts must lie in 0 ... \(Self.largestCount), got \(before[axis]), \(after[axis]), \(between[axis])")
      }
      return Dimension(before[axis] + size + max(0, size - 1) * between[axis] + after[axis])
    }
    return [TensorType(x.element, shape)]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    let x = operands[0]
    var inside: [Scalar] = []
    let indices = x.shape.indices.map { axis -> Index in
      let position = Index.variable("i\(axis)")
      guard before[axis] != 0 || after[axis] != 0 || between[axis] != 0 else { return position }
      let size = x.shape[axis].coefficient
      let end = before[axis] + (size - 1) * (between[axis] + 1)
      if size == 0 { inside.append(.literal(.bool(false))) }
      if before[axis] > 0 { inside.append(.compare(.ge, .index(position, .i64), .integer(before[axis], .i64))) }
      if after[axis] > 0 { inside.append(.compare(.le, .index(position, .i64), .integer(end, .i64))) }
      guard between[axis] > 0 else { return position + -before[axis] }
      // Never negative, as division and remainder want it, and never past the end; outside the range a guard fails.
      let distance = before[axis] == 0 ? position : Index.maximum(position + -before[axis], .constant(0))
      inside.append(.compare(.eq, .index(.remainder(distance, between[axis] + 1), .i64), .integer(0, .i64)))
      return .minimum(.divide(distance, between[axis] + 1), .constant(max(0, size - 1)))
    }
    guard let first = inside.first else { return .map(.element(0, indices)) }
    let condition = inside.dropFirst().reduce(first) { .binary(.and, $0, $1) }
    return .map(.select(condition, .element(0, indices), .constant(value, x.element)))
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let x = builder.type(request.operands[0]).shape
    return [try builder.add(Slice(starts: before, sizes: x, steps: between.map { $0 + 1 }), [request.cotangent])]
  }

  public static let onnxRules = [
    ONNXRule("Pad") { node in
      guard let counts = try node.ints("pads") ?? node.ints("paddings") else { throw Diagnostic("attribute 'pads' is missing") }
      return [try padded(node, counts, axes: nil, value: .float(node.float("value", 0)))]
    },
    ONNXRule("Pad", since: 11) { node in
      let axes = node.has(3) ? try node.integers(3) : nil
      return [try padded(node, node.integers(1), axes: axes, value: node.has(2) ? .operand(2) : .float(0))]
    },
  ]

  /// What an ONNX node fills with.
  private enum Filling { case float(Double), operand(Int) }

  /// `counts` are elements before each axis, then after each; negative ones take elements away.
  private static func padded(_ node: ONNXNode, _ counts: [Int], axes: [Int]?, value: Filling) throws -> ValueID {
    let x = try node.value(0)
    let rank = node.type(x).rank
    let axes = try (axes ?? Array(0..<rank)).map { try node.axis($0, rank: rank) }
    guard counts.count == 2 * axes.count else {
      throw Diagnostic("pads of \(axes.count) axes are \(2 * axes.count) numbers, got \(counts)")
    }
    guard counts.allSatisfy({ abs(Double($0)) <= 0x1p31 }) else { throw Diagnostic("pads must lie in -2^31 ... 2^31, got \(counts)") }
    var (before, after) = (Array(repeating: 0, count: rank), Array(repeating: 0, count: rank))
    for (k, axis) in axes.enumerated() { (before[axis], after[axis]) = (counts[k], counts[k + axes.count]) }
    let mode = try node.string("mode", "constant")
    switch mode {
    case "constant": break
    case "edge", "reflect", "wrap":
      let outer = try node.graph.extended(x, before: before.map { max(0, $0) }, after: after.map { max(0, $0) }, mode)
      return try node.graph.cropped(outer, before: before, after: after)
    default: throw node.unsupported("mode '\(mode)' is not one of constant, edge, reflect, wrap")
    }
    let inner = try node.graph.cropped(x, before: before, after: after)
    (before, after) = (before.map { max(0, $0) }, after.map { max(0, $0) })
    guard case .operand(let k) = value, !node.isConstant(k) else {
      var number = 0.0
      switch value {
      case .float(let value): number = value
      case .operand(let k): number = try node.constant(k).doubles.first ?? 0
      }
      return try node.graph.pad(inner, before: before, after: after, value: number)
    }
    // The value is a value of the graph, and may have a gradient.
    let isInner = try node.graph.broadcast(node.graph.constant(1, .bool), to: node.type(inner).shape)
    let (padded, isInside) = (
      try node.graph.pad(inner, before: before, after: after), try node.graph.pad(isInner, before: before, after: after)
    )
    return try node.graph.select(isInside, padded, node.graph.reshape(node.value(k), []))
  }

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "a border of nines", Pad(before: [1, 0], after: [0, 2], between: [0, 0], value: 9), [TensorLiteral([1, 2, 3, 4], shape: [2, 2])],
        [TensorLiteral([9, 9, 9, 9, 1, 2, 9, 9, 3, 4, 9, 9], shape: [3, 4])], source: "by hand"),
      OperatorExample(
        "zeros around and between", Pad(before: [1], after: [2], between: [1]), [TensorLiteral([1, 2, 3])],
        [TensorLiteral([0, 1, 0, 2, 0, 3, 0, 0])], source: "by hand"),
    ]
  }
}

extension GraphBuilder {
  /// A tensor with `value` before, after and between its elements; each list has one count an axis.
  public mutating func pad(
    _ x: ValueID, before: [Int], after: [Int], between: [Int]? = nil, value: Double = 0
  ) throws -> ValueID {
    let between = between ?? Array(repeating: 0, count: type(x).rank)
    if (before + after + between).allSatisfy({ $0 == 0 }) { return x }
    return try add(Pad(before: before, after: after, between: between, value: value), [x])
  }

  /// Without the elements that negative counts take away; positive ones are left aside.
  fileprivate mutating func cropped(_ x: ValueID, before: [Int], after: [Int]) throws -> ValueID {
    let type = type(x)
    return try type.shape.indices.reduce(x) { x, axis in
      let (start, rest) = (Swift.max(0, -before[axis]), Swift.max(0, -after[axis]))
      if start == 0, rest == 0 { return x }
      let size = try requireConstant(Pad.name, axis: axis, of: type)
      guard start <= size, rest <= size - start else {
        throw TypeError("\(start) and \(rest) elements cannot be taken from axis \(axis) of \(type)")
      }
      return try slice(x, axis: axis, from: start, to: size - rest)
    }
  }

  /// The tensor with its own elements before and after: the outermost ones again (`edge`), those next to them mirrored (`reflect`), or those
  /// of the other end (`wrap`).
  fileprivate mutating func extended(_ x: ValueID, before: [Int], after: [Int], _ mode: String) throws -> ValueID {
    var result = x
    for axis in type(x).shape.indices where before[axis] > 0 || after[axis] > 0 {
      let size = try requireConstant(Pad.name, axis: axis, of: type(x))
      guard size > 0, Swift.max(before[axis], after[axis]) <= Pad.largestCount else {
        throw TypeError("\(type(x)) cannot be padded with \(before[axis]) and \(after[axis]) of its own elements along axis \(axis)")
      }
      var pieces: [ValueID] = []
      var position = -before[axis]
      while position < size + after[axis] {
        guard pieces.count < Pad.mostPieces else { throw TypeError("more than \(Pad.mostPieces) periods of \(type(x)) along axis \(axis)") }
        let (piece, length) = try piece(of: result, axis: axis, at: position, upTo: size + after[axis], mode)
        pieces.append(piece)
        position += length
      }
      result = try concat(pieces, axis: axis)
    }
    return result
  }

  /// What stands at a position of an axis that goes on on both sides, as far as it is one slice: with how many elements.
  private mutating func piece(of x: ValueID, axis: Int, at position: Int, upTo end: Int, _ mode: String) throws -> (ValueID, Int) {
    let shape = type(x).shape
    let size = shape[axis].coefficient
    if position == 0 { return (x, size) }
    var slice = Slice(all: shape)
    if mode == "edge" || size == 1 {
      (slice.starts[axis], slice.sizes[axis]) = (position < 0 ? 0 : size - 1, 1)
      var longer = shape
      longer[axis] = Dimension(position < 0 ? -position : end - position)
      return (try broadcast(add(slice, [x]), to: longer), longer[axis].coefficient)
    }
    let period = mode == "wrap" ? size : size - 1
    let inside = (position % period + period) % period
    let length = Swift.min(period - inside, end - position)
    let isForward = mode == "wrap" || (position - inside) / period % 2 == 0
    (slice.starts[axis], slice.sizes[axis]) = (isForward ? inside : size - 1 - inside, Dimension(length))
    slice.steps[axis] = isForward ? 1 : -1
    return (try add(slice, [x]), length)
  }
}
