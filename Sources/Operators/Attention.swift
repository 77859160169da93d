import Basics
import GraphIR
import LoopIR

/// Scaled dot-product attention of several heads (Vaswani et al. 2017), without a matrix of scores: blocks of queries go over blocks of
/// keys with running maxima and sums (Dao et al. 2022). Operands are as projections make them, [batch, positions, heads * width]; heads are
/// ranges of columns. They are `qkv` (the columns of q, k and v side by side) or `q`, `k`, `v`, and perhaps a mask, bool [batch, keys], true
/// where a key takes part. Several heads of queries may share one of keys and values (Ainslie et al. 2023). A query that sees no key gets 0.
///
/// The second result, [batch, heads, queries], is the logarithm of the sum of each row's powers, from which the gradient makes the
/// probabilities again.
public struct Attention: Operator {
  public static let name = "attention"
  public static let operandNames = ["qkv_and_mask..."]
  public static let formula = "(y, s) = (softmax(scale q k^T) v of each head, ln of the sum of e^(scale q k^T))"
  public var heads: Int
  public var keyValueHeads: Int
  /// The factor of the scores.
  public var scale: Double
  /// Whether the query at t sees the keys up to t + past alone.
  public var causal: Bool
  public var past: Int

  public init(heads: Int, keyValueHeads: Int? = nil, scale: Double, causal: Bool = false, past: Int = 0) {
    self.heads = heads
    self.keyValueHeads = keyValueHeads ?? heads
    self.scale = scale
    self.causal = causal
    self.past = past
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] { try AttentionShape(self, operands).results }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    let shape = try! AttentionShape(self, operands)
    let position = Index.variable("i0")
    let head = Index.remainder(position, heads)
    let loops = AttentionLoops(
      shape: shape, op: self, lanes: 16, sequence: .divide(position, heads), head: head,
      shared: .divide(head, shape.group))
    let region = CustomLoops.Region([Dimension(shape.queries), Dimension(shape.v.width)]) { [heads] outer, inner in
      [.divide(outer[0], heads), inner[0], .remainder(outer[0], heads) * shape.v.width + inner[1]]
    }
    return .custom(
      CustomLoops(
        over: [Dimension.product([shape.batch, Dimension(heads)])!], writing: [region], body: [loops.overQueries(block(loops))]))
  }

  /// A block of queries against all keys that they see.
  private func block(_ loops: AttentionLoops) -> [Statement] {
    let (shape, element, lanes, lane) = (loops.shape, loops.element, loops.lanes, loops.lane)
    let least = Scalar.float(element == .f32 ? -3e38 : -1e308, element)
    return [
      .array("query", element, count: shape.q.width * lanes),
      .array("score", element, count: AttentionLoops.blockKeys * lanes),
      .array("value", element, count: lanes * shape.v.width),
      .array("largest", element, count: lanes),
      .array("total", element, count: lanes),
      loops.overLanes([.store("largest", lane, least), .store("total", lane, .constant(0, element))]),
      loops.zeros("value", count: lanes * shape.v.width),
    ] + loops.transposed(shape.q, to: "query", factor: scale) + [loops.overKeys(keys(loops))] + finish(loops)
  }

  /// A block of keys: the sums so far shrink as far as the maximum rises.
  private func keys(_ loops: AttentionLoops) -> [Statement] {
    let (lanes, lane, element) = (loops.lanes, loops.lane, loops.element)
    let (largest, highest) = (Scalar.load("largest", lane), Scalar.load("highest", lane))
    func score(_ row: Index) -> Scalar { .load("score", row * lanes + lane) }
    return [
      loops.products(loops.shape.k, with: "query", to: "score") { loops.masked($0, $1) },
      .array("highest", element, count: lanes),
      .array("shrink", element, count: lanes),
      loops.overLanes([.store("highest", lane, largest)]),
      loops.overRows { [.store("highest", lane, .binary(.max, highest, score($0)))] },
      loops.overLanes([
        .define("factor", element, .call(.exp, [largest - highest])),
        .store("shrink", lane, .variable("factor")),
        .store("total", lane, .load("total", lane) * .variable("factor")),
        .store("largest", lane, highest),
      ]),
      loops.overRows { row in
        [
          .define("power", element, .call(.exp, [score(row) - highest])),
          .store("score", row * lanes + lane, .variable("power")),
          .store("total", lane, .load("total", lane) + .variable("power")),
        ]
      },
      loops.addedToQueries("value", weights: "score", loops.shape.v, factor: "shrink"),
    ]
  }

  private func finish(_ loops: AttentionLoops) -> [Statement] {
    let (shape, element) = (loops.shape, loops.element)
    let (row, total) = (Index.variable("row"), Scalar.variable("sum"))
    let value = Scalar.load("value", row * shape.v.width + .variable("e")) * .variable("share")
    let result = AttentionShape.Matrix(
      buffer: "y0", rows: shape.queries, stride: heads * shape.v.width, column: 0, width: shape.v.width)
    let sums = loops.sequence * (heads * shape.queries) + loops.head * shape.queries + loops.q0 + row
    return [
      .loop(
        Loop(
          "row", to: loops.queriesLeft,
          [
            .define("all", element, .load("total", row)),
            // No key was seen: a sum of 1 leaves 0 of everything, here and in the gradient.
            .define(
              "sum", element, .select(.compare(.eq, .variable("all"), .constant(0, element)), .constant(1, element), .variable("all"))),
            .define("share", element, .constant(1, element) / total),
            .loop(
              Loop(
                "e", to: .constant(shape.v.width),
                [.store("y0", result.offset(loops.sequence, loops.head, loops.q0 + row, .variable("e")), value)])),
            .store("y1", sums, .load("largest", row) + .call(.log, [total])),
          ]))
    ]
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    var operands = request.operands + [request.results[0], request.results[1]]
    let shape = try AttentionShape(self, request.operands.map { builder.type($0) })
    if request.cotangents[0] == nil, request.cotangents[1] == nil { return request.operands.map { _ in nil } }
    let zeros = { (builder: inout GraphBuilder, type: TensorType) in
      try builder.broadcast(builder.constant(0, type.element), to: type.shape)
    }
    operands.append(try request.cotangents[0] ?? zeros(&builder, shape.results[0]))
    if let sums = request.cotangents[1] { operands.append(sums) }
    let op = AttentionGradient(self, operands: request.operands.count)
    let node = try builder.add(op, operands)
    let found: [ValueID?] = shape.isPacked ? [node] : try builder.elements(node).map { $0 }
    return found + (shape.mask == nil ? [] : [nil])
  }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? { try exportedAttention(&call) }

  public static var examples: [OperatorExample] { attentionExamples }
}

