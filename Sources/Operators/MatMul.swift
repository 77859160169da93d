import Basics
import GraphIR
import LoopIR

/// A batched matrix product. The first operand is [b…, m, k] ([b…, k, m] when transposed), the second [k, n] ([n, k] when transposed)
/// for all of the batch, or with the same batch axes as the first.
public struct MatMul: Operator {
  public static let name = "matmul"
  public static let operandNames = ["a", "b"]
  public static let formula = "c[b…, m, n] = sum over k of a[b…, m, k] b[b…, k, n]"
  public var transposeA: Bool
  public var transposeB: Bool

  public init(transposeA: Bool = false, transposeB: Bool = false) {
    self.transposeA = transposeA
    self.transposeB = transposeB
  }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    let (a, b) = (try call.operand(0), try call.operand(1))
    if a.rank == 2, transposeA || transposeB {
      let attributes: ONNXAttributes = ["transA": .int(transposeA ? 1 : 0), "transB": .int(transposeB ? 1 : 0)]
      return call.writer.node("Gemm", [a, b], attributes, types: call.results)
    }
    let left = transposeA ? call.writer.swapLastAxes(a) : a
    return call.writer.node("MatMul", [left, transposeB ? call.writer.swapLastAxes(b) : b], types: call.results)
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    let (a, b) = (operands[0], operands[1])
    let element = try requireNumbers(Self.name, [a.element, b.element])
    guard a.rank >= 2, b.rank >= 2 else { throw TypeError("matmul needs operands of two axes or more, got \(a) and \(b)") }
    let batch = a.shape.dropLast(2)
    guard b.rank == 2 || Array(b.shape.dropLast(2)) == Array(batch) else {
      throw TypeError("matmul of \(a) and \(b): the second needs two axes, or the batch axes of the first")
    }
    let (m, k) = transposeA ? (a.shape[a.rank - 1], a.shape[a.rank - 2]) : (a.shape[a.rank - 2], a.shape[a.rank - 1])
    let (k2, n) = transposeB ? (b.shape[b.rank - 1], b.shape[b.rank - 2]) : (b.shape[b.rank - 2], b.shape[b.rank - 1])
    guard k == k2 else {
      throw TypeError(
        "matmul of \(a)\(transposeA ? " transposed" : "") and \(b)\(transposeB ? " transposed" : ""): inner sizes \(k) and \(k2) differ")
    }
    return [TensorType(element, batch + [m, n])]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    .contraction(Contraction(transposeA: transposeA, transposeB: transposeB, batchedB: operands[1].rank > 2))
  }

  /// Matrix products with other transposes; a second operand that the batch shares gets its gradient from the batch laid end to end.
  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    let (a, b, dc) = (request.operands[0], request.operands[1], request.cotangent)
    guard builder.type(a).rank > 2, builder.type(b).rank == 2 else {
      return [try gradientOfA(b, dc, &builder), try gradientOfB(a, dc, &builder)]
    }
    guard transposeA else {
      return [
        try gradientOfA(b, dc, &builder), try gradientOfB(builder.flattenedRows(a), builder.flattenedRows(dc), &builder),
      ]
    }
    // The batch must stand in the first operand, so this product is made the other way round and turned.
    let turned = try MatMul(transposeB: transposeB).gradientOfA(b, dc, &builder)
    let rows = try builder.flattenedRows(builder.swapLastAxes(a))
    return [
      try builder.swapLastAxes(turned), try MatMul(transposeB: transposeB).gradientOfB(rows, builder.flattenedRows(dc), &builder),
    ]
  }

  private func gradientOfA(_ b: ValueID, _ dc: ValueID, _ builder: inout GraphBuilder) throws -> ValueID {
    transposeA
      ? try builder.matmul(b, dc, transposeA: transposeB, transposeB: true) : try builder.matmul(dc, b, transposeB: !transposeB)
  }

  private func gradientOfB(_ a: ValueID, _ dc: ValueID, _ builder: inout GraphBuilder) throws -> ValueID {
    transposeB
      ? try builder.matmul(dc, a, transposeA: true, transposeB: transposeA) : try builder.matmul(a, dc, transposeA: !transposeA)
  }

  public static let onnxRules = [ONNXRule("MatMul") { [try $0.graph.product($0.value(0), $0.value(1))] }]

  public static var examples: [OperatorExample] {
    let a = TensorLiteral([1, 2, 3, 4, 5, 6], shape: [2, 3])
    let aTurned = TensorLiteral([1, 4, 2, 5, 3, 6], shape: [3, 2])
    let b = TensorLiteral([1, -1, 2, 0, 0.5, 3], shape: [3, 2])
    let bTurned = TensorLiteral([1, 2, 0.5, -1, 0, 3], shape: [2, 3])
    let c = TensorLiteral([6.5, 8, 17, 14], shape: [2, 2])
    let rows = TensorLiteral([1, 2, 3, 4, 5, 6], shape: [2, 1, 3])
    let columns = TensorLiteral([1, 2, 3, 4, 5, 6], shape: [2, 3, 1])
    let outer = TensorLiteral([1, 0, 2, 0, 1, 1], shape: [2, 1, 3])
    return [
      OperatorExample("two matrices", MatMul(), [a, b], [c], source: "by hand"),
      OperatorExample("first transposed", MatMul(transposeA: true), [aTurned, b], [c], source: "by hand"),
      OperatorExample("second transposed", MatMul(transposeB: true), [a, bTurned], [c], source: "by hand"),
      OperatorExample("both transposed", MatMul(transposeA: true, transposeB: true), [aTurned, bTurned], [c], source: "by hand"),
      OperatorExample(
        "a shared second operand", MatMul(), [rows, b], [TensorLiteral([6.5, 8, 17, 14], shape: [2, 1, 2])], source: "by hand"),
      OperatorExample(
        "a shared second operand, transposed", MatMul(transposeB: true), [rows, bTurned],
        [TensorLiteral([6.5, 8, 17, 14], shape: [2, 1, 2])], source: "by hand"),
      OperatorExample(
        "a shared second operand, first transposed", MatMul(transposeA: true), [columns, b],
        [TensorLiteral([6.5, 8, 17, 14], shape: [2, 1, 2])], source: "by hand"),
      OperatorExample(
        "both in batches", MatMul(transposeB: true), [rows, outer], [TensorLiteral([7, 11], shape: [2, 1, 1])], source: "by hand"),
    ]
  }
}

