import Basics
import GraphIR
import LoopIR

/// Slices or elements of a table, by number. Negative numbers count from the end, others outside the table are clamped into it.
public struct Gather: Operator {
  public static let name = "gather"
  public static let operandNames = ["table", "indices"]
  public static let formula = "y = the slices or elements of the table at the places in indices"
  public var axis: Int
  public var by: AddressUnit

  public init(axis: Int = 0, by unit: AddressUnit = .slices) {
    self.axis = axis
    by = unit
  }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    let addressing = try addressing(call.operands[0], call.operands[1])
    let operands = [try call.operand(0), try call.places(1, addressing)]
    let name = by == .slices ? "Gather" : by == .elements ? "GatherElements" : "GatherND"
    return call.writer.node(name, operands, [by == .tuples ? "batch_dims" : "axis": .int(addressing.axis)], types: call.results)
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    return [TensorType(operands[0].element, try addressing(operands[0], operands[1]).values)]
  }

  private func addressing(_ table: TensorType, _ indices: TensorType) throws -> Addressing {
    try Addressing(Self.name, by, axis: axis, table: table, indices: indices)
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    let addressing = try! addressing(operands[0], operands[1])
    return .map(.element(0, addressing.place(results[0].shape.indices.map { .variable("i\($0)") }) { .element(1, $0) }))
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let shape = builder.type(request.operands[0]).shape
    return [try builder.scatterAdd(request.cotangent, to: request.operands[1], shape: shape, axis: axis, by: by), nil]
  }

  public static let onnxRules = [
    ONNXRule("Gather") { node in
      let x = try node.value(0)
      let type = node.type(x)
      let axis = try node.axis(node.int("axis", 0), rank: type.rank)
      guard node.isConstant(1), let indices = try node.known(1), indices.count == 1, let size = type.shape[axis].constant else {
        return [try node.add(Gather(axis: axis), x, node.value(1))]
      }
      // One known slice needs no table of numbers.
      let index = indices.integers[0]
      guard (-size..<size).contains(index) else { throw Diagnostic("index \(index) is outside axis \(axis) of \(type)") }
      let start = index < 0 ? index + size : index
      let slice = try node.graph.slice(x, axis: axis, from: start, to: start + 1)
      return [try node.graph.reshape(slice, type.shape[..<axis] + indices.type.shape + type.shape[(axis + 1)...])]
    },
    ONNXRule("GatherElements", since: 11) { node in
      [try node.add(Gather(axis: node.int("axis", 0), by: .elements), node.value(0), node.value(1))]
    },
    ONNXRule("GatherND", since: 11) { node in
      let (x, tuples, axis) = (try node.value(0), try node.value(1), try node.int("batch_dims", 0))
      guard axis == 0, try beginWithTheirRow(node) else { return [try node.add(Gather(axis: axis, by: .tuples), x, tuples)] }
      let type = node.type(tuples)
      let rest = try node.graph.slice(tuples, axis: type.rank - 1, from: 1, to: type.shape.last!.coefficient)
      return [try node.add(Gather(axis: 1, by: .tuples), x, rest)]
    },
  ]

  /// Whether the tuples of operand 1 begin with the number of the row in the batch that they stand in, as exporters write x[batch, …]: rows
  /// of table and tuples then belong together, and the batch may have any size.
  private static func beginWithTheirRow(_ node: ONNXNode) throws -> Bool {
    let (table, tuples) = (node.type(try node.value(0)), node.type(try node.value(1)))
    guard let rows = table.shape.first, rows.symbol != nil, tuples.shape.first == rows, tuples.rank > 1,
      let length = tuples.shape.last!.constant, length > 1
    else { return false }
    return try [2, 3, 5].allSatisfy { batch in
      guard let found = try node.reader.evaluate(node.inputs[1], batch: batch) else { return false }
      let size = found.count / max(1, found.shape[0])
      return found.integers.enumerated().allSatisfy { $0.offset % length > 0 || $0.element == $0.offset / size }
    }
  }

  public static var examples: [OperatorExample] {
    let table = TensorLiteral([1, 2, 3, 4, 5, 6], shape: [3, 2])
    return [
      OperatorExample(
        "a row twice", Gather(), [table, TensorLiteral([2, 0, 2], element: .i32)],
        [TensorLiteral([5, 6, 1, 2, 5, 6], shape: [3, 2])], source: "by hand"),
      OperatorExample(
        "from the end, and outside the table", Gather(), [table, TensorLiteral([-1, 7, -9], element: .i64)],
        [TensorLiteral([5, 6, 5, 6, 1, 2], shape: [3, 2])], source: "by hand"),
      OperatorExample(
        "columns", Gather(axis: -1), [table, TensorLiteral([1, 1, 0, 1], shape: [2, 2], element: .i64)],
        [TensorLiteral([2, 2, 1, 2, 4, 4, 3, 4, 6, 6, 5, 6], shape: [3, 2, 2])], source: "by hand"),
      OperatorExample(
        "elements", Gather(axis: 0, by: .elements), [table, TensorLiteral([1, -1, 0, 1], shape: [2, 2], element: .i64)],
        [TensorLiteral([3, 6, 1, 4], shape: [2, 2])], source: "by hand"),
      OperatorExample(
        "pairs", Gather(axis: 0, by: .tuples), [table, TensorLiteral([2, 0, 0, -1], shape: [2, 2], element: .i64)],
        [TensorLiteral([5, 2])], source: "by hand"),
      OperatorExample(
        "rows of each matrix", Gather(axis: 1, by: .tuples),
        [TensorLiteral([0, 1, 2, 3, 4, 5, 6, 7], shape: [2, 2, 2]), TensorLiteral([1, 0], shape: [2, 1], element: .i64)],
        [TensorLiteral([2, 3, 4, 5], shape: [2, 2])], source: "ONNX's definition of GatherND"),
    ]
  }
}

extension GraphBuilder {
  /// The slices (or elements) of `table` along `axis` whose numbers are in `indices`.
  public mutating func gather(
    _ table: ValueID, _ indices: ValueID, axis: Int = 0, by unit: AddressUnit = .slices
  ) throws -> ValueID { try add(Gather(axis: axis, by: unit), [table, indices]) }
}
