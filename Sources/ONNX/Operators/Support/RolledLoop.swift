import Basics
import GraphIR
import Operators

/// `Loop` and `Scan` as one loop of the graph. What cannot be one is written out round by round: a few rounds, values that change their
/// shape, that must be known when the model is compiled, or that are drawn.
extension ONNXNode {
  /// So few rounds are written out: each then knows its number.
  private static let fewRounds = 4
  /// More rounds than any sequence has.
  private static let mostRounds = 1_000_000

  /// A loop in the graph, or nil where it must be written out.
  func rolled(_ rounds: Int, _ build: () throws -> [ONNXValue]) -> [ONNXValue]? {
    guard rounds > Self.fewRounds, rounds <= Self.mostRounds else { return nil }
    return try? build()
  }

  /// Values side by side on a new axis, from where a loop stacks them.
  func moved(_ stack: ValueID, of each: TensorType, to axis: Int) throws -> ONNXValue {
    let to = try self.axis(axis, rank: each.rank + 1)
    var order = Array(0...each.rank)
    order.remove(at: each.stackingAxis)
    order.insert(each.stackingAxis, at: to)
    return .value(order == order.sorted() ? stack : try graph.transpose(stack, order))
  }

  /// The slice of a captured value that belongs to the round, in the graph of a loop's body.
  func stepSlice(_ value: ValueID, axis: Int, reversed: Bool, _ loop: LoopBuilder) throws -> ONNXValue {
    .value(try graph.add(StepSlice(axis: axis, counter: loop.counter, reversed: reversed), [value]))
  }

  /// A value of the loop's start in the graph: none of those that are stored in few bits.
  func loopOperand(_ value: ONNXValue) throws -> ValueID {
    let placed = try reader.place(value, isState: false)
    guard !type(placed).element.isStoredFloat else { throw unsupported("loops do not carry \(type(placed))") }
    return placed
  }
}
