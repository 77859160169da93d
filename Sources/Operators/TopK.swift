import Basics
import GraphIR
import LoopIR

/// The largest elements of each row in falling order, with their positions; of equal ones the first comes first. NaN is never chosen
/// before a number; where numbers run out, values are NaN and positions 0.
public struct TopK: Operator {
  public static let name = "top_k"
  public static let operandNames = ["x"]
  public static let formula = "(values, indices)[i…, j] = the j-th largest element of x[i…] and its position"
  /// How many of each row.
  public var k: Int

  public init(k: Int) { self.k = k }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    let operands = [try call.operand(0), call.writer.integers([k])]
    let parts = call.writer.node("TopK", operands, ["axis": .int(-1)], types: [call.results[0], call.results[1].with(.i64)])
    return [parts[0], call.writer.cast(parts[1], to: .i32)]
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    let x = operands[0]
    _ = try requireFloat(Self.name, [x.element])
    guard x.rank > 0 else { throw TypeError("top_k needs an axis, got \(x)") }
    let size = try requireConstant(Self.name, axis: x.rank - 1, of: x)
    guard (1...max(1, size)).contains(k) else { throw TypeError("top_k of \(x): k must lie in 1 ... \(size), got \(k)") }
    let shape = Array(x.shape.dropLast()) + [Dimension(k)]
    return [TensorType(x.element, shape), TensorType(.i32, shape)]
  }

  /// Each round finds the largest element that comes after the last one found, in the order of falling value, then rising position.
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
    let comesAfter = Scalar.binary(
      .or, .compare(.lt, value, last),
      .binary(.and, .compare(.eq, value, last), .compare(.gt, position, lastPosition)))
    let round: [Statement] = [
      .variable("best", x.element, .float(.nan, x.element)),
      .variable("best_position", .i32, .integer(-1, .i32)),
      .loop(
        Loop(
          "c", to: .constant(size),
          [
            .define("value", x.element, .load("x0", source)),
            .when(
              .binary(.and, comesAfter, .binary(.or, none, .compare(.gt, value, best))),
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
          .variable("last", x.element, .float(.infinity, x.element)),
          .variable("last_position", .i32, .integer(-1, .i32)),
          .loop(Loop("j", to: .constant(k), round)),
        ]))
  }

  /// The cotangents of the values go to the chosen positions.
  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    guard let values = request.cotangents[0] else { return [nil] }
    let x = builder.type(request.operands[0])
    let chosen = try builder.oneHot(request.results[1], depth: x.shape[x.rank - 1].coefficient, x.element)
    let shares = try builder.multiply(chosen, builder.reshape(values, builder.type(values).shape + [1]))
    return [try builder.sum(shares, axes: [-2])]
  }

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "two of each row", TopK(k: 2), [TensorLiteral([1, 4, 3, 7, 5, 6], shape: [2, 3])],
        [TensorLiteral([4, 3, 7, 6], shape: [2, 2]), TensorLiteral([1, 2, 0, 2], shape: [2, 2], element: .i32)], source: "by hand"),
      OperatorExample(
        "equal elements", TopK(k: 3), [TensorLiteral([2, 5, 2, 5])],
        [TensorLiteral([5, 5, 2]), TensorLiteral([1, 3, 0], element: .i32)], source: "by hand", checksGradient: false),
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
