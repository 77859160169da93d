import Basics
import GraphIR
import LoopIR

/// Values added into a table of zeros at given places, in the order of the values: the opposite of `gather`, with its places.
public struct ScatterAdd: Operator {
  public static let name = "scatter_add"
  public static let operandNames = ["values", "indices"]
  public static let formula = "y[p] = sum of the values whose place is p"
  /// The table's shape.
  public var shape: Shape
  public var axis: Int
  public var by: AddressUnit

  public init(shape: Shape, axis: Int = 0, by unit: AddressUnit = .slices) {
    self.shape = shape
    self.axis = axis
    by = unit
  }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    let zeros = try call.writer.expand(call.writer.number(0, call.element), to: shape)
    let addressing = try addressing(call.results[0], call.operands[1])
    return try call.scattered(call.operand(0), 1, into: zeros, addressing, reduction: "add")
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    let (values, indices) = (operands[0], operands[1])
    let result = TensorType(try requireNumber(Self.name, [values.element]), shape)
    try addressing(result, indices).require(Self.name, values: values)
    return [result]
  }

  private func addressing(_ table: TensorType, _ indices: TensorType) throws -> Addressing {
    try Addressing(Self.name, by, axis: axis, table: table, indices: indices)
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    let (values, result) = (operands[0], results[0])
    let addressing = try! addressing(result, operands[1])
    // Many values for each of few places are summed in double precision.
    let inner = TensorType(result.element, Array(shape.dropFirst(addressing.commonRank))).count.constant ?? 0
    let isWide = values.element == .f32 && (1...Self.mostWideSums).contains(inner) && values.count != result.count
    let (sums, element) = isWide ? ("sums", ElementType.f64) : ("y0", values.element)
    func place(_ position: [Index]) -> Index {
      isWide
        ? result.offset(position.enumerated().map { $0.offset < addressing.commonRank ? .constant(0) : $0.element })
        : result.offset(position)
    }
    var body = addressing.loops(over: shape) { [.store(sums, place($0), .constant(0, element))] }
    body += addressing.loops(over: values.shape) { position in
      let target = place(addressing.place(position, integersIn: "x1"))
      let value = Scalar.load("x0", values.offset(position))
      return [.store(sums, target, .load(sums, target) + (isWide ? .cast(.f64, value) : value))]
    }
    if isWide {
      body.insert(.array(sums, .f64, count: inner), at: 0)
      body += addressing.loops(over: shape) { [.store("y0", result.offset($0), .cast(.f32, .load(sums, place($0))))] }
    }
    return .custom(CustomLoops(outerRank: addressing.commonRank, body: body))
  }

  /// Sums kept in double precision while a kernel runs, at most.
  private static let mostWideSums = 1024

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    [try builder.gather(request.cotangent, request.operands[1], axis: axis, by: by), nil]
  }

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "one place twice", ScatterAdd(shape: [3, 2]),
        [TensorLiteral([1, 2, 3, 4, 5, 6], shape: [3, 2]), TensorLiteral([2, 0, 2], element: .i32)],
        [TensorLiteral([3, 4, 0, 0, 6, 8], shape: [3, 2])], source: "by hand"),
      OperatorExample(
        "scalars", ScatterAdd(shape: [2]), [TensorLiteral([1, 2, 3]), TensorLiteral([1, -1, -4], element: .i32)],
        [TensorLiteral([3, 3])], source: "by hand"),
      OperatorExample(
        "columns", ScatterAdd(shape: [2, 3], axis: 1),
        [TensorLiteral([1, 2, 3, 4], shape: [2, 2]), TensorLiteral([2, 0], element: .i64)],
        [TensorLiteral([2, 0, 1, 4, 0, 3], shape: [2, 3])], source: "by hand"),
      OperatorExample(
        "elements", ScatterAdd(shape: [3, 2], by: .elements),
        [TensorLiteral([1, 2, 3, 4], shape: [2, 2]), TensorLiteral([1, 2, 1, 0], shape: [2, 2], element: .i64)],
        [TensorLiteral([0, 4, 4, 0, 0, 2], shape: [3, 2])], source: "by hand"),
      OperatorExample(
        "pairs", ScatterAdd(shape: [2, 2], by: .tuples),
        [TensorLiteral([1, 2, 3]), TensorLiteral([1, 0, 0, 1, 1, 0], shape: [3, 2], element: .i64)],
        [TensorLiteral([0, 2, 4, 0], shape: [2, 2])], source: "by hand"),
    ]
  }
}

extension GraphBuilder {
  /// The `values` added into a table of zeros at the places in `indices`.
  public mutating func scatterAdd(
    _ values: ValueID, to indices: ValueID, shape: Shape, axis: Int = 0, by unit: AddressUnit = .slices
  ) throws -> ValueID { try add(ScatterAdd(shape: shape, axis: axis, by: unit), [values, indices]) }
}
