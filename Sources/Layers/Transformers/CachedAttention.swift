import Basics
import GraphIR
import Operators

/// Attention of one token to those before it, whose keys and values are kept in memory.
extension ModelBuilder {
  /// Throws in generation unless a token sees itself and what was before it, and no more.
  func requireGeneration(_ options: AttentionOptions, isCross: Bool, isMasked: Bool) throws {
    guard mode == .generation else { return }
    func fail(_ words: String) -> Diagnostic {
      Diagnostic("layer '\(graph.path)': \(words): text cannot be generated token by token with it", kind: .unsupported)
    }
    guard !isCross else { throw fail("attention to another sequence needs all of it") }
    guard !isMasked else { throw fail("a mask says which positions of a whole sequence take part") }
    guard options.causal else { throw fail("each position sees those after it, unless the attention is causal") }
  }

  /// q [N, 1, heads · width] against the keys and values of all tokens so far. Those of this one, [N, 1, keyValueHeads · width], are put into the
  /// memories `keys` and `values` [N, contextLength, …] at its position.
  mutating func attendedInMemory(
    _ q: ValueID, _ k: ValueID, _ v: ValueID, _ options: AttentionOptions, _ keyValueHeads: Int
  ) throws -> ValueID {
    let batch = type(q).shape[0]
    let places: Shape = [batch, Dimension(contextLength)]
    let position = self.position
    let steps = try graph.iota([Dimension(contextLength)], axis: 0, .i64)
    let isOwn = try graph.reshape(graph.equal(steps, position), [1, Dimension(contextLength), 1])
    let isSeen = try graph.broadcast(graph.lessEqual(steps, position), to: places)
    var kept: [ValueID] = []
    for (name, new) in [("keys", k), ("values", v)] {
      let old = try memory(name, TensorType(element, places + [type(new).shape[2]]))
      let next = try graph.select(isOwn, new, old)
      updateMemory(name, next)
      kept.append(next)
    }
    return try graph.attention(q, kept[0], kept[1], heads: options.heads, keyValueHeads: keyValueHeads, mask: isSeen, causal: false)
  }
}
