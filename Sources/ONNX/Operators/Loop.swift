import Basics
import GraphIR
import Operators

/// A body repeated a number of times and as long as a condition holds: a loop, or written out. A condition that depends on the model's
/// inputs is followed by choosing, at each step, between the values after and before it; then the number of steps must be known.
let loopRules = [
  ONNXRule(
    "Loop", keepsTypes: true,
    values: { node in
      if let results = try node.rolledLoop() { return results }
      var loop = try UnrolledLoop(node)
      while try loop.step() {}
      return try loop.results()
    })
]

extension ONNXNode {
  /// A loop of the graph; nil where it cannot be one.
  fileprivate func rolledLoop() throws -> [ONNXValue]? {
    guard has(0), let rounds = try integers(0).first else { return nil }
    let begin = has(1) ? try reader.evaluate(inputs[1]) : HostTensor([1], shape: [], element: .bool)
    if let begin, begin.integers.first == 0 { return nil }
    // Where conditions can be known, so is the number of rounds that are needed.
    if has(1), rounds <= 10_000, try isConditionKnown() == false { return rolled(rounds) { try guarded(rounds) } }
    return begin == nil ? nil : rolled(rounds) { try counted(rounds) }
  }

  /// Whether the first round's condition is known at compile time, when the number of the round is.
  private func isConditionKnown() throws -> Bool? {
    let number = ONNXValue.constant(HostTensor([0], shape: [], element: .i64))
    let outputs = try subgraph("body", inputs: [number, inputs[1]] + inputs.dropFirst(2))
    return try outputs.first.map { try reader.evaluate($0) != nil && reader.evaluate(inputs[1]) != nil }
  }

  /// As many rounds as are asked for; the condition must be true in each of them.
  private func counted(_ rounds: Int) throws -> [ONNXValue] {
    let (begin, count) = (try carriedOperands(), inputs.count - 2)
    var each: [TensorType] = []
    let (last, stacks) = try reader.loop(
      subgraph: subgraphNumber("body"), rounds: rounds, captured: [roundNumbers(rounds)], carried: begin
    ) { loop in
      let outputs = try round(loop, loop.carried, HostTensor([1], shape: [], element: .bool))
      guard try !has(1) || reader.evaluate(outputs[0])?.integers.first == 1 else { throw unsupported("the condition is computed") }
      let placed = try outputs.dropFirst().map { try loopOperand($0) }
      each = placed.dropFirst(count).map { type($0) }
      return LoopRound(next: Array(placed.prefix(count)), stacked: Array(placed.dropFirst(count)))
    }
    return try last.map { .value($0) } + zip(stacks, each).map { try moved($0, of: $1, to: 0) }
  }

  /// The most rounds there can be; once the condition is false values stay as they are.
  private func guarded(_ rounds: Int) throws -> [ONNXValue] {
    let (begin, count) = (try carriedOperands(), inputs.count - 2)
    let first = try graph.reshape(reader.place(inputs[1], isState: false), [])
    let (last, _) = try reader.loop(
      subgraph: subgraphNumber("body"), rounds: rounds, captured: [roundNumbers(rounds)], carried: [first] + begin
    ) { loop in
      let running = loop.carried[0]
      let outputs = try round(loop, Array(loop.carried.dropFirst()), HostTensor([1], shape: [], element: .bool))
      guard outputs.count == 1 + count else { throw unsupported("the number of rounds, and the size of a result, depend on the inputs") }
      let goesOn = try graph.reshape(reader.place(outputs[0], isState: false), [])
      let next = try zip(outputs.dropFirst(), loop.carried.dropFirst()).map { try graph.select(running, loopOperand($0), $1) }
      return LoopRound(next: [try graph.logicalAnd(running, goesOn)] + next)
    }
    return last.dropFirst().map { .value($0) }
  }

  private func carriedOperands() throws -> [ValueID] { try inputs.dropFirst(2).map { try loopOperand($0) } }

  private func roundNumbers(_ rounds: Int) throws -> ValueID { try graph.constant(HostTensor(Array(0..<rounds))) }

  private func round(_ loop: LoopBuilder, _ carried: [ValueID], _ condition: HostTensor) throws -> [ONNXValue] {
    let number = try stepSlice(loop.captured[0], axis: 0, reversed: false, loop)
    let outputs = try subgraph("body", inputs: [number, .constant(condition)] + carried.map { .value($0) })
    guard outputs.count > carried.count else { throw Diagnostic("the body gives too few values") }
    return outputs
  }
}

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