extension GraphBuilder {
  /// Attention over `q` [N, T, heads * D], `k` [N, S, keyValueHeads * D] and `v` [N, S, keyValueHeads * E]; result [N, T, heads * E]. The
  /// scale is 1 / sqrt(D) unless given; `mask`, bool [N, S], is true where a key takes part.
  public mutating func attention(
    _ q: ValueID, _ k: ValueID, _ v: ValueID, heads: Int, keyValueHeads: Int? = nil, mask: ValueID? = nil, causal: Bool = false,
    past: Int = 0, scale: Double? = nil
  ) throws -> ValueID {
    let width = (type(q).shape.last?.coefficient ?? 1) / Swift.max(1, heads)
    return try attention([q, k, v] + (mask.map { [$0] } ?? []), heads, keyValueHeads, causal, past, scale, width)
  }

  /// Attention over the columns of q, k and v side by side, [N, T, (heads + 2 keyValueHeads) * D]; result [N, T, heads * D].
  public mutating func attention(
    packed qkv: ValueID, heads: Int, keyValueHeads: Int? = nil, mask: ValueID? = nil, causal: Bool = false, scale: Double? = nil
  ) throws -> ValueID {
    let width = (type(qkv).shape.last?.coefficient ?? 1) / Swift.max(1, heads + 2 * (keyValueHeads ?? heads))
    return try attention([qkv] + (mask.map { [$0] } ?? []), heads, keyValueHeads, causal, 0, scale, width)
  }

  private mutating func attention(
    _ operands: [ValueID], _ heads: Int, _ keyValueHeads: Int?, _ causal: Bool, _ past: Int, _ scale: Double?, _ width: Int
  ) throws -> ValueID {
    let scale = scale ?? 1 / Double(Swift.max(1, width)).squareRoot()
    let op = Attention(heads: heads, keyValueHeads: keyValueHeads, scale: scale, causal: causal, past: past)
    return try elements(add(op, operands))[0]
  }
}
