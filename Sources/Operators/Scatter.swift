import Basics
import GraphIR
import LoopIR

/// A table with values put at given places, or combined with what is there, in the order of the values. The places are those of `gather`.
public struct Scatter: Operator {
  public static let name = "scatter"
  public static let operandNames = ["table", "indices", "values"]
  public static let formula = "y[p] = the table's element at p, replaced by or combined with each value whose place is p"
  public var axis: Int
  public var by: AddressUnit
  /// How a value enters; without one it replaces what is there, and the last one stays.
  public var combiner: Reduction.Combiner?

  public init(axis: Int = 0, by unit: AddressUnit = .slices, combiner: Reduction.Combiner? = nil) {
    self.axis = axis
    by = unit
    self.combiner = combiner
  }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    let reduction = combiner.map { Self.combiners[$0]! } ?? "none"
    let addressing = try addressing(call.operands[0], call.operands[1])
    return try call.scattered(call.operand(2), 1, into: call.operand(0), addressing, reduction: reduction)
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    let (table, indices, values) = (operands[0], operands[1], operands[2])
    if combiner != nil { _ = try requireNumber(Self.name, [table.element]) }
    guard table.element == values.element else { throw TypeError("scatter needs values of the table's type, got \(table) and \(values)") }
    try addressing(table, indices).require(Self.name, values: values)
    return [table]
  }

  private func addressing(_ table: TensorType, _ indices: TensorType) throws -> Addressing {
    try Addressing(Self.name, by, axis: axis, table: table, indices: indices)
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    let (table, values) = (operands[0], operands[2])
    let addressing = try! addressing(table, operands[1])
    let copy = addressing.loops(over: table.shape) { [.store("y0", table.offset($0), .load("x0", table.offset($0)))] }
    let entering = addressing.loops(over: values.shape) { position in
      let place = table.offset(addressing.place(position, integersIn: "x1"))
      let value = Scalar.load("x2", values.offset(position))
      return [.store("y0", place, combiner.map { .binary($0.operation, .load("y0", place), value) } ?? value)]
    }
    return .custom(CustomLoops(outerRank: addressing.commonRank, body: copy + entering))
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let (indices, dy) = (request.operands[1], request.cotangent)
    switch combiner {
    case nil:
      let values = builder.type(request.operands[2])
      let zeros = try builder.broadcast(builder.constant(0, values.element), to: values.shape)
      return [try builder.add(self, [dy, indices, zeros]), nil, try gathered(dy, indices, &builder)]
    case .sum: return [dy, nil, try gathered(dy, indices, &builder)]
    case .product: return try gradientOfProduct(request, &builder)
    case .max, .min: return try gradientOfExtreme(request, &builder)
    }
  }

  private func gathered(_ x: ValueID, _ indices: ValueID, _ builder: inout GraphBuilder) throws -> ValueID {
    try builder.gather(x, indices, axis: axis, by: by)
  }

  private func added(_ values: ValueID, _ indices: ValueID, like x: ValueID, _ builder: inout GraphBuilder) throws -> ValueID {
    try builder.scatterAdd(values, to: indices, shape: builder.type(x).shape, axis: axis, by: by)
  }

  /// Each factor's gradient is the product of the others: of all that are not 0, divided by its own when that is not 0, unless another is 0.
  private func gradientOfProduct(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?] {
    let (table, indices, values) = (request.operands[0], request.operands[1], request.operands[2])
    let element = builder.type(table).element
    let (zeroInTable, zeroInValues) = (try builder.equal(table, 0), try builder.equal(values, 0))
    let zeros = try builder.add(
      builder.cast(zeroInTable, to: element), added(builder.cast(zeroInValues, to: element), indices, like: table, &builder))
    let nonzero = (try builder.select(zeroInTable, 1, table), try builder.select(zeroInValues, 1, values))
    let product = try builder.multiply(request.cotangent, builder.add(self, [nonzero.0, indices, nonzero.1]))
    func others(_ zero: ValueID, _ factor: ValueID, _ zeros: ValueID, _ product: ValueID) throws -> ValueID {
      let otherZeros = try builder.subtract(zeros, builder.cast(zero, to: element))
      return try builder.select(builder.equal(otherZeros, 0), builder.divide(product, factor), 0)
    }
    return [
      try others(zeroInTable, nonzero.0, zeros, product), nil,
      try others(zeroInValues, nonzero.1, gathered(zeros, indices, &builder), gathered(product, indices, &builder)),
    ]
  }

  /// The cotangent is shared evenly among the elements equal to the result.
  private func gradientOfExtreme(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?] {
    let (table, indices, values) = (request.operands[0], request.operands[1], request.operands[2])
    let element = builder.type(table).element
    let tableChosen = try builder.equal(table, request.result)
    let valueChosen = try builder.equal(values, gathered(request.result, indices, &builder))
    let count = try builder.add(
      builder.cast(tableChosen, to: element), added(builder.cast(valueChosen, to: element), indices, like: table, &builder))
    let share = try builder.divide(request.cotangent, count)
    return [
      try builder.select(tableChosen, share, 0), nil, try builder.select(valueChosen, gathered(share, indices, &builder), 0),
    ]
  }

  public static let onnxRules = [
    ONNXRule("Scatter", since: 9) { try scattered($0, axis: $0.int("axis", 0), by: .elements) },
    ONNXRule("ScatterElements", since: 11) { try scattered($0, axis: $0.int("axis", 0), by: .elements) },
    ONNXRule("ScatterND", since: 11) { try scattered($0, axis: 0, by: .tuples) },
  ]

  /// The names of combiners in the attribute `reduction`.
  private static let combiners: [Reduction.Combiner: String] = [.sum: "add", .product: "mul", .max: "max", .min: "min"]

  private static func scattered(_ node: ONNXNode, axis: Int, by unit: AddressUnit) throws -> [ValueID] {
    let reduction = try node.string("reduction", "none")
    guard reduction == "none" || combiners.values.contains(reduction) else {
      throw node.unsupported("reduction '\(reduction)' is not one of none, add, mul, max, min")
    }
    return [
      try node.add(
        Scatter(axis: axis, by: unit, combiner: combiners.first { $0.value == reduction }?.key), node.value(0), node.value(1), node.value(2)
      )
    ]
  }

  public static var examples: [OperatorExample] {
    let table = TensorLiteral([1, 2, 3, 4, 5, 6], shape: [3, 2])
    let places = TensorLiteral([1, 0, 1, -1], shape: [2, 2], element: .i64)
    let values = TensorLiteral([3.5, -1, 2, 7], shape: [2, 2])
    func elements(_ combiner: Reduction.Combiner) -> Scatter { Scatter(by: .elements, combiner: combiner) }
    return [
      OperatorExample(
        "rows replaced", Scatter(), [table, TensorLiteral([2, 0], element: .i64), TensorLiteral([7, 8, 9, 10], shape: [2, 2])],
        [TensorLiteral([9, 10, 3, 4, 7, 8], shape: [3, 2])], source: "by hand"),
      OperatorExample(
        "elements added", elements(.sum), [table, places, values], [TensorLiteral([1, 1, 8.5, 4, 5, 13], shape: [3, 2])],
        source: "by hand"),
      OperatorExample(
        "elements multiplied", elements(.product), [table, places, values], [TensorLiteral([1, -2, 21, 4, 5, 42], shape: [3, 2])],
        source: "by hand"),
      OperatorExample(
        "the largest", elements(.max), [table, places, values], [TensorLiteral([1, 2, 3.5, 4, 5, 7], shape: [3, 2])], source: "by hand"),
      OperatorExample(
        "the smallest", elements(.min), [table, places, values], [TensorLiteral([1, -1, 2, 4, 5, 6], shape: [3, 2])], source: "by hand"),
      OperatorExample(
        "pairs multiplied, some 0", Scatter(by: .tuples, combiner: .product),
        [
          TensorLiteral([0, 2, 3, 4], shape: [2, 2]), TensorLiteral([0, 0, 0, 1, 1, 0, 1, 0], shape: [4, 2], element: .i64),
          TensorLiteral([3, 0, 0, 5]),
        ], [TensorLiteral([0, 0, 0, 4], shape: [2, 2])], source: "by hand"),
    ]
  }
}

extension Reduction.Combiner {
  /// The operation on two numbers.
  fileprivate var operation: BinaryOperation {
    switch self {
    case .sum: .add
    case .product: .mul
    case .max: .max
    case .min: .min
    }
  }
}

extension GraphBuilder {
  /// The table with `values` put at the places in `indices`, or combined with what is there.
  public mutating func scatter(
    _ values: ValueID, to indices: ValueID, of table: ValueID, axis: Int = 0, by unit: AddressUnit = .slices,
    combiner: Reduction.Combiner? = nil
  ) throws -> ValueID { try add(Scatter(axis: axis, by: unit, combiner: combiner), [table, indices, values]) }
}
