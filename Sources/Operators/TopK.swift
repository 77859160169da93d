import Basics
import GraphIR
import LoopIR

/// The largest elements of each row in falling order, or the smallest in rising order, with their positions; of equal ones the first comes
/// first. NaN is never chosen before a number; where numbers run out, values are NaN and positions 0.
public struct TopK: Operator {
  public static let name = "top_k"
  public static let operandNames = ["x"]
  public static let formula = "(values, indices)[i…, j] = the j-th largest element of x[i…] and its position"
  /// How many of each row.
  public var k: Int
  /// Whether the smallest are taken.
  public var smallest: Bool

  public init(k: Int, smallest: Bool = false) {
    self.k = k
    self.smallest = smallest
  }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    let operands = [try call.operand(0), call.writer.integers([k])]
    let parts = call.writer.node(
      "TopK", operands, ["largest": .int(smallest ? 0 : 1)], types: [call.results[0], call.results[1].with(.i64)])
    return [parts[0], call.writer.cast(parts[1], to: .i32)]
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    let x = operands[0]
    _ = try requireNumber(Self.name, [x.element])
    guard x.rank > 0 else { throw TypeError("top_k needs an axis, got \(x)") }
    let size = try requireConstant(Self.name, axis: x.rank - 1, of: x)
    guard (0...size).contains(k) else { throw TypeError("top_k of \(x): k must lie in 0 ... \(size), got \(k)") }
    let shape = Array(x.shape.dropLast()) + [Dimension(k)]
    return [TensorType(x.element, shape), TensorType(.i32, shape)]
  }

  /// Each round finds the best element that comes after the last one found, in the order of value, then rising position.
  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    let x = operands[0]
    let size = x.shape[x.rank - 1].coefficient
    let outer = (0..<x.rank - 1).map { Index.variable("i\($0)") }
    let source = x.offset(outer + [.variable("c")])
    let target = results[0].offset(outer + [.variable("j")])
    let (value, position) = (Scalar.variable("value"), Scalar.index(.variable("c"), .i32))
    let (last, lastPosition) = (Scalar.variable("last"), Scalar.variable("last_position"))
    let (best, bestPosition) = (Scalar.variable("best"), Scalar.variable("best_position"))
    let none = Scalar.compare(.lt, bestPosition, .integer(0, .i32))
    let (isBetter, isWorse) = smallest ? (Comparison.lt, Comparison.gt) : (.gt, .lt)
    // In the first round anything but NaN comes after.
    let isFirstRound = Scalar.compare(.eq, .index(.variable("j"), .i32), .integer(0, .i32))
    let isFirst = x.element.isFloat ? Scalar.binary(.and, isFirstRound, .compare(.eq, value, value)) : isFirstRound
    let comesAfter = Scalar.binary(
      .or, .binary(.or, isFirst, .compare(isWorse, value, last)),
      .binary(.and, .compare(.eq, value, last), .compare(.gt, position, lastPosition)))
    let missing = x.element.isFloat ? Scalar.float(.nan, x.element) : .constant(0, x.element)
    let round: [Statement] = [
      .variable("best", x.element, missing),
      .variable("best_position", .i32, .integer(-1, .i32)),
      .loop(
        Loop(
          "c", to: .constant(size),
          [
            .define("value", x.element, .load("x0", source)),
            .when(
              .binary(.and, comesAfter, .binary(.or, none, .compare(isBetter, value, best))),
              [.assign("best", value), .assign("best_position", position)], otherwise: []),
          ])),
      .store("y0", target, best),
      .store("y1", target, .binary(.max, bestPosition, .integer(0, .i32))),
      .assign("last", best),
      .assign("last_position", bestPosition),
    ]
    return .custom(
      CustomLoops(
        outerRank: x.rank - 1,
        body: [
          .variable("last", x.element, missing),
          .variable("last_position", .i32, .integer(-1, .i32)),
          .loop(Loop("j", to: .constant(k), round)),
        ]))
  }

  /// The cotangents of the values go to the chosen positions.
  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    guard let values = request.cotangents[0] else { return [nil] }
    let shape = builder.type(request.operands[0]).shape
    return [try builder.scatterAdd(values, to: request.results[1], shape: shape, axis: -1, by: .elements)]
  }

  public static let onnxRules = [
    ONNXRule("TopK") { node in
      guard let k = try node.int("k") else { throw Diagnostic("attribute 'k' is missing") }
      return try chosen(node, k: k)
    },
    ONNXRule("TopK", since: 10) { node in
      guard let k = try node.integers(1).first else { throw Diagnostic("input 1, how many elements are taken, is empty") }
      return try chosen(node, k: k)
    },
  ]

  /// Sorted whether or not that is asked for.
  private static func chosen(_ node: ONNXNode, k: Int) throws -> [ValueID] {
    let x = try node.value(0)
    let rank = node.type(x).rank
    let axis = try node.axis(node.int("axis", -1), rank: rank)
    var order = Array(0..<rank)
    order.swapAt(axis, rank - 1)
    let turned = try node.graph.transpose(x, order)
    let parts = try node.graph.elements(node.add(TopK(k: k, smallest: node.int("largest", 1) == 0), turned))
    return [try node.graph.transpose(parts[0], order), try node.graph.transpose(node.graph.cast(parts[1], to: .i64), order)]
  }

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "two of each row", TopK(k: 2), [TensorLiteral([1, 4, 3, 7, 5, 6], shape: [2, 3])],
        [TensorLiteral([4, 3, 7, 6], shape: [2, 2]), TensorLiteral([1, 2, 0, 2], shape: [2, 2], element: .i32)], source: "by hand"),
      OperatorExample(
        "equal elements", TopK(k: 3), [TensorLiteral([2, 5, 2, 5])],
        [TensorLiteral([5, 5, 2]), TensorLiteral([1, 3, 0], element: .i32)], source: "by hand", checksGradient: false),
      OperatorExample(
        "the smallest integers", TopK(k: 2, smallest: true), [TensorLiteral([3, 0, 7, 0, 2, 1], shape: [2, 3], element: .u64)],
        [TensorLiteral([0, 3, 0, 1], shape: [2, 2], element: .u64), TensorLiteral([1, 0, 0, 2], shape: [2, 2], element: .i32)],
        source: "by hand", checksGradient: false),
    ]
  }
}

extension GraphBuilder {
  /// The `k` largest elements of each row (along the last axis) in falling order, and their positions.
  public mutating func topK(_ x: ValueID, k: Int) throws -> (values: ValueID, indices: ValueID) {
    let parts = try elements(add(TopK(k: k), [x]))
    return (parts[0], parts[1])
  }
}