extension GraphBuilder {
  /// The matrix product over the last two axes.
  public mutating func matmul(_ a: ValueID, _ b: ValueID, transposeA: Bool = false, transposeB: Bool = false) throws -> ValueID {
    try add(MatMul(transposeA: transposeA, transposeB: transposeB), [a, b])
  }

  /// The matrix product as NumPy has it: operands of one axis are a row and a column, whose axis goes again; other leading axes than the
  /// last two are broadcast.
  public mutating func product(_ a: ValueID, _ b: ValueID) throws -> ValueID {
    let (aShape, bShape) = (type(a).shape, type(b).shape)
    guard let k = aShape.last, !bShape.isEmpty else { throw TypeError("a matrix product needs axes, got \(type(a)) and \(type(b))") }
    let left = aShape.count == 1 ? try reshape(a, [1, k]) : a
    let right = bShape.count == 1 ? try reshape(b, [bShape[0], 1]) : b
    var result = try batchedProduct(left, right)
    var shape = type(result).shape
    if bShape.count == 1 { shape.removeLast() }
    if aShape.count == 1 { shape.remove(at: type(result).rank - 2) }
    result = try reshape(result, shape)
    return result
  }

  private mutating func batchedProduct(_ a: ValueID, _ b: ValueID) throws -> ValueID {
    let (aShape, bShape) = (type(a).shape, type(b).shape)
    if bShape.count == 2 || aShape.dropLast(2) == bShape.dropLast(2) { return try matmul(a, b) }
    let batch = try broadcastShape(Array(aShape.dropLast(2)), Array(bShape.dropLast(2)))
    return try matmul(broadcast(a, to: batch + aShape.suffix(2)), broadcast(b, to: batch + bShape.suffix(2)))
  }

  /// All axes but the last as one.
  mutating func flattenedRows(_ x: ValueID) throws -> ValueID {
    let type = type(x)
    guard let rows = Dimension.product(type.shape.dropLast()) else {
      throw TypeError("the axes of \(type) cannot be made two: more than one is symbolic")
    }
    return try reshape(x, [rows, type.shape[type.rank - 1]])
  }

  /// The last two axes exchanged.
  mutating func swapLastAxes(_ x: ValueID) throws -> ValueID {
    let rank = type(x).rank
    return try transpose(x, Array(0..<rank - 2) + [rank - 1, rank - 2])
  }
}
