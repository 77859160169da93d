import Basics
import GraphIR
import Operators

/// A depthwise convolution over positions that sees the past alone: x [N, C, L], filter [C, 1, k], and the last k - 1 positions as state.
/// Filters are a few positions long, so it is a sum of shifted products.
let causalConvolutionRules = [
  ONNXRule("CausalConvWithState", since: 27) { node in
    let x = try node.value(0)
    let filter = try node.value(1)
    let (type, weights) = (node.type(x), node.type(filter))
    guard type.rank == 3, weights.rank == 3, weights.shape[0] == type.shape[1], weights.shape[1] == 1 else {
      throw Diagnostic("CausalConvWithState needs an input [N, C, L] and a filter [C, 1, k], got \(type) and \(weights)")
    }
    let (length, taps) = (try node.constantSize(type, axis: 2), try node.constantSize(weights, axis: 2))
    guard (1...256).contains(taps) else { throw node.unsupported("filters of \(taps) positions are outside 1 ... 256") }
    let channels = type.shape[1]

    var padded = x
    if taps > 1 {
      padded =
        try node.has(3)
        ? node.graph.concat([node.value(3), x], axis: 2) : node.graph.pad(x, before: [0, 0, taps - 1], after: [0, 0, 0])
    }
    let columns = try node.graph.split(
      node.graph.reshape(filter, [channels, Dimension(taps)]), axis: 1, sizes: Array(repeating: 1, count: taps))
    let products = try columns.enumerated().map { tap, column in
      try node.graph.multiply(node.graph.slice(padded, axis: 2, from: tap, to: tap + length), column)
    }
    var sum = try products.dropFirst().reduce(products[0]) { try node.graph.add($0, $1) }
    if let bias = try node.optional(2) { sum = try node.graph.add(sum, node.graph.reshape(bias, [channels, 1])) }
    switch try node.string("activation", "none") {
    case "none": break
    case "silu", "swish": sum = try node.graph.silu(sum)
    case let other: throw Diagnostic("activation '\(other)' is none of none, silu and swish")
    }
    let state =
      try taps == 1
      ? node.graph.broadcast(node.graph.constant(0, type.element), to: [type.shape[0], channels, 0])
      : node.graph.slice(padded, axis: 2, from: length, to: length + taps - 1)
    return [sum, state]
  }
]
