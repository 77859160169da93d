import Basics
import GraphIR
import LoopIR

/// Rows added into a table of zeros at given places, in the order of the rows; a place outside the table is clamped into it.
public struct ScatterAdd: Operator {
  public static let name = "scatter_add"
  public static let operandNames = ["values", "indices"]
  public static let formula = "y[r, j…] = sum over the i… with indices[i…] = r of values[i…, j…]"
  /// Rows of the table.
  public var rows: Int

  public init(rows: Int) { self.rows = rows }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    let indices = try call.index(1, below: rows)
    let zeros = try call.writer.expand(call.writer.number(0, call.element), to: call.results[0].shape)
    let places = try call.writer.reshape(indices, indices.shape + [1])
    return call.writer.node("ScatterND", [zeros, places, try call.operand(0)], ["reduction": .string("add")], types: call.results)
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    let (values, indices) = (operands[0], operands[1])
    guard rows > 0, indices.element.isInteger, values.rank >= indices.rank,
      Array(values.shape.prefix(indices.rank)) == indices.shape
    else {
      throw TypeError("scatter_add needs values whose first axes are those of the integers, got \(values) and \(indices)")
    }
    let rest = Array(values.shape.dropFirst(indices.rank))
    guard rest.allSatisfy({ $0.symbol == nil }) else { throw TypeError("scatter_add: rows of \(values) must have a constant size") }
    return [TensorType(values.element, [Dimension(rows)] + rest)]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    let (values, indices) = (operands[0], operands[1])
    let width = results[0].count.coefficient / rows
    let (i, j) = (Index.variable("i"), Index.variable("j"))
    let target = Index.clamped(.load("x1", i), indices.element, bound: rows) * width + j
    return .custom(
      CustomLoops(
        outerRank: 0,
        body: [
          .loop(Loop("i", to: .constant(rows * width), [.store("y0", i, .constant(0, values.element))])),
          .loop(
            Loop(
              "i", to: indices.count.index,
              [
                .loop(
                  Loop("j", to: .constant(width), [.store("y0", target, .load("y0", target) + .load("x0", i * width + j))]))
              ])),
        ]))
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    [try builder.gather(request.cotangent, request.operands[1]), nil]
  }

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "one place twice", ScatterAdd(rows: 3),
        [TensorLiteral([1, 2, 3, 4, 5, 6], shape: [3, 2]), TensorLiteral([2, 0, 2], element: .i32)],
        [TensorLiteral([3, 4, 0, 0, 6, 8], shape: [3, 2])], source: "by hand"),
      OperatorExample(
        "scalars", ScatterAdd(rows: 2), [TensorLiteral([1, 2, 3]), TensorLiteral([1, 1, -4], element: .i32)],
        [TensorLiteral([3, 3])], source: "by hand"),
    ]
  }
}

extension GraphBuilder {
  /// The rows of `values` added into a table of zeros with `rows` rows at the places in `indices`.
  public mutating func scatterAdd(_ values: ValueID, to indices: ValueID, rows: Int) throws -> ValueID {
    try add(ScatterAdd(rows: rows), [values, indices])
  }
}
