import Basics
import LoopIR

/// The slice of a tensor that belongs to the round of the loop around: of axis `axis`, the first one in the first round, or from the end.
/// Stands in bodies of loops alone. Its cotangents are stacked by the loop's gradient.
public struct StepSlice: Operator {
  public static let name = "step_slice"
  public static let operandNames = ["x"]
  public static let formula = "y = x[…, the round, …]"
  public static let examples: [OperatorExample] = []
  public var axis: Int
  /// The loop's counter.
  public var counter: String
  public var reversed: Bool

  public init(axis: Int, counter: String, reversed: Bool = false) {
    self.axis = axis
    self.counter = counter
    self.reversed = reversed
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    guard operands[0].shape.indices.contains(axis), operands[0].shape[axis].constant ?? 0 > 0 else {
      throw TypeError("step_slice needs an axis \(axis) of fixed size, got \(operands[0])")
    }
    var type = operands[0]
    type.shape.remove(at: axis)
    return [type]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    var indices = results[0].shape.indices.map { Index.variable("i\($0)") }
    let round = Index.variable(counter)
    indices.insert(reversed ? round * -1 + operands[0].shape[axis].coefficient : round - 1, at: axis)
    return .map(.element(0, indices))
  }

  /// Nothing here: the loop's gradient takes the cotangent of the slice itself.
  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? { [nil] }
}
