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
