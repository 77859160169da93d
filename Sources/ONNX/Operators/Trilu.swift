import Basics
import GraphIR
import Operators

/// The upper or lower triangle of matrices, zeros elsewhere.
let triluRules = [
  ONNXRule("Trilu", since: 14) { node in
    let x = try node.value(0)
    let type = node.type(x)
    guard type.rank >= 2 else { throw Diagnostic("input 0 must have two axes or more, got \(type)") }
    let diagonal = node.has(1) ? try node.integers(1).first ?? 0 : 0
    let rows = try node.graph.iota([type.shape[type.rank - 2], 1], axis: 0, .i64)
    let columns = try node.graph.iota([1, type.shape[type.rank - 1]], axis: 1, .i64)
    // Beyond any matrix, further out is the same.
    let border = try node.graph.add(rows, Double(min(max(diagonal, -1 << 40), 1 << 40)))
    let isUpper = try node.int("upper", 1) != 0
    let kept = try isUpper ? node.graph.greaterEqual(columns, border) : node.graph.lessEqual(columns, border)
    return [try node.graph.select(kept, x, 0)]
  }
]
