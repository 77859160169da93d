import Basics
import GraphIR
import LoopIR

/// A part of a tensor: of each axis the elements from a start below an end, every step-th of them.
public struct Slice: Operator {
  public static let name = "slice"
  public static let operandNames = ["x"]
  public static let formula = "y[i…] = x[starts + i steps…]"
  /// One an axis.
  public var starts: [Int]
  /// One an axis; a symbolic axis can only be taken whole.
  public var ends: [Dimension]
  /// One an axis, positive.
  public var steps: [Int]

  public init(starts: [Int], ends: [Dimension], steps: [Int]) {
    self.starts = starts
    self.ends = ends
    self.steps = steps
  }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    let x = try call.operand(0)
    let axes = x.shape.indices.filter { starts[$0] != 0 || steps[$0] != 1 || ends[$0] != x.shape[$0] }
    let bounds = [axes.map { starts[$0] }, axes.map { ends[$0].coefficient }, axes, axes.map { steps[$0] }]
    return call.writer.node("Slice", [x] + bounds.map { call.writer.integers($0) }, types: call.results)
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    let x = operands[0]
    guard starts.count == x.rank, ends.count == x.rank, steps.count == x.rank else {
      throw TypeError("slice of \(x) needs \(x.rank) starts, ends and steps, got \(starts.count), \(ends.count), \(steps.count)")
    }
    let shape = try x.shape.indices.map { axis -> Dimension in
      if starts[axis] == 0, steps[axis] == 1, ends[axis] == x.shape[axis] { return x.shape[axis] }
      guard let size = x.shape[axis].constant, let end = ends[axis].constant else {
        throw TypeError("slice of \(x): axis \(axis) has a symbolic size and can only be taken whole")
      }
      guard steps[axis] > 0, starts[axis] >= 0, starts[axis] < end, end <= size else {
        throw TypeError("slice of \(x): \(starts[axis]) ..< \(end) by \(steps[axis]) does not lie in axis \(axis) of size \(size)")
      }
      return Dimension((end - starts[axis] - 1) / steps[axis] + 1)
    }
    return [TensorType(x.element, shape)]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    .map(.element(0, starts.indices.map { .variable("i\($0)") * steps[$0] + starts[$0] }))
  }

  /// Zeros around and between.
  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let (x, y) = (builder.type(request.operands[0]).shape, builder.type(request.cotangent).shape)
    let after = x.indices.map { axis in
      x[axis].symbol != nil ? 0 : x[axis].coefficient - starts[axis] - (y[axis].coefficient - 1) * steps[axis] - 1
    }
    return [try builder.pad(request.cotangent, before: starts, after: after, between: steps.map { $0 - 1 })]
  }

  public static var examples: [OperatorExample] {
    let x = TensorLiteral([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], shape: [2, 5])
    return [
      OperatorExample(
        "columns 1 and 2", Slice(starts: [0, 1], ends: [2, 3], steps: [1, 1]), [x], [TensorLiteral([2, 3, 7, 8], shape: [2, 2])],
        source: "by hand"),
      OperatorExample(
        "every third of the last row", Slice(starts: [1, 1], ends: [2, 5], steps: [1, 3]), [x], [TensorLiteral([7, 10], shape: [1, 2])],
        source: "by hand"),
    ]
  }
}

extension GraphBuilder {
  /// The elements `start ..< end` of one axis, every `step`-th of them.
  public mutating func slice(_ x: ValueID, axis: Int, from start: Int, to end: Int, step: Int = 1) throws -> ValueID {
    let type = type(x)
    let axis = try resolveAxis(Slice.name, axis, type)
    var (starts, ends, steps) = (Array(repeating: 0, count: type.rank), type.shape, Array(repeating: 1, count: type.rank))
    (starts[axis], ends[axis], steps[axis]) = (start, Dimension(end), step)
    return ends == type.shape && start == 0 && step == 1 ? x : try add(Slice(starts: starts, ends: ends, steps: steps), [x])
  }
}
