import Basics

extension ONNXNode {
  /// A reduction of operand 0 over the axes of attribute `axes` or of operand 1. Without axes it is one over all of them, or over none at
  /// all where `noop_with_empty_axes` is set. `reduce` gets the graph, the operand, the axes, and whether they stay with size 1.
  public func reduced(_ reduce: (inout GraphBuilder, ValueID, [Int], Bool) throws -> ValueID) throws -> [ValueID] {
    let x = try value(0)
    let rank = type(x).rank
    var axes = try axes(operand: 1, rank: rank) ?? []
    let isIdentity = try int("noop_with_empty_axes", 0) != 0
    if axes.isEmpty, !isIdentity { axes = Array(0..<rank) }
    let keepDims = try int("keepdims", 1) != 0
    return [try reduce(&graph, x, axes, keepDims)]
  }
}
