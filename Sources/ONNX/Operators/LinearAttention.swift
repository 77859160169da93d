import Basics
import GraphIR
import Operators

/// Attention with a state [batch, key heads, key width, value width] that each step decays and writes to, unrolled over the steps.
let linearAttentionRules = [
  ONNXRule("LinearAttention", since: 27) { node in
    let attention = try LinearAttention(node)
    var state = try attention.initialState()
    var outputs: [ValueID] = []
    for time in 0..<attention.steps {
      state = try attention.next(state, time)
      outputs.append(try attention.read(state, time))
    }
    let shape: Shape = [attention.batch, 0, Dimension(attention.groups * attention.keyHeads * attention.valueWidth)]
    let empty = try node.graph.broadcast(node.graph.constant(0, node.type(0).element), to: shape)
    return [outputs.isEmpty ? empty : try node.graph.concat(outputs, axis: 1), state]
  }
]

private struct LinearAttention {
  let node: ONNXNode
  let batch: Dimension
  let steps: Int
  let keyHeads: Int
  /// Query heads a key head.
  let groups: Int
  let keyWidth: Int
  let valueWidth: Int
  private let scale: Double
  private let query: [ValueID]
  private let key: [ValueID]
  private let value: [ValueID]
  private let decay: [ValueID]?
  private let beta: [ValueID]?

  private static let largestStepCount = 4096

  init(_ node: ONNXNode) throws {
    self.node = node
    let (queryHeads, keyHeads) = (try node.int("q_num_heads", 0), try node.int("kv_num_heads", 0))
    guard keyHeads > 0, queryHeads > 0, queryHeads % keyHeads == 0 else {
      throw Diagnostic("q_num_heads \(queryHeads) must be a multiple of kv_num_heads \(keyHeads)")
    }
    let types = try (0..<3).map { try node.type($0) }
    guard types.allSatisfy({ $0.rank == 3 }) else {
      throw Diagnostic("\(node.type) needs tensors [batch, steps, heads * width], got \(types.map(\.description).joined(separator: ", "))")
    }
    let steps = try node.constantSize(types[0], axis: 1)
    guard steps <= Self.largestStepCount else {
      throw node.unsupported("\(steps) steps are more than the \(Self.largestStepCount) that are unrolled")
    }
    (self.steps, self.keyHeads, groups, batch) = (steps, keyHeads, queryHeads / keyHeads, types[0].shape[0])
    keyWidth = try node.constantSize(types[1], axis: 2) / keyHeads
    valueWidth = try node.constantSize(types[2], axis: 2) / keyHeads
    let width = try node.constantSize(types[0], axis: 2)
    guard queryHeads <= width, queryHeads * keyWidth == width else {
      throw Diagnostic("queries \(types[0]) are not \(queryHeads) heads of the keys' width \(keyWidth)")
    }
    let given = try node.float("scale", 0)
    scale = given == 0 ? 1 / Double(keyWidth).squareRoot() : given

    let rule = try node.string("update_rule", "gated_delta")
    guard ["linear", "gated", "delta", "gated_delta"].contains(rule) else { throw Diagnostic("update_rule '\(rule)' is not known") }
    guard rule.hasPrefix("gated") == node.has(4), rule.hasSuffix("delta") == node.has(5) else {
      throw Diagnostic("update_rule '\(rule)' does not go with the inputs decay and beta that are given")
    }
    func perStep(_ k: Int) throws -> [ValueID] {
      guard try node.type(node.value(k)).rank == 3 else {
        throw Diagnostic("input \(k) must have three axes, got \(node.type(try node.value(k)))")
      }
      return try steps == 0 ? [] : node.graph.split(node.value(k), axis: 1, sizes: Array(repeating: 1, count: steps))
    }
    (query, key, value) = (try perStep(0), try perStep(1), try perStep(2))
    decay = node.has(4) ? try perStep(4) : nil
    beta = node.has(5) ? try perStep(5) : nil
  }

  func initialState() throws -> ValueID {
    try node.optional(3)
      ?? node.graph.broadcast(
        node.graph.constant(0, node.type(0).element), to: [batch, Dimension(keyHeads), Dimension(keyWidth), Dimension(valueWidth)])
  }

  /// A step's [batch, 1, heads * rest] as [batch, heads, rest…]; one number for all heads keeps one.
  private func shaped(_ x: ValueID, _ rest: [Int]) throws -> ValueID {
    let size = node.type(x).shape[2].coefficient
    let width = rest.reduce(1, *)
    return try node.graph.reshape(x, [batch, Dimension(size / max(1, width))] + rest.map { Dimension($0) })
  }

  /// The state after a step.
  func next(_ state: ValueID, _ time: Int) throws -> ValueID {
    var state = state
    if let decay {
      let isPerHead = node.type(decay[time]).shape[2] == Dimension(keyHeads)
      let factors = try shaped(node.graph.exp(decay[time]), isPerHead ? [1, 1] : [keyWidth, 1])
      state = try node.graph.multiply(state, factors)
    }
    var written = try shaped(value[time], [1, valueWidth])
    if let beta {
      let known = try node.graph.matmul(shaped(key[time], [1, keyWidth]), state)
      written = try node.graph.multiply(node.graph.subtract(written, known), shaped(beta[time], [1, 1]))
    }
    return try node.graph.add(state, node.graph.multiply(shaped(key[time], [keyWidth, 1]), written))
  }

  /// What the queries of a step read, [batch, 1, query heads * value width].
  func read(_ state: ValueID, _ time: Int) throws -> ValueID {
    let queries = try node.graph.multiply(shaped(query[time], [groups, keyWidth]), scale)
    let values = try node.graph.matmul(queries, state)
    return try node.graph.reshape(values, [batch, 1, Dimension(keyHeads * groups * valueWidth)])
  }
}
