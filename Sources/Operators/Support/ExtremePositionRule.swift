import Basics
import GraphIR

extension ONNXNode {
  /// The position of the largest or smallest element along an axis, the first or the last one, as i64. `extreme` gives that element along an
  /// axis, which stays with size 1.
  func extremePosition(_ extreme: (inout GraphBuilder, ValueID, Int) throws -> ValueID) throws -> [ValueID] {
    let x = try value(0)
    let axis = try axis(int("axis", 0), rank: type(x).rank)
    let keepDims = try int("keepdims", 1) != 0
    let takesLast = try int("select_last_index", 0) != 0
    let largest = try extreme(&graph, x, axis)
    guard takesLast else {
      let position = try graph.firstPosition(of: largest, in: x, axis: axis, keepDims: keepDims)
      return [try graph.cast(position, to: .i64)]
    }
    var shape: Shape = Array(repeating: 1, count: type(x).rank)
    shape[axis] = type(x).shape[axis]
    let positions = try graph.iota(shape, axis: axis, .i32)
    let chosen = try graph.select(graph.equal(x, largest), positions, 0)
    return [try graph.cast(graph.max(chosen, axes: [axis], keepDims: keepDims), to: .i64)]
  }
}
