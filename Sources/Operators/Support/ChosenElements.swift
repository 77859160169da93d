import Basics
import GraphIR
import LoopIR

extension GraphBuilder {
  /// The cotangent of the operand of a maximum or minimum over axes: that of the result, shared evenly among the elements equal to it.
  mutating func shareAmongChosen(_ request: GradientRequest, axes: [Int]) throws -> ValueID {
    let x = request.operands[0]
    let type = type(x)
    let kept = try reducedType(type, axes: axes, keepDims: true).shape
    let chosen = try equal(x, reshape(request.result, kept))
    let count = try sum(cast(chosen, to: type.element), axes: axes, keepDims: true)
    return try select(chosen, divide(reshape(request.cotangent, kept), count), 0)
  }
}

extension GraphBuilder {
  /// The first position along an axis at which x equals `value` (which keeps the axis with size 1), as i32; 0 where there is none.
  mutating func firstPosition(of value: ValueID, in x: ValueID, axis: Int, keepDims: Bool) throws -> ValueID {
    let type = type(x)
    let axis = try resolveAxis("argmax", axis, type)
    let size = try requireConstant("argmax", axis: axis, of: type)
    var shape: Shape = Array(repeating: 1, count: type.rank)
    shape[axis] = Dimension(size)
    let candidates = try select(equal(x, value), iota(shape, axis: axis, .i32), Double(size))
    let first = try min(candidates, axes: [axis], keepDims: keepDims)
    return try select(less(first, Double(size)), first, 0)
  }
}
