import Basics
import GraphIR
import LoopIR

/// A tensor cut along an axis into parts of given sizes. One cut with many parts has one gradient, their cotangents joined, where a slice
/// for each part would give as many padded ones to add.
public struct Split: Operator {
  public static let name = "split"
  public static let operandNames = ["x"]
  public static let formula = "(y0, y1, …) = x, cut along the axis"
  /// A negative one counts from the end.
  public var axis: Int
  /// One a part.
  public var sizes: [Int]

  public init(axis: Int, sizes: [Int]) {
    self.axis = axis
    self.sizes = sizes
  }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    let operands = [try call.operand(0), call.writer.integers(sizes)]
    return call.writer.node("Split", operands, ["axis": .int(axis)], types: call.results)
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    let x = operands[0]
    let axis = try resolveAxis(Self.name, axis, x)
    let size = try requireConstant(Self.name, axis: axis, of: x)
    guard !sizes.isEmpty, sizes.allSatisfy((0...size).contains), sizes.reduce(0, +) == size else {
      throw TypeError("split of \(x) along axis \(axis): parts of \(sizes) do not make \(size) elements")
    }
    return sizes.map { part in
      var shape = x.shape
      shape[axis] = Dimension(part)
      return TensorType(x.element, shape)
    }
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    .composite { builder, x in
      var start = 0
      return try sizes.map { size in
        defer { start += size }
        return try builder.slice(x[0], axis: axis, from: start, to: start + size)
      }
    }
  }

  /// The parts' cotangents joined, zeros for parts that do not reach the loss.
  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let element = builder.type(request.operands[0]).element
    let parts = try zip(request.results, request.cotangents).map { part, cotangent in
      try cotangent ?? builder.broadcast(builder.constant(0, element), to: builder.type(part).shape)
    }
    return [try builder.concat(parts, axis: axis)]
  }

  public static let onnxRules = [
    ONNXRule("Split") { node in
      try parts(node, sizes: node.ints("split") ?? (node.has(1) ? node.integers(1) : nil), count: node.usedOutputs.count)
    },
    ONNXRule("Split", since: 13) { node in try parts(node, sizes: node.has(1) ? node.integers(1) : nil, count: node.usedOutputs.count) },
    ONNXRule("Split", since: 18) { node in
      let count = try node.int("num_outputs", node.usedOutputs.count)
      return try parts(node, sizes: node.has(1) ? node.integers(1) : nil, count: count)
    },
  ]

  /// Parts of the given sizes, else as many as asked for, of which the last is smaller where they cannot be equal.
  private static func parts(_ node: ONNXNode, sizes: [Int]?, count: Int) throws -> [ValueID] {
    let x = try node.value(0)
    let type = node.type(x)
    let axis = try node.axis(node.int("axis", 0), rank: type.rank)
    if let sizes { return try node.graph.split(x, axis: axis, sizes: sizes) }
    let size = try requireConstant(name, axis: axis, of: type)
    guard (1...max(1, size)).contains(count) else { throw Diagnostic("\(type) cannot be cut into \(count) parts along axis \(axis)") }
    let part = (size + count - 1) / count
    return try node.graph.split(x, axis: axis, sizes: (0..<count).map { min(size, ($0 + 1) * part) - min(size, $0 * part) })
  }

  public static var examples: [OperatorExample] {
    let x = TensorLiteral([1, 2, 3, 4, 5, 6], shape: [2, 3])
    return [
      OperatorExample(
        "columns", Split(axis: -1, sizes: [1, 2]), [x],
        [TensorLiteral([1, 4], shape: [2, 1]), TensorLiteral([2, 3, 5, 6], shape: [2, 2])], source: "by hand"),
      OperatorExample(
        "rows", Split(axis: 0, sizes: [1, 1]), [x],
        [TensorLiteral([1, 2, 3], shape: [1, 3]), TensorLiteral([4, 5, 6], shape: [1, 3])], source: "by hand"),
    ]
  }
}

extension GraphBuilder {
  /// The parts of `x` along `axis` that have the given sizes.
  public mutating func split(_ x: ValueID, axis: Int, sizes: [Int]) throws -> [ValueID] {
    let type = type(x)
    if sizes.count == 1, sizes[0] == type.shape[axis < 0 ? axis + type.rank : axis].constant { return [x] }
    // Parts of a stored float are computed in f32 like anything else; they are exact.
    return try elements(add(Split(axis: axis, sizes: sizes), [x])).map { try cast($0, to: type.element) }
  }
}
