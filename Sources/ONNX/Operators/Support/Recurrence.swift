import Basics
import GraphIR
import Operators

/// What RNN, GRU and LSTM have in common: operands X, W, R, B, sequence_lens and initial states, the directions, and the walk over the
/// steps, which are unrolled. Inside, the batch comes first: values are [batch, steps, …] and states [batch, hidden].
struct Recurrence {
  let node: ONNXNode
  /// [batch, steps, features].
  let x: ValueID
  let batch: Dimension
  let steps: Int
  let hidden: Int
  /// Rows of W and R over the hidden size.
  let gates: Int
  /// For each direction, whether it walks from the last step to the first.
  let isReversed: [Bool]
  /// For each direction, one function a kind of gate.
  let activations: [[RecurrentActivation]]
  private let isBatchFirst: Bool
  /// [batch, 1]; nil where all sequences are whole.
  private let lengths: ValueID?

  /// Unrolled, a longer walk would give more code than is sensible.
  private static let largestStepCount = 4096

  init(_ node: ONNXNode, gates: Int, activations: [String]) throws {
    self.node = node
    self.gates = gates
    isBatchFirst = try node.int("layout", 0) != 0
    let given = try node.value(0)
    let weights = try node.type(2)
    guard node.type(given).rank == 3, weights.rank == 3, let hidden = weights.shape[2].constant, hidden > 0 else {
      throw Diagnostic("\(node.type) needs X and R with three axes, got \(node.type(given)) and \(weights)")
    }
    self.hidden = hidden
    switch try node.string("direction", "forward") {
    case "forward": isReversed = [false]
    case "reverse": isReversed = [true]
    case "bidirectional": isReversed = [false, true]
    case let other: throw Diagnostic("direction '\(other)' is none of forward, reverse and bidirectional")
    }
    guard weights.shape == [Dimension(isReversed.count), Dimension(gates * hidden), Dimension(hidden)] else {
      throw Diagnostic("R must be [\(isReversed.count), \(gates) * hidden, hidden], got \(weights)")
    }
    self.activations = try RecurrentActivation.read(node, missing: activations, directions: isReversed.count)
    x = isBatchFirst ? given : try node.graph.transpose(given, [1, 0, 2])
    let shape = node.type(x).shape
    batch = shape[0]
    guard let steps = shape[1].constant else { throw node.unsupported("the number of steps must be known when the model is compiled") }
    guard steps <= Self.largestStepCount else {
      throw node.unsupported("\(steps) steps are more than the \(Self.largestStepCount) that are unrolled")
    }
    self.steps = steps
    let isWhole = try node.known(4)?.integers.allSatisfy { $0 >= steps } ?? !node.has(4)
    lengths = isWhole ? nil : try node.graph.reshape(node.value(4), [shape[0], 1])
  }

  /// The part of operand `k`, [directions, …], that belongs to a direction, without the axis.
  func weights(_ k: Int, _ direction: Int) throws -> ValueID {
    let all = try node.value(k)
    let shape = node.type(all).shape
    guard shape.first == Dimension(isReversed.count) else {
      throw Diagnostic("input \(k) must have \(isReversed.count) directions on its first axis, got \(node.type(all))")
    }
    return try node.graph.reshape(
      node.graph.slice(all, axis: 0, from: direction, to: direction + 1), Array(shape.dropFirst()))
  }

  /// The two halves of B, [gates * hidden] each; nil where there is none.
  func biases(_ direction: Int) throws -> (input: ValueID, recurrent: ValueID)? {
    guard node.has(3) else { return nil }
    let halves = try node.graph.split(weights(3, direction), axis: 0, sizes: [gates * hidden, gates * hidden])
    return (halves[0], halves[1])
  }

  /// The state that operand `k` gives to begin with, [batch, hidden]; nil for zeros.
  func initialState(_ k: Int, _ direction: Int) throws -> ValueID? {
    guard node.has(k) else { return nil }
    let given = try node.value(k)
    // PyTorch exports zeros of the batch's size where no state is given.
    if node.graph.isZero(given) { return nil }
    guard node.type(given).rank == 3 else { throw Diagnostic("input \(k) must have three axes, got \(node.type(given))") }
    let states = isBatchFirst ? given : try node.graph.transpose(given, [1, 0, 2])
    return try node.graph.reshape(node.graph.slice(states, axis: 1, from: direction, to: direction + 1), [batch, Dimension(hidden)])
  }

