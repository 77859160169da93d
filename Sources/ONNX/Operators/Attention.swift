import Basics
import GraphIR
import Operators

/// Scaled dot-product attention with masks, caches, sliding windows and shared heads.
let attentionRules = [
  ONNXRule("Attention", since: 23) { node in
    let heads = try AttentionHeads(node)
    let mask = try AttentionMask(node, heads)
    let graph = { (body: (inout GraphBuilder) throws -> ValueID) in try body(&node.graph) }
    let scale = try node.float("scale") ?? 1 / Double(heads.width).squareRoot()
    var kept: [Int: ValueID] = [:]

    var scores = try heads.scores(scale: scale)
    kept[0] = scores
    if let cap = try node.float("softcap"), cap > 0 {
      scores = try graph { try $0.multiply($0.tanh($0.divide(scores, cap)), cap) }
    }
    kept[1] = scores
    scores = try mask.applied(to: scores)
    kept[2] = scores
    let precision = try node.int("softmax_precision") == ElementType.f64.onnx ? .f64 : node.type(scores).element
    let element = node.type(scores).element
    let probabilities = try mask.guarded(scores) { scores in
      try graph { try $0.cast($0.softmax($0.cast(scores, to: precision)), to: element) }
    }
    kept[3] = probabilities

    let mode = try node.int("qk_matmul_output_mode", 0)
    guard let intermediate = kept[mode] else { throw Diagnostic("qk_matmul_output_mode \(mode) does not lie in 0 ... 3") }
    return [try heads.output(probabilities), heads.key, heads.value, intermediate]
  }
]

/// Queries, keys and values with an axis of heads. Several heads of queries may share one of keys and values.
struct AttentionHeads {
  let node: ONNXNode
  /// [batch, query heads, queries, width].
  let query: ValueID
  /// [batch, key heads, keys, width], those of the cache first.
  let key: ValueID
  /// [batch, key heads, keys, value width].
  let value: ValueID
  let queries: Int
  let keys: Int
  let width: Int
  /// Keys that come before the query block; nil where each sequence has its own number.
  let offset: Int?
  private let isPacked: Bool
  /// [batch, key heads, query heads a key head times queries, …]: queries of one key head stand together in memory.
  private let grouped: Shape

  init(_ node: ONNXNode) throws {
    self.node = node
    let types = try (0..<3).map { try node.type($0) }
    let rank = types[0].rank
    guard rank == 3 || rank == 4, types.allSatisfy({ $0.rank == rank }) else {
      throw Diagnostic("Attention needs Q, K and V with three or four axes, got \(types.map(\.description).joined(separator: ", "))")
    }
    isPacked = rank == 3
    let counts = isPacked ? (try node.int("q_num_heads", 0), try node.int("kv_num_heads", 0)) : nil
    query = try node.splitHeads(node.value(0), counts?.0)
    var (key, value) = (try node.splitHeads(node.value(1), counts?.1), try node.splitHeads(node.value(2), counts?.1))
    var past = 0
    if node.has(4) || node.has(5) {
      past = try node.constantSize(node.type(4), axis: 2)
      if past > 0 {
        key = try node.graph.concat([node.value(4), key], axis: 2)
        value = try node.graph.concat([node.value(5), value], axis: 2)
      }
    }
    (self.key, self.value) = (key, value)
    offset = node.has(6) && !node.has(4) ? nil : past
    let (q, k) = (node.type(query), node.type(key))
    (queries, keys) = (try node.constantSize(q, axis: 2), try node.constantSize(k, axis: 2))
    width = try node.constantSize(q, axis: 3)
    let (many, few) = (try node.constantSize(q, axis: 1), try node.constantSize(k, axis: 1))
    guard few > 0, many % few == 0, node.type(value).shape[1] == k.shape[1], k.shape[3] == q.shape[3] else {
      throw Diagnostic("Attention cannot share the heads of keys \(k) and values \(node.type(value)) among those of queries \(q)")
    }
    grouped = [q.shape[0], Dimension(few), Dimension(many / few * queries)]
  }

  /// scale Q K^T, [batch, query heads, queries, keys].
  func scores(scale: Double) throws -> ValueID {
    let together = try node.graph.reshape(node.graph.multiply(query, scale), grouped + [Dimension(width)])
    let products = try node.graph.matmul(together, key, transposeB: true)
    return try node.graph.reshape(products, Array(node.type(query).shape.prefix(3)) + [Dimension(keys)])
  }

  /// The values weighted by probabilities [batch, query heads, queries, keys], in the form of the queries.
  func output(_ probabilities: ValueID) throws -> ValueID {
    let products = try node.graph.matmul(node.graph.reshape(probabilities, grouped + [Dimension(keys)]), value)
    let width = node.type(value).shape[3]
    let result = try node.graph.reshape(products, Array(node.type(query).shape.prefix(3)) + [width])
    guard isPacked else { return result }
    let shape = node.type(query).shape
    return try node.graph.reshape(
      node.graph.transpose(result, [0, 2, 1, 3]), [shape[0], shape[2], Dimension(shape[1].coefficient * width.coefficient)])
  }
}

extension ONNXNode {
  /// [batch, steps, heads * width] as [batch, heads, steps, width]; with a nil count it has that form already.
  func splitHeads(_ x: ValueID, _ heads: Int?) throws -> ValueID {
    guard let heads else { return x }
    let shape = type(x).shape
    guard shape.count == 3, let size = shape[2].constant, heads > 0, size % heads == 0 else {
      throw Diagnostic("\(type(x)) cannot be cut into \(heads) heads along its last axis")
    }
    return try graph.transpose(graph.reshape(x, [shape[0], shape[1], Dimension(heads), Dimension(size / heads)]), [0, 2, 1, 3])
  }

  /// The size of an axis that must be known at compile time.
  func constantSize(_ type: TensorType, axis: Int) throws -> Int {
    guard axis < type.rank else { throw Diagnostic("\(self.type) needs a tensor of more than \(axis) axes, got \(type)") }
    guard let size = type.shape[axis].constant else {
      throw unsupported("axis \(axis) of \(type) must be known when the model is compiled")
    }
    return size
  }
}
