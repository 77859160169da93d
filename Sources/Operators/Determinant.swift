import Basics
import GraphIR
import LoopIR

/// Determinants of square matrices, by elimination with the largest pivot of each column.
public struct Determinant: Operator {
  public static let name = "determinant"
  public static let operandNames = ["x"]
  public static let formula = "y[b…] = det x[b…, :, :]"

  public init() {}

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try call.node("Det") }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    let x = operands[0]
    _ = try requireFloat(Self.name, [x.element])
    guard x.rank >= 2, x.shape[x.rank - 1] == x.shape[x.rank - 2], let size = x.shape[x.rank - 1].constant, size <= 128 else {
      throw TypeError("determinant needs square matrices of at most 128 rows in the last two axes, got \(x)")
    }
    return [TensorType(x.element, Array(x.shape.dropLast(2)))]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    let x = operands[0]
    let n = x.shape[x.rank - 1].coefficient
    let outer = (0..<x.rank - 2).map { Index.variable("i\($0)") }
    let (c, r, k) = (Index.variable("c"), Index.variable("r"), Index.variable("k"))
    let result = Scalar.variable("result"), pivot = Scalar.variable("pivot"), best = Scalar.variable("best_row")
    func m(_ row: Index, _ column: Index) -> Scalar { .load("matrix", row * n + column) }
    let pivotRow = Index.indirect(best, bound: n)
    let search: [Statement] = [
      .variable("best_row", .i32, .index(c, .i32)),
      .variable("largest", x.element, .unary(.abs, m(c, c))),
      .loop(
        Loop(
          "r", from: c + 1, to: .constant(n),
          [
            .define("size", x.element, .unary(.abs, m(r, c))),
            .when(
              .compare(.gt, .variable("size"), .variable("largest")),
              [.assign("largest", .variable("size")), .assign("best_row", .index(r, .i32))], otherwise: []),
          ])),
    ]
    let exchange: [Statement] = [
      .when(
        .compare(.ne, best, .index(c, .i32)),
        [
          .loop(
            Loop(
              "k", to: .constant(n),
              [
                .define("upper", x.element, m(c, k)),
                .define("lower", x.element, m(pivotRow, k)),
                .store("matrix", c * n + k, .variable("lower")),
                .store("matrix", pivotRow * n + k, .variable("upper")),
              ])),
          .assign("result", -result),
        ], otherwise: []),
      .define("pivot", x.element, m(c, c)),
      .assign("result", result * pivot),
    ]
    let eliminate = Statement.when(
      .compare(.ne, pivot, .float(0, x.element)),
      [
        .loop(
          Loop(
            "r", from: c + 1, to: .constant(n),
            [
              .define("factor", x.element, m(r, c) / pivot),
              .loop(Loop("k", from: c, to: .constant(n), [.store("matrix", r * n + k, .fma(-.variable("factor"), m(c, k), m(r, k)))])),
            ]))
      ], otherwise: [])
    return .custom(
      CustomLoops(
        outerRank: x.rank - 2,
        body: [
          .array("matrix", x.element, count: n * n),
          .loop(Loop("k", to: .constant(n * n), [.store("matrix", k, .load("x0", x.offset(outer + [.constant(0), .constant(0)]) + k))])),
          .variable("result", x.element, .float(1, x.element)),
          .loop(Loop("c", to: .constant(n), search + exchange + [eliminate])),
          .store("y0", results[0].offset(outer), result),
        ]))
  }

  /// The cofactors: each the determinant of the matrix without a row and a column, with its sign. So singular matrices have the right
  /// gradient too, at a cost of n² determinants.
  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let x = builder.type(request.operands[0])
    let n = x.shape[x.rank - 1].coefficient
    let batch = Array(x.shape.dropLast(2))
    let dy = try builder.reshape(request.cotangent, batch + [1, 1])
    if n == 1 { return [dy] }
    guard n <= 32 else { throw TypeError("determinant: there is a gradient for at most 32 rows, \(x) has \(n)") }
    var kept: [Int] = []
    for left in 0..<n { kept += (0..<n).filter { $0 != left } }
    let numbers = try builder.constant(HostTensor(kept, shape: [n, n - 1], element: .i32))
    // [b…, row left out, column left out, rows, columns], by two gathers that each turn a row of the front axis into n - 1 others.
    let flat = try builder.transpose(request.operands[0], [x.rank - 2, x.rank - 1] + Array(0..<batch.count))
    let rows = try builder.gather(flat, numbers)
    let columnsFirst = try builder.transpose(rows, [2, 0, 1] + Array(3..<(batch.count + 3)))
    let minors = try builder.gather(columnsFirst, numbers)
    // Now [column left out, columns, row left out, rows, b…].
    let turned = try builder.transpose(minors, Array(4..<(batch.count + 4)) + [2, 0, 3, 1])
    let determinants = try builder.add(Determinant(), [turned])
    let signs = try builder.constant(
      HostTensor((0..<n * n).map { ($0 / n + $0 % n) % 2 == 0 ? 1.0 : -1.0 }, shape: [n, n], element: x.element))
    return [try builder.multiply(dy, builder.multiply(determinants, signs))]
  }

  public static let onnxRules = [ONNXRule("Det") { [try $0.add(Determinant(), $0.value(0))] }]

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "three by three", Determinant(), [TensorLiteral([0, 2, 1, 3, -1, 2, 1, 4, 0.5], shape: [3, 3])], [TensorLiteral([14], shape: [])],
        source: "by hand"),
      OperatorExample(
        "two of two by two", Determinant(), [TensorLiteral([1, 2, 3, 4, 1, 2, 2, 4], shape: [2, 2, 2])], [TensorLiteral([-2, 0])],
        source: "by hand"),
      OperatorExample(
        "one by one", Determinant(), [TensorLiteral([-3], shape: [1, 1])], [TensorLiteral([-3], shape: [])], source: "by hand"),
    ]
  }
}
