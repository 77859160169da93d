import Basics
import GraphIR
import Operators

/// Pairs of numbers turned by the angle of their position (Su et al., RoFormer, 2021): x [batch, heads, steps, width] or
/// [batch, steps, heads * width], cosines and sines by position or, without positions, for each step.
let rotaryEmbeddingRules = [
  ONNXRule("RotaryEmbedding", since: 23) { node in
    let given = try node.value(0)
    let shape = node.type(given).shape
    let isPacked = shape.count == 3
    var x = given
    if isPacked {
      let heads = try node.int("num_heads", 0)
      guard let size = shape[2].constant, heads > 0, size % heads == 0 else {
        throw Diagnostic("RotaryEmbedding cannot cut \(node.type(given)) into \(heads) heads along its last axis")
      }
      x = try node.graph.reshape(given, [shape[0], shape[1], Dimension(heads), Dimension(size / heads)])
    }
    let width = try node.constantSize(node.type(x), axis: 3)
    let stated = try node.int("rotary_embedding_dim", 0)
    let turned = stated == 0 ? width : stated
    guard turned > 0, turned <= width, turned % 2 == 0 else {
      throw Diagnostic("RotaryEmbedding turns an even number of at most \(width) numbers, not \(turned)")
    }
    let (cosines, sines) = (try node.angles(1, turned / 2, isPacked), try node.angles(2, turned / 2, isPacked))

    let parts = try turned == width ? [x] : node.graph.split(x, axis: 3, sizes: [turned, width - turned])
    let leading = Array(node.type(x).shape.prefix(3))
    let isInterleaved = try node.int("interleaved", 0) != 0
    let pairAxis = isInterleaved ? 4 : 3
    let half = Dimension(turned / 2)
    let pairs = try node.graph.reshape(parts[0], leading + (isInterleaved ? [half, 2] : [2, half]))
    let ends = try node.graph.split(pairs, axis: pairAxis, sizes: [1, 1]).map { try node.graph.reshape($0, leading + [half]) }
    let real = try node.graph.subtract(node.graph.multiply(cosines, ends[0]), node.graph.multiply(sines, ends[1]))
    let imaginary = try node.graph.add(node.graph.multiply(sines, ends[0]), node.graph.multiply(cosines, ends[1]))
    let single: Shape = leading + (isInterleaved ? [half, 1] : [1, half])
    let joined = try node.graph.concat([real, imaginary].map { try node.graph.reshape($0, single) }, axis: pairAxis)
    let result = try node.graph.concat([node.graph.reshape(joined, leading + [Dimension(turned)])] + parts.dropFirst(), axis: 3)
    return [try node.graph.reshape(result, shape)]
  }
]

extension ONNXNode {
  /// Operand `k`, a cache of cosines or sines, for each step: [batch, 1, steps, size], or with the steps before the heads
  /// [batch, steps, 1, size].
  fileprivate func angles(_ k: Int, _ size: Int, _ isPacked: Bool) throws -> ValueID {
    let cache = try value(k)
    let angles = try optional(3).map { try graph.gather(cache, $0) } ?? cache
    let shape = type(angles).shape
    guard shape.count == 3, shape[2] == Dimension(size) else {
      throw Diagnostic("input \(k) must give \(size) numbers for each step, got \(type(cache))")
    }
    return try graph.reshape(angles, isPacked ? [shape[0], shape[1], 1, shape[2]] : [shape[0], 1, shape[1], shape[2]])
  }
}
