import Basics
import GraphIR
import Operators

/// What RNN, GRU and LSTM have in common: operands X, W, R, B, sequence_lens and initial states, the directions, and the walk over the
/// steps, a loop. Inside, the batch comes first: values are [batch, steps, …] and states [batch, hidden].
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

  /// x W^T + bias of all steps, in one product: [batch, steps, gates * hidden].
  private func inputs(_ direction: Int, bias: ValueID?) throws -> ValueID {
    let projected = try node.graph.matmul(x, weights(1, direction), transposeB: true)
    return try bias.map { try node.graph.add(projected, $0) } ?? projected
  }

  /// A value [batch, k * hidden] as k gates.
  func gateValues(_ value: ValueID, _ graph: inout GraphBuilder) throws -> [ValueID] {
    let count = graph.type(value).shape[1].coefficient / hidden
    return try graph.split(value, axis: 1, sizes: Array(repeating: hidden, count: count))
  }

  /// The next states from a step's input [batch, gates * hidden], the states before (nil for zeros) and what the walk captures, in the
  /// graph of the step. The first state is the output.
  typealias Step = (_ graph: inout GraphBuilder, _ input: ValueID, _ states: [ValueID?], _ captured: [ValueID]) throws -> [ValueID]

  /// The outputs of all steps, [batch, steps, hidden], nil where there are no steps, and the last states.
  typealias Walk = (outputs: ValueID?, states: [ValueID])

  /// Walks over the steps of a direction: `bias` is added to the inputs' product, and `captured` is what each step reads besides. A sequence
  /// that has ended keeps its states, and its outputs are zeros.
  func walk(
    _ direction: Int, bias: ValueID?, captured: [ValueID], states initial: [ValueID?], step: Step
  ) throws -> Walk {
    guard steps > 0 else { return (nil, try initial.map { try $0 ?? zeros() }) }
    let (inputs, inside) = (try inputs(direction, bias: bias), try isInside())
    guard steps > 1 else {
      // A loop of one round would multiply with zeros where no state is given.
      let input = try node.graph.reshape(inputs, [batch, Dimension(gates * hidden)])
      let next = try step(&node.graph, input, initial, captured)
      let (output, states) = try ended(next, initial, inside, &node.graph)
      return (try node.graph.reshape(output, [batch, 1, Dimension(hidden)]), states)
    }
    let isReversed = isReversed[direction]
    let (last, stacks) = try node.graph.scan(
      rounds: steps, captured: captured + [inputs] + (inside.map { [$0] } ?? []), carried: initial.map { try $0 ?? zeros() },
      reversed: isReversed
    ) { loop in
      let input = try loop.slice(loop.captured[captured.count], axis: 1, reversed: isReversed)
      let own = try inside.map { _ in
        let slice = try loop.slice(loop.captured[captured.count + 1], axis: 1, reversed: isReversed)
        return try loop.graph.reshape(slice, [batch, 1])
      }
      let next = try step(&loop.graph, input, loop.carried, Array(loop.captured.prefix(captured.count)))
      let (output, states) = try ended(next, loop.carried, own, &loop.graph)
      return LoopRound(next: states, stacked: [output])
    }
    // Slices whose batch is fixed are stacked in front of it.
    return (batch.symbol == nil ? try node.graph.transpose(stacks[0], [1, 0, 2]) : stacks[0], last)
  }

  /// [batch, steps]: whether a step belongs to its sequence; nil where all are whole.
  private func isInside() throws -> ValueID? {
    guard let lengths else { return nil }
    let element = node.type(lengths).element
    let positions = try node.graph.constant(HostTensor((0..<steps).map(Double.init), shape: [1, steps], element: element))
    return try node.graph.greater(lengths, positions)
  }

  /// Output and states of a step where the sequence goes on, zeros and the states before where it has ended.
  private func ended(
    _ next: [ValueID], _ before: [ValueID?], _ inside: ValueID?, _ graph: inout GraphBuilder
  ) throws -> (output: ValueID, states: [ValueID]) {
    guard let inside else { return (next[0], next) }
    var states: [ValueID] = []
    for (new, old) in zip(next, before) {
      states.append(try old.map { try graph.select(inside, new, $0) } ?? graph.select(inside, new, 0))
    }
    return (try graph.select(inside, next[0], 0), states)
  }

  private func zeros() throws -> ValueID {
    try node.graph.broadcast(node.graph.constant(0, node.type(x).element), to: [batch, Dimension(hidden)])
  }

  /// The node's outputs, Y and the last states, from the walks of all directions.
  func results(_ walks: [Walk]) throws -> [ValueID] {
    var all = [try sequence(walks.compactMap(\.outputs))]
    for index in walks[0].states.indices {
      let states = try walks.map { try node.graph.reshape($0.states[index], [batch, 1, Dimension(hidden)]) }
      let joined = try node.graph.concat(states, axis: 1)
      all.append(isBatchFirst ? joined : try node.graph.transpose(joined, [1, 0, 2]))
    }
    return all
  }

  /// [steps, directions, batch, hidden], or with the batch first [batch, steps, directions, hidden].
  private func sequence(_ outputs: [ValueID]) throws -> ValueID {
    let count = Dimension(isReversed.count)
    guard steps > 0 else {
      let shape: Shape = isBatchFirst ? [batch, 0, count, Dimension(hidden)] : [0, count, batch, Dimension(hidden)]
      return try node.graph.broadcast(node.graph.constant(0, node.type(x).element), to: shape)
    }
    let joined = try node.graph.concat(
      outputs.map { try node.graph.reshape($0, [batch, Dimension(steps), 1, Dimension(hidden)]) }, axis: 2)
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
