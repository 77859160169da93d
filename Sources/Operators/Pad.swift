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

  private static let largestCount = 1 << 20

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
      return Dimension(before[axis] + size + (size - 1) * between[axis] + after[axis])
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
      if before[axis] > 0 { inside.append(.compare(.ge, .index(position, .i64), .integer(before[axis], .i64))) }
      if after[axis] > 0 { inside.append(.compare(.le, .index(position, .i64), .integer(end, .i64))) }
      guard between[axis] > 0 else { return position + -before[axis] }
      // Never negative, as division and remainder want it, and never past the end; outside the range a guard fails.
      let distance = before[axis] == 0 ? position : Index.maximum(position + -before[axis], .constant(0))
      inside.append(.compare(.eq, .index(.remainder(distance, between[axis] + 1), .i64), .integer(0, .i64)))
      return .minimum(.divide(distance, between[axis] + 1), .constant(size - 1))
    }
    guard let first = inside.first else { return .map(.element(0, indices)) }
    let condition = inside.dropFirst().reduce(first) { .binary(.and, $0, $1) }
    return .map(.select(condition, .element(0, indices), .constant(value, x.element)))
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let (x, y) = (builder.type(request.operands[0]).shape, builder.type(request.cotangent).shape)
    let ends = x.indices.map { axis in
      x[axis].symbol != nil ? y[axis] : Dimension(before[axis] + (x[axis].coefficient - 1) * (between[axis] + 1) + 1)
    }
    return [try builder.add(Slice(starts: before, ends: ends, steps: between.map { $0 + 1 }), [request.cotangent])]
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
}
