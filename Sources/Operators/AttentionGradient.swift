import Basics
import GraphIR
import LoopIR

/// The gradient of attention: probabilities are made again block by block from the rows' sums (Dao et al. 2022, algorithm 4). Operands are
/// those of the attention, its two results, and their cotangents, the second where there is one.
public struct AttentionGradient: Operator {
  public static let name = "attention_gradient"
  public static let operandNames = ["operands_results_and_cotangents..."]
  public static let formula = "(dq, dk, dv) of attention, or the three side by side"
  public static let isDifferentiable = false
  /// The attention's own attributes.
  public var heads: Int
  public var keyValueHeads: Int
  public var scale: Double
  public var causal: Bool
  public var past: Int
  /// How many operands the attention has.
  public var operands: Int

  public init(_ attention: Attention, operands: Int) {
    (heads, keyValueHeads, scale) = (attention.heads, attention.keyValueHeads, attention.scale)
    (causal, past, self.operands) = (attention.causal, attention.past, operands)
  }

  private var attention: Attention {
    Attention(heads: heads, keyValueHeads: keyValueHeads, scale: scale, causal: causal, past: past)
  }

  public func resultTypes(_ types: [TensorType]) throws -> [TensorType] {
    guard operands >= 1, types.count == operands + 3 || types.count == operands + 4 else {
      throw TypeError("\(Self.name) needs \(operands) operands, two results and one or two cotangents, got \(types.count) operands")
    }
    let sources = Array(types.prefix(operands))
    let shape = try AttentionShape(attention, sources)
    let wanted = shape.results + shape.results
    for (type, wanted) in zip(types.dropFirst(operands), wanted) where type != wanted {
      throw TypeError("\(Self.name) needs results and cotangents \(shape.results[0]) and \(shape.results[1]), got \(type)")
    }
    return shape.isPacked ? [sources[0]] : Array(sources.prefix(3))
  }

  public func lowering(_ types: [TensorType], _ results: [TensorType]) -> Lowering {
    let shape = try! AttentionShape(attention, Array(types.prefix(operands)))
    let few = keyValueHeads
    let position = Index.variable("i0")
    let shared = Index.remainder(position, few)
    // Wide heads take narrower blocks, so that a block stays in a kernel's own memory.
    let loops = AttentionLoops(
      shape: shape, op: attention, lanes: max(shape.q.width, shape.v.width) <= 128 ? 32 : 16, sequence: .divide(position, few),
      head: shared * shape.group + .variable("member"), shared: shared)
    let sources = shape.isPacked ? [shape.q, shape.k, shape.v] : [shape.q]
    let regions = sources.enumerated().map { k, source in
      let width = k == 0 ? shape.group * source.width : source.width
      return CustomLoops.Region([Dimension(source.rows), Dimension(width)]) { outer, inner in
        [.divide(outer[0], few), inner[0], .remainder(outer[0], few) * width + inner[1] + source.column]
      }
    }
    let parts = Parts(
      loops: loops, q: matrix(shape.q, 0, shape), k: matrix(shape.k, 1, shape), v: matrix(shape.v, 2, shape),
      results: (operands..<types.count).map { "x\($0)" })
    let body = parts.zeros + [.loop(Loop("member", to: .constant(shape.group), [loops.overQueries(parts.block)]))]
    return .custom(
      CustomLoops(over: [Dimension.product([shape.batch, Dimension(few)])!], writing: regions, body: body))
  }

  /// The same place in a result.
  private func matrix(_ source: AttentionShape.Matrix, _ k: Int, _ shape: AttentionShape) -> AttentionShape.Matrix {
    var result = source
    result.buffer = shape.isPacked ? "y0" : "y\(k)"
    return result
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    request.operands.map { _ in nil }
  }

  public static var examples: [OperatorExample] { attentionGradientExamples }
}

/// The loops of one head of keys and values.
private struct Parts {
  let loops: AttentionLoops
  /// Where the cotangents of q, k and v go.
  let q: AttentionShape.Matrix
  let k: AttentionShape.Matrix
  let v: AttentionShape.Matrix
  /// The buffers of y, of the sums, and of their cotangents.
  let results: [String]

  private var shape: AttentionShape { loops.shape }
  private var lane: Index { loops.lane }

  /// Zeros where keys and values of this head sum up.
  var zeros: [Statement] {
    [k, v].map { matrix in
      let place = matrix.offset(loops.sequence, loops.shared, .variable("row"), .variable("e"))
      let store = Statement.store(matrix.buffer, place, .constant(0, loops.element))
      return .loop(
        Loop("row", to: .constant(matrix.rows), [.loop(Loop("e", to: .constant(matrix.width), [store]))]))
    }
  }

  /// A matrix of y's form.
  private func values(_ buffer: String) -> AttentionShape.Matrix {
    AttentionShape.Matrix(
      buffer: buffer, rows: shape.queries, stride: shape.heads * shape.v.width, column: 0, width: shape.v.width)
  }

  /// A block of queries against all keys that they see.
  var block: [Statement] {
    let (lanes, element) = (loops.lanes, loops.element)
    let own = loops.sequence * (shape.heads * shape.queries) + loops.head * shape.queries + loops.query(lane)
    let start: Scalar = results.count > 3 ? -.load(results[3], own) : .constant(0, element)
    let product =
      loops.load(values(results[0]), loops.head, loops.query(lane), .variable("e"))
      * .load("slope", .variable("e") * lanes + lane)
    return [
      .array("query", element, count: shape.q.width * lanes),
      .array("slope", element, count: shape.v.width * lanes),
      .array("power", element, count: AttentionLoops.blockKeys * lanes),
      .array("change", element, count: AttentionLoops.blockKeys * lanes),
      .array("turn", element, count: lanes * shape.q.width),
      .array("total", element, count: lanes),
      .array("mean", element, count: lanes),
      loops.overLanes([.store("total", lane, .load(results[1], own)), .store("mean", lane, start)]),
      loops.zeros("turn", count: lanes * shape.q.width),
    ] + loops.transposed(shape.q, to: "query", factor: loops.op.scale) + loops.transposed(values(results[2]), to: "slope") + [
      .loop(
        Loop(
          "e", to: .constant(shape.v.width), [loops.overLanes([.store("mean", lane, .load("mean", lane) + product)])])),
      loops.overKeys(keys),
      queries,
    ]
  }

  /// A block of keys: probabilities, then what they and the cotangents add to v, k and q.
  private var keys: [Statement] {
    func slot(_ row: Index) -> Index { row * loops.lanes + lane }
    let scale = Scalar.float(loops.op.scale, loops.element)
    return [
      loops.products(shape.k, with: "query", to: "power") { loops.masked($0, $1) },
      loops.overRows { [.store("power", slot($0), .call(.exp, [.load("power", slot($0)) - .load("total", lane)]))] },
      loops.products(shape.v, with: "slope", to: "change") { row, sum in
        .load("power", slot(row)) * (sum - .load("mean", lane)) * scale
      },
      loops.addedToKeys(v, weights: "power", values(results[2])),
      loops.addedToKeys(k, weights: "change", shape.q),
      loops.addedToQueries("turn", weights: "change", shape.k),
    ]
  }

  /// The cotangents of the block's queries.
  private var queries: Statement {
    let (row, e) = (Index.variable("row"), Index.variable("e"))
    let place = q.offset(loops.sequence, loops.head, loops.q0 + row, e)
    return .loop(
      Loop(
        "row", to: loops.queriesLeft,
        [.loop(Loop("e", to: .constant(q.width), [.store(q.buffer, place, .load("turn", row * q.width + e))]))]))
  }
}