  /// x W^T + bias of all steps, in one product; one [batch, gates * hidden] a step.
  func inputs(_ direction: Int, bias: ValueID?) throws -> [ValueID] {
    guard steps > 0 else { return [] }
    let width = gates * hidden
    var projected = try node.graph.matmul(x, weights(1, direction), transposeB: true)
    if let bias { projected = try node.graph.add(projected, bias) }
    return try node.graph.split(projected, axis: 1, sizes: Array(repeating: 1, count: steps)).map {
      try node.graph.reshape($0, [batch, Dimension(width)])
    }
  }

  /// A value [batch, k * hidden] as k gates.
  func gateValues(_ value: ValueID) throws -> [ValueID] {
    let count = node.type(value).shape[1].coefficient / hidden
    return try node.graph.split(value, axis: 1, sizes: Array(repeating: hidden, count: count))
  }

  /// Walks over the steps of a direction. `step` gives the next states from a step's input and the states before (nil for zeros); the
  /// first state is the output. A sequence that has ended keeps its states, and its outputs are zeros.
  func walk(
    _ direction: Int, inputs: [ValueID], states initial: [ValueID?], step: (ValueID, [ValueID?]) throws -> [ValueID]
  ) throws -> (outputs: [ValueID], states: [ValueID]) {
    var states = initial
    var outputs: [ValueID?] = Array(repeating: nil, count: steps)
    for time in isReversed[direction] ? Array((0..<steps).reversed()) : Array(0..<steps) {
      var next = try step(inputs[time], states)
      var output = next[0]
      if let lengths {
        let isInside = try node.graph.greater(lengths, Double(time))
        output = try node.graph.select(isInside, output, 0)
        next = try zip(next, states).map { new, old in
          try old.map { try node.graph.select(isInside, new, $0) } ?? node.graph.select(isInside, new, 0)
        }
      }
      states = next
      outputs[time] = output
    }
    return (outputs.map { $0! }, try states.map { try $0 ?? zeros() })
  }

  private func zeros() throws -> ValueID {
    try node.graph.broadcast(node.graph.constant(0, node.type(x).element), to: [batch, Dimension(hidden)])
  }

  /// The node's outputs, Y and the last states, from the walks of all directions.
  func results(_ walks: [(outputs: [ValueID], states: [ValueID])]) throws -> [ValueID] {
    var all = [try sequence(walks.map(\.outputs))]
    for index in walks[0].states.indices {
      let states = try walks.map { try node.graph.reshape($0.states[index], [batch, 1, Dimension(hidden)]) }
      let joined = try node.graph.concat(states, axis: 1)
      all.append(isBatchFirst ? joined : try node.graph.transpose(joined, [1, 0, 2]))
    }
    return all
  }

  /// [steps, directions, batch, hidden], or with the batch first [batch, steps, directions, hidden].
  private func sequence(_ outputs: [[ValueID]]) throws -> ValueID {
    guard steps > 0 else {
      let count = Dimension(outputs.count)
      let shape: Shape = isBatchFirst ? [batch, 0, count, Dimension(hidden)] : [0, count, batch, Dimension(hidden)]
      return try node.graph.broadcast(node.graph.constant(0, node.type(x).element), to: shape)
    }
    let values = try (0..<steps).flatMap { time in
      try outputs.map { try node.graph.reshape($0[time], [batch, 1, Dimension(hidden)]) }
    }
    let joined = try node.graph.reshape(
      node.graph.concat(values, axis: 1), [batch, Dimension(steps), Dimension(outputs.count), Dimension(hidden)])
    return isBatchFirst ? joined : try node.graph.transpose(joined, [1, 2, 0, 3])
  }
}

extension GraphBuilder {
  /// Whether a value is a constant 0 under some shape, or a part of it.
  fileprivate func isZero(_ value: ValueID) -> Bool {
    var id = value
    while let op = graph[id].op {
      if let constant = op as? Constant { return constant.value == 0 }
      guard op is Broadcast || op is Reshape || op is Transpose || op is Slice || op is Split || op is Element else { return false }
      id = graph[id].operands[0]
    }
    return false
  }
}
