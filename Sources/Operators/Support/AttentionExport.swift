import Basics
import GraphIR

extension Attention {
  /// The same in ONNX's words: products, a softmax between them.
  func exportedAttention(_ call: inout ONNXCall) throws -> [ONNXTensor] {
    let shape = try AttentionShape(self, call.operands)
    let parts = try [(shape.q, heads), (shape.k, keyValueHeads), (shape.v, keyValueHeads)].enumerated().map { k, part in
      try head(part.0, part.1, shape.isPacked ? 0 : k, shape.group, &call)
    }
    let (batch, queries, keys) = (shape.batch, Dimension(shape.queries), Dimension(shape.keys))
    let scores: Shape = [batch, Dimension(heads), queries, keys]
    let turned = call.writer.transpose(parts[1], [0, 1, 3, 2])
    var x = try call.writer.pointwise("Mul", call.writer.node("MatMul", [parts[0], turned], shape: scores), scale)
    if let seen = try seen(shape, &call) {
      let least = call.writer.number(-.infinity, shape.element)
      x = call.writer.node("Where", [seen, x, least], shape: scores, element: shape.element)
    }
    let weights = call.writer.node("Softmax", [x], ["axis": .int(-1)], shape: scores)
    let products = call.writer.node("MatMul", [weights, parts[2]], shape: [batch, Dimension(heads), queries, Dimension(shape.v.width)])
    let sums = call.writer.node(
      "ReduceLogSumExp", [x, call.writer.integers([-1])], ["keepdims": .int(0)], shape: call.results[1].shape)
    return [try call.writer.reshape(call.writer.transpose(products, [0, 2, 1, 3]), call.results[0].shape), sums]
  }

  /// The heads of one operand, [batch, heads, positions, width]; those of keys and values once for each head of queries.
  private func head(
    _ matrix: AttentionShape.Matrix, _ count: Int, _ k: Int, _ group: Int, _ call: inout ONNXCall
  ) throws -> ONNXTensor {
    var x = try call.operand(k)
    let (batch, rows, width) = (x.shape[0], Dimension(matrix.rows), Dimension(matrix.width))
    if matrix.stride != count * matrix.width {
      let bounds = [[matrix.column], [matrix.column + count * matrix.width], [2]].map { call.writer.integers($0) }
      x = call.writer.node("Slice", [x] + bounds, shape: [batch, rows, Dimension(count * matrix.width)])
    }
    x = try call.writer.transpose(call.writer.reshape(x, [batch, rows, Dimension(count), width]), [0, 2, 1, 3])
    guard count < heads else { return x }
    x = try call.writer.expand(
      call.writer.reshape(x, [batch, Dimension(count), 1, rows, width]), to: [batch, Dimension(count), Dimension(group), rows, width])
    return try call.writer.reshape(x, [batch, Dimension(heads), rows, width])
  }

  /// Which keys each query sees, as far as ONNX's broadcasting needs it; nil where all see all.
  private func seen(_ shape: AttentionShape, _ call: inout ONNXCall) throws -> ONNXTensor? {
    var result: ONNXTensor?
    if causal {
      let flags = (0..<shape.queries).flatMap { query in (0..<shape.keys).map { $0 <= query + past ? 1.0 : 0 } }
      let table = HostTensor(flags, shape: [shape.queries, shape.keys], element: .f32)
      result = call.writer.cast(call.writer.constant(table), to: .bool)
    }
    guard shape.mask != nil else { return result }
    let mask = try call.writer.reshape(call.operand(call.operands.count - 1), [shape.batch, 1, 1, Dimension(shape.keys)])
    return try result.map { try call.writer.pointwise("And", [$0, mask]) } ?? mask
  }
}
