import Basics
import GraphIR
import Operators

/// Operators with a number for each sequence of a batch: ReverseSequence and TensorScatter.
let sequenceRules = [
  ONNXRule("ReverseSequence", since: 10) { node in
    let x = try node.value(0)
    let shape = node.type(x).shape
    let (batch, time) = (
      try node.axis(node.int("batch_axis", 1), rank: shape.count), try node.axis(node.int("time_axis", 0), rank: shape.count)
    )
    let step = try node.graph.iota(shape.indices.map { $0 == time ? shape[$0] : 1 }, axis: time, .i64)
    let length = try node.graph.reshape(node.graph.cast(node.value(1), to: .i64), shape.indices.map { $0 == batch ? shape[$0] : 1 })
    let mirrored = try node.graph.subtract(node.graph.add(length, -1), step)
    let source = try node.graph.select(node.graph.less(step, length), mirrored, step)
    return [try node.graph.gather(x, node.graph.broadcast(source, to: shape), axis: time, by: .elements)]
  },
  ONNXRule("TensorScatter", since: 24) { node in
    let (cache, update) = (try node.value(0), try node.value(1))
    let (type, shape) = (node.type(cache), node.type(update).shape)
    let axis = try node.axis(node.int("axis", -2), rank: type.rank)
    let mode = try node.string("mode", "linear")
    guard ["linear", "circular"].contains(mode) else { throw node.unsupported("mode '\(mode)' is neither linear nor circular") }
    guard let size = type.shape[axis].constant, axis > 0, shape.count == type.rank else {
      throw Diagnostic("axis \(axis) of \(type) must be behind the batch, have a known size, and exist in the update")
    }
    var place = try node.graph.iota(shape.indices.map { $0 == axis ? shape[$0] : 1 }, axis: axis, .i64)
    if let first = try node.optional(2) {
      place = try node.graph.add(place, node.graph.reshape(first, shape.indices.map { $0 == 0 ? shape[0] : 1 }))
    }
    if mode == "circular", size > 0 {
      let rounds = try node.graph.divide(place, node.graph.constant(Double(size), .i64))
      place = try node.graph.subtract(place, node.graph.multiply(rounds, Double(size)))
    }
    return [try node.graph.scatter(update, to: node.graph.broadcast(place, to: shape), of: cache, axis: axis, by: .elements)]
  },
]
