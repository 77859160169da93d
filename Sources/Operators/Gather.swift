import Basics
import GraphIR
import LoopIR

/// Rows of a table, by number; a number outside the table is clamped into it.
public struct Gather: Operator {
  public static let name = "gather"
  public static let operandNames = ["table", "indices"]
  public static let formula = "y[i…, j…] = table[indices[i…], j…]"

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    let (table, indices) = (try call.operand(0), try call.index(1, below: call.operands[0].shape[0].coefficient))
    return call.writer.node("Gather", [table, indices], ["axis": .int(0)], types: call.results)
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    let (table, indices) = (operands[0], operands[1])
    guard table.rank >= 1, indices.element.isInteger else {
      throw TypeError("gather needs a table and integers, got \(table) and \(indices)")
    }
    _ = try requireConstant(Self.name, axis: 0, of: table)
    return [TensorType(table.element, indices.shape + table.shape.dropFirst())]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    let (table, indices) = (operands[0], operands[1])
    let row = Scalar.element(1, (0..<indices.rank).map { .variable("i\($0)") })
    let rest = (indices.rank..<results[0].rank).map { Index.variable("i\($0)") }
    return .map(.element(0, [.clamped(row, indices.element, bound: table.shape[0].coefficient)] + rest))
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let rows = builder.type(request.operands[0]).shape[0].coefficient
    return [try builder.scatterAdd(request.cotangent, to: request.operands[1], rows: rows), nil]
  }

  public static var examples: [OperatorExample] {
    let table = TensorLiteral([1, 2, 3, 4, 5, 6], shape: [3, 2])
    return [
      OperatorExample(
        "a row twice", Gather(), [table, TensorLiteral([2, 0, 2], element: .i32)],
        [TensorLiteral([5, 6, 1, 2, 5, 6], shape: [3, 2])], source: "by hand"),
      OperatorExample(
        "outside the table", Gather(), [table, TensorLiteral([-1, 7], element: .i64)], [TensorLiteral([1, 2, 5, 6], shape: [2, 2])],
        source: "by hand"),
    ]
  }
}

extension GraphBuilder {
  /// The rows of `table` (along its first axis) whose numbers are in `indices`.
  public mutating func gather(_ table: ValueID, _ indices: ValueID) throws -> ValueID { try add(Gather(), [table, indices]) }
}
