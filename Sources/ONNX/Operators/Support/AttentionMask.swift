import Basics
import GraphIR
import Operators

/// Which keys a query attends: a bias that is added to the scores, pairs that are allowed, and rows that may be empty.
struct AttentionMask {
  let node: ONNXNode
  /// Broadcast to [batch, heads, queries, keys]; nil where nothing is added.
  private let bias: ValueID?
  /// Broadcast likewise, bool; nil where all pairs are allowed.
  private let isAllowed: ValueID?
  /// Whether every query surely has a key.
  private let isNeverEmpty: Bool

  init(_ node: ONNXNode, _ heads: AttentionHeads) throws {
    self.node = node
    let positions = try AttentionPositions(node, heads)
    let given = try positions.paddedMask()
    let isBool = given.map { node.type($0).element == .bool } ?? false
    bias = isBool ? nil : try given.map { try node.graph.cast($0, to: node.type(heads.query).element) }
    let parts = try positions.conditions() + (isBool ? [given!] : [])
    isAllowed = try parts.dropFirst().reduce(parts.first) { try node.graph.logicalAnd($0!, $1) }
    isNeverEmpty = given == nil && positions.coversEveryQuery
  }

  /// The scores with the bias, minus infinity where a pair is not allowed.
  func applied(to scores: ValueID) throws -> ValueID {
    let biased = try bias.map { try node.graph.add(scores, $0) } ?? scores
    return try isAllowed.map { try node.graph.select($0, biased, -.infinity) } ?? biased
  }

  /// `body` of the scores, with zeros in the rows of queries that have no key at all. What goes in is finite there, so that gradients are.
  func guarded(_ scores: ValueID, _ body: (ValueID) throws -> ValueID) throws -> ValueID {
    guard !isNeverEmpty, bias != nil || isAllowed != nil else { return try body(scores) }
    let element = node.type(scores).element
    let base = try bias ?? node.graph.constant(0, element)
    let total = try isAllowed.map { try node.graph.select($0, base, -.infinity) } ?? base
    let largest = try node.graph.max(total, axes: [-1], keepDims: true)
    let hasKey = try node.graph.greater(node.graph.stopGradient(largest), -.infinity)
    return try node.graph.select(hasKey, body(node.graph.select(hasKey, scores, 0)), 0)
  }
}

/// Conditions between the positions of queries and keys.
private struct AttentionPositions {
  let node: ONNXNode
  let heads: AttentionHeads
  /// -1 where a side is unbounded.
  let left: Int
  let right: Int

  init(_ node: ONNXNode, _ heads: AttentionHeads) throws {
    self.node = node
    self.heads = heads
    left = try node.int("left_window_size", -1)
    // Causal attention is a window without anything to the right, whatever else is asked for.
    right = try node.int("is_causal", 0) != 0 ? 0 : node.int("right_window_size", -1)
    let sizes = -1...1 << 30
    guard sizes.contains(left), sizes.contains(right) else {
      throw Diagnostic("window sizes must lie in -1 ... \(1 << 30), got \(left) and \(right)")
    }
  }

  /// The mask with as many keys as there are: those that it leaves out are not attended.
  func paddedMask() throws -> ValueID? {
    guard let mask = try node.optional(3) else { return nil }
    let type = node.type(mask)
    guard type.rank > 0 else { throw Diagnostic("the mask must have an axis of keys, got \(type)") }
    let missing = heads.keys - (try node.constantSize(type, axis: type.rank - 1))
    guard missing > 0 else { return mask }
    let none = Array(repeating: 0, count: type.rank)
    return try node.graph.pad(
      mask, before: none, after: none.dropLast() + [missing], value: type.element == .bool ? 0 : -.infinity)
  }

  /// Whether, by position alone, every query has a key.
  var coversEveryQuery: Bool {
    guard let offset = heads.offset else { return false }
    return (0..<heads.queries).allSatisfy { query in
      let position = offset + query
      return max(0, left < 0 ? 0 : position - left) <= min(heads.keys - 1, right < 0 ? heads.keys : position + right)
    }
  }

  /// Each broadcast to [batch, heads, queries, keys].
  func conditions() throws -> [ValueID] {
    let count = node.has(6) ? try node.graph.cast(node.value(6), to: .i32) : nil
    let lengths = try count.map { count in
      guard let batch = node.type(count).shape.first else {
        throw Diagnostic("input 6, the numbers of keys, must have one axis, the batch")
      }
      return try node.graph.reshape(count, [batch, 1, 1, 1])
    }
    let keys = try node.graph.iota([1, Dimension(heads.keys)], axis: 1, .i32)
    var all = try lengths.map { [try node.graph.less(keys, $0)] } ?? []
    guard left >= 0 || right >= 0 else { return all }
    let queries = try node.graph.iota([Dimension(heads.queries), 1], axis: 0, .i32)
    let position: ValueID
    if let offset = heads.offset {
      position = try node.graph.add(queries, Double(offset))
    } else {
      position = try node.graph.add(queries, node.graph.subtract(lengths!, Double(heads.queries)))
    }
    if right >= 0 { all.append(try node.graph.lessEqual(keys, node.graph.add(position, Double(right)))) }
    if left >= 0 { all.append(try node.graph.greaterEqual(keys, node.graph.subtract(position, Double(left)))) }
    return all
  }
}
