import Basics
import GraphIR
import Operators

/// A body applied to the slices of some tensors one after the other, with states that it hands on: a loop, or written out. Before version 9
/// the operands came with sequence lengths and a batch, whose entries are walked separately, and written out.
let scanRules = [
  ONNXRule(
    "Scan", since: 8, keepsTypes: true,
    values: { node in
      let count = node.inputs.count - 1
      let scan = try UnrolledScan(node, operands: count, inputDirections: node.ints("directions"))
      let operands = Array(node.inputs.dropFirst())
      guard let batch = try node.operandType(operands[0]).shape.first?.constant else {
        throw node.unsupported("the batch must be known when the model is compiled")
      }
      let lengths = try node.known(0)?.integers
      if lengths == nil, node.has(0) { throw node.unsupported("sequence_lens must be known when the model is compiled") }
      let entries = try operands.map { try node.slices($0, axis: 0) }
      guard entries.allSatisfy({ $0.count == batch }) else {
        throw Diagnostic("all inputs must have one batch, got \(entries.map(\.count))")
      }
      let results = try (0..<batch).map { index in
        try scan.run(entries.map { $0[index] }, length: lengths.flatMap { index < $0.count ? $0[index] : nil })
      }
      guard let first = results.first else { throw node.unsupported("a batch of size 0 has no results") }
      return try first.indices.map { output in try node.stacked(results.map { $0[output] }, axis: 0) }
    }),
  ONNXRule(
    "Scan", since: 9, keepsTypes: true,
    values: { node in
      let scan = try UnrolledScan(node, operands: node.inputs.count, inputDirections: node.ints("scan_input_directions"))
      return try scan.rolled(node.inputs) ?? scan.run(node.inputs, length: nil)
    }),
]

private struct UnrolledScan {
  let node: ONNXNode
  /// Operands that are states; the rest are scanned.
  let states: Int
  let inputDirections: [Int]

  private static let largestStepCount = 10_000

  init(_ node: ONNXNode, operands: Int, inputDirections: [Int]?) throws {
    let scanned = try node.int("num_scan_inputs", 0)
    guard scanned > 0, scanned <= operands else {
      throw Diagnostic("num_scan_inputs must lie in 1 ... \(max(1, operands)), got \(scanned)")
    }
    states = operands - scanned
    self.node = node
    self.inputDirections = inputDirections ?? []
  }

  /// The last states, then each scanned output with all steps on an axis. Of `length` steps, where it is given, the rest is zeros.
  func run(_ operands: [ONNXValue], length: Int?) throws -> [ONNXValue] {
    let axes = try node.ints("scan_input_axes") ?? []
    let inputs = try operands.dropFirst(states).enumerated().map { index, operand -> [ONNXValue] in
      let slices = try node.slices(operand, axis: index < axes.count ? axes[index] : 0)
      return isReversed(inputDirections, index) ? slices.reversed() : slices
    }
    let whole = inputs[0].count
    let count = max(0, min(length ?? whole, whole))
    guard inputs.allSatisfy({ $0.count == whole }) else {
      throw Diagnostic("scanned inputs must have one number of steps, got \(inputs.map(\.count))")
    }
    guard whole <= Self.largestStepCount else { throw node.unsupported("more than \(Self.largestStepCount) steps are not unrolled") }
    guard count > 0 else { throw node.unsupported("a scan of 0 steps has no results whose shape is known") }
    var current = Array(operands.prefix(states))
    var outputs: [[ONNXValue]] = []
    for step in 0..<count {
      let results = try node.subgraph("body", inputs: current + inputs.map { $0[step] })
      guard results.count >= states else { throw Diagnostic("the body must give \(states) states or more, got \(results.count) values") }
      current = Array(results.prefix(states))
      if step == 0 { outputs = Array(repeating: [], count: results.count - states) }
      for (index, value) in results.dropFirst(states).enumerated() { outputs[index].append(value) }
    }
    let (directions, outputAxes) = (try node.ints("scan_output_directions") ?? [], try node.ints("scan_output_axes") ?? [])
    return try current
      + outputs.enumerated().map { index, values in
        let padded = try values + Array(repeating: node.zeros(like: values[0]), count: whole - count)
        let ordered = isReversed(directions, index) ? padded.reversed() : padded
        return try node.stacked(ordered, axis: index < outputAxes.count ? outputAxes[index] : 0)
      }
  }

  /// The same by a loop of the graph; nil where it cannot be one.
  func rolled(_ operands: [ONNXValue]) throws -> [ONNXValue]? {
    let axes = try node.ints("scan_input_axes") ?? []
    let scanned = operands.dropFirst(states)
    let places = try scanned.enumerated().map { index, operand in
      try node.axis(index < axes.count ? axes[index] : 0, rank: node.operandType(operand).rank)
    }
    let counts = try zip(scanned, places).map { try node.operandType($0).shape[$1].constant }
    guard let rounds = counts[0], counts.allSatisfy({ $0 == rounds }) else { return nil }
    let (directions, outputAxes) = (try node.ints("scan_output_directions") ?? [], try node.ints("scan_output_axes") ?? [])
    return node.rolled(rounds) {
      var each: [TensorType] = []
      let (last, stacks) = try node.reader.loop(
        subgraph: node.subgraphNumber("body"), rounds: rounds, captured: scanned.map { try node.loopOperand($0) },
        carried: operands.prefix(states).map { try node.loopOperand($0) }
      ) { loop in
        let slices = try places.enumerated().map { index, axis in
          try node.stepSlice(loop.captured[index], axis: axis, reversed: isReversed(inputDirections, index), loop)
        }
        let results = try node.subgraph("body", inputs: loop.carried.map { .value($0) } + slices)
        guard results.count >= states else { throw Diagnostic("the body gives too few values") }
        let placed = try results.map { try node.loopOperand($0) }
        each = placed.dropFirst(states).map { node.type($0) }
        return LoopRound(next: Array(placed.prefix(states)), stacked: Array(placed.dropFirst(states)))
      }
      return try last.map { .value($0) }
        + stacks.enumerated().map { index, stack in
          let ordered = isReversed(directions, index) ? try node.graph.reversed(stack, axes: [each[index].stackingAxis]) : stack
          return try node.moved(ordered, of: each[index], to: index < outputAxes.count ? outputAxes[index] : 0)
        }
    }
  }

  private func isReversed(_ directions: [Int], _ index: Int) -> Bool { index < directions.count && directions[index] != 0 }
}
