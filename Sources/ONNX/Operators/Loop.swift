import Basics
import GraphIR
import Operators

/// A body repeated a number of times and as long as a condition holds, unrolled. A condition that depends on the model's inputs is
/// followed by choosing, at each step, between the values after and before it; then the number of steps must be known.
let loopRules = [
  ONNXRule(
    "Loop", keepsTypes: true,
    values: { node in
      var loop = try UnrolledLoop(node)
      while try loop.step() {}
      return try loop.results()
    })
]

private struct UnrolledLoop {
  private let node: ONNXNode
  private let limit: Int?
  private var count = 0
  private var carried: [ONNXValue]
  private var scanned: [[ONNXValue]] = []
  private var condition: ONNXValue
  /// Whether the loop still runs, once that is known at run time alone.
  private var isRunning: ValueID?

  /// Unrolled, a longer loop would give more code than is sensible.
  private static let largestStepCount = 10_000

  init(_ node: ONNXNode) throws {
    self.node = node
    limit = node.has(0) ? try node.integers(0).first : nil
    condition = node.has(1) ? node.inputs[1] : .constant(HostTensor([1], shape: [], element: .bool))
    carried = Array(node.inputs.dropFirst(2))
    guard node.has(0) || node.has(1) else { throw Diagnostic("a loop without a number of steps and without a condition never ends") }
  }

  /// Another step; false where the loop has ended.
  mutating func step() throws -> Bool {
    guard limit.map({ count < $0 }) ?? true else { return false }
    // Without a first condition those of the body are ignored.
    guard try !node.has(1) || holds(condition) else { return false }
    guard count < Self.largestStepCount else {
      throw node.unsupported("more than \(Self.largestStepCount) steps are not unrolled")
    }
    let number = ONNXValue.constant(HostTensor([count], shape: [], element: .i64))
    let outputs = try node.subgraph("body", inputs: [number, condition] + carried)
    guard outputs.count > carried.count else {
      throw Diagnostic(
        "the body of a loop with \(carried.count) carried values must give \(carried.count + 1) or more, got \(outputs.count)")
    }
    let next = Array(outputs[1...carried.count])
    carried = try isRunning.map { running in try zip(next, carried).map { try chosen(running, $0, $1) } } ?? next
    let rest = outputs.dropFirst(1 + carried.count)
    if scanned.isEmpty { scanned = Array(repeating: [], count: rest.count) }
    for (index, value) in rest.enumerated() { scanned[index].append(value) }
    if isRunning != nil, !scanned.isEmpty {
      throw node.unsupported("the number of steps depends on the model's inputs, and with it the size of a result")
    }
    condition = outputs[0]
    count += 1
    return true
  }

  private mutating func holds(_ value: ONNXValue) throws -> Bool {
    if let known = try node.reader.evaluate(value) { return known.integers.first != 0 }
    guard limit != nil else {
      throw node.unsupported("the loop has no largest number of steps, and its condition depends on the model's inputs")
    }
    let now = try node.graph.reshape(node.reader.place(value, isState: false), [])
    isRunning = try isRunning.map { try node.graph.logicalAnd($0, now) } ?? now
    return true
  }

  private func chosen(_ condition: ValueID, _ new: ONNXValue, _ old: ONNXValue) throws -> ONNXValue {
    let (x, y) = (try node.reader.place(new, isState: false), try node.reader.place(old, isState: false))
    guard node.type(x) == node.type(y) else {
      throw node.unsupported(
        "the number of steps depends on the model's inputs, and a carried value goes from \(node.type(y)) to \(node.type(x))")
    }
    return .value(try node.graph.select(condition, x, y))
  }

  /// The carried values and, for each scanned one, all of its steps on a first axis.
  mutating func results() throws -> [ONNXValue] {
    if count == 0, node.usedOutputs.count > carried.count {
      // One step of the body tells what the steps would look like; nothing reads it.
      let number = ONNXValue.constant(HostTensor([0], shape: [], element: .i64))
      let outputs = try node.subgraph("body", inputs: [number, condition] + carried)
      return try carried + outputs.dropFirst(1 + carried.count).map { try node.noSteps(like: $0, axis: 0) }
    }
    return try carried + scanned.map { try node.stacked($0, axis: 0) }
  }
}
