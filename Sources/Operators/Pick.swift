import Basics
import GraphIR
import LoopIR

/// One element of each row, by number; a number outside the row is clamped into it.
public struct Pick: Operator {
  public static let name = "pick"
  public static let operandNames = ["x", "indices"]
  public static let formula = "y[i…] = x[i…, indices[i…]]"

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    let x = try call.operand(0)
    let indices = try call.index(1, below: x.shape[x.rank - 1].coefficient)
    let column = try call.writer.reshape(indices, indices.shape + [1])
    let picked = call.writer.node("GatherElements", [x, column], ["axis": .int(-1)], shape: column.shape)
    return [try call.writer.reshape(picked, call.results[0].shape)]
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    let (x, indices) = (operands[0], operands[1])
    guard x.rank >= 1, indices.element.isInteger, indices.shape == x.shape.dropLast() else {
      throw TypeError("pick needs rows and one integer for each row, got \(x) and \(indices)")
    }
    _ = try requireConstant(Self.name, axis: x.rank - 1, of: x)
    return [TensorType(x.element, indices.shape)]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    let outer = (0..<results[0].rank).map { Index.variable("i\($0)") }
    let size = operands[0].shape[operands[0].rank - 1].coefficient
    return .map(.element(0, outer + [.clamped(.element(1, outer), operands[1].element, bound: size)]))
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let (x, indices) = (builder.type(request.operands[0]), request.operands[1])
    let chosen = try builder.rowPositions(equalTo: indices, x)
    return [try builder.select(chosen, builder.reshape(request.cotangent, x.shape.dropLast() + [1]), 0), nil]
  }

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "two rows", Pick(), [TensorLiteral([1, 2, 3, 4, 5, 6], shape: [2, 3]), TensorLiteral([2, 0], element: .i32)],
        [TensorLiteral([3, 4])], source: "by hand")
    ]
  }
}

extension GraphBuilder {
  /// The element of each row whose number is in `indices`.
  public mutating func pick(_ x: ValueID, _ indices: ValueID) throws -> ValueID { try add(Pick(), [x, indices]) }

  /// For each position of x's rows, whether it is the row's number in `indices`.
  mutating func rowPositions(equalTo indices: ValueID, _ x: TensorType) throws -> ValueID {
    let type = type(indices)
    let bounded = try minimum(
      maximum(indices, 0), Double(requireConstant("pick", axis: x.rank - 1, of: x) - 1))
    let positions = try iota([x.shape[x.rank - 1]], axis: 0, type.element)
    return try equal(reshape(bounded, type.shape + [1]), positions)
  }
}
