import Basics
import GraphIR
import Operators

/// One kind of recurrent unit: its gates and what a step computes.
protocol RecurrentUnit {
  /// `lstm`, `gru`, `simple_rnn`.
  static var kind: String { get }
  /// Columns of the input's product over the units.
  static var gates: Int { get }
  /// Tensors [N, units] that a step hands on; the first is the output.
  static var stateCount: Int { get }

  /// The parameters of the current layer that steps read beside the state's weight.
  func stepParameters(_ units: Int, _ builder: inout ModelBuilder) throws -> [ValueID]
  /// The next states from the input's product [N, gates · units], the state's product of the same shape, and the states before.
  func step(
    _ input: ValueID, _ recurrent: ValueID, _ states: [ValueID], _ parameters: [ValueID], _ graph: inout GraphBuilder
  ) throws -> [ValueID]
}

/// How a recurrent layer walks over a sequence.
public struct RecurrenceOptions {
  /// The size of the state.
  public var units: Int
  /// Whether the result is the output of each step, [N, T, units], or that of the last step alone, [N, units].
  public var returnsSequences = false
  /// Whether the result is the last state, [N, units]; of an lstm output and cell side by side, [N, 2 · units].
  public var returnsState = false
  /// Whether the walk goes from the last step to the first.
  public var isReversed = false
  /// Whether there are two walks, one each way, with weights of their own and their results side by side.
  public var isBidirectional = false
  /// Layers over one another; each reads the outputs of the one below.
  public var layers = 1
  /// The share of inputs that are dropped in training, the same ones at all steps (Gal and Ghahramani 2016), of each layer.
  public var dropout = 0.0
  /// The same of the state that is multiplied.
  public var recurrentDropout = 0.0
  /// The state to begin with, as `returnsState` gives it; zeros where there is none.
  public var initialState: ValueID?
  /// [N, T]: at a step where it is 0 a row keeps its state.
  public var mask: ValueID?

  public init(units: Int) { self.units = units }
}

extension ModelBuilder {
  /// A recurrent layer over x [N, T, features]. The product with the inputs of all steps is computed at once, outside the loop.
  mutating func recurrent(_ unit: some RecurrentUnit, _ x: ValueID, _ options: RecurrenceOptions, name: String?) throws -> ValueID {
    try layer(Swift.type(of: unit).kind, name: name) { builder in
      try builder.check(options, x, Swift.type(of: unit).stateCount)
      var sequence = x
      for number in 1...options.layers {
        let isLast = number == options.layers
        let walk = { (builder: inout ModelBuilder, x: ValueID) in
          try builder.walks(unit, x, options, handsOutSequence: !isLast || options.returnsSequences)
        }
        sequence = options.layers == 1 ? try walk(&builder, sequence) : try builder.layer("layer") { try walk(&$0, sequence) }
      }
      return sequence
    }
  }

  private func check(_ options: RecurrenceOptions, _ x: ValueID, _ states: Int) throws {
    func fail(_ words: String) -> Diagnostic { Diagnostic("layer '\(graph.path)': \(words)") }
    let dims = try rowDims(x)
    guard dims.count == 2, dims[0] > 0 else { throw fail("expected an input [N, steps, features], got \(type(x))") }
    guard options.units >= 1 else { throw fail("units must be at least 1, got \(options.units)") }
    guard options.layers >= 1, options.layers <= 64 else { throw fail("layers must lie in 1 ... 64, got \(options.layers)") }
    for (label, rate) in [("dropout", options.dropout), ("recurrent_dropout", options.recurrentDropout)] where !(rate >= 0 && rate < 1) {
      throw fail("\(label) must be at least 0 and below 1, got \(rate)")
    }
    if mode == .generation {
      guard dims[0] == 1 else { throw fail("text is generated with one token at a time, but the input is \(type(x))") }
      guard !options.isReversed, !options.isBidirectional else {
        throw fail("a walk from the last step to the first needs the whole sequence: text cannot be generated token by token with it")
      }
      guard options.initialState == nil, options.mask == nil else {
        throw fail("text cannot be generated token by token with an initial_state or a mask")
      }
    }
    if options.returnsState, options.returnsSequences { throw fail("return_state and return_sequences exclude each other") }
    if options.isBidirectional, options.isReversed { throw fail("reversed and bidirectional exclude each other") }
    if let mask = options.mask, try rowDims(mask) != [dims[0]] {
      throw fail("expected a mask [N, \(dims[0])], one a step, got \(type(mask))")
    }
    if let state = options.initialState {
      let width = states * options.units * (options.isBidirectional ? 2 : 1)
      guard options.layers == 1 else { throw fail("initial_state goes with one layer, not with \(options.layers)") }
      guard try rowDims(state) == [width] else { throw fail("expected an initial_state [N, \(width)], got \(type(state))") }
    }
  }

  /// One walk, or one each way with the results side by side.
  private mutating func walks(
    _ unit: some RecurrentUnit, _ x: ValueID, _ options: RecurrenceOptions, handsOutSequence: Bool
  ) throws -> ValueID {
    let given = try options.initialState.map { state in
      let count = Swift.type(of: unit).stateCount * (options.isBidirectional ? 2 : 1)
      return try graph.split(state, axis: 1, sizes: Array(repeating: options.units, count: count))
    }
    guard options.isBidirectional else {
      return try walk(unit, x, options, given, isReversed: options.isReversed, handsOutSequence)
    }
    let half = (given?.count ?? 0) / 2
    var results: [ValueID] = []
    for (name, isReversed) in [("forward", false), ("backward", true)] {
      results.append(
        try layer(name, name: name) { builder in
          let own = given.map { Array(isReversed ? $0.suffix(half) : $0.prefix(half)) }
          return try builder.walk(unit, x, options, own, isReversed: isReversed, handsOutSequence)
        })
    }
    return try graph.concat(results, axis: -1)
  }

  /// The walk of one direction: the outputs of all steps, or the last one, or the last states side by side.
  private mutating func walk(
    _ unit: some RecurrentUnit, _ x: ValueID, _ options: RecurrenceOptions, _ given: [ValueID]?, isReversed: Bool,
    _ handsOutSequence: Bool
  ) throws -> ValueID {
    let kind = Swift.type(of: unit)
    let (units, steps, features) = (options.units, try rowDims(x)[0], try rowDims(x)[1])
    // PyTorch's limits.
    let initializer = Initializer.uniform(low: -1 / Double(units).squareRoot(), high: 1 / Double(units).squareRoot())
    let width = kind.gates * units
    let inputWeight = try parameter("input_weight", shape: [features, width], initializer: initializer)
    let stateWeight = try parameter("state_weight", shape: [units, width], initializer: initializer)
    let bias = try parameter("bias", shape: [width], initializer: .zeros, decays: false)
    let parameters = try unit.stepParameters(units, &self)
    let batch = type(x).shape[0]
    var inputs = x
    if let kept = try kept(options.dropout, [batch, Dimension(features)]) {
      inputs = try graph.multiply(x, graph.reshape(kept, [batch, 1, Dimension(features)]))
    }
    let projected = try graph.add(graph.matmul(inputs, inputWeight), bias)
    if mode == .generation { return try step(unit, projected, stateWeight, parameters, options, handsOutSequence) }
    let zeros = try graph.broadcast(graph.constant(0, element), to: [batch, Dimension(units)])
    let initial = given ?? Array(repeating: zeros, count: kind.stateCount)
    let kept = try kept(options.recurrentDropout, [batch, Dimension(units)])
    let optional = [kept, options.mask].compactMap { $0 }
    let (last, stacks) = try graph.scan(
      rounds: steps, captured: [projected, stateWeight] + parameters + optional, carried: initial, reversed: isReversed
    ) { loop in
      var state = loop.carried[0]
      if kept != nil { state = try loop.graph.multiply(state, loop.captured[2 + parameters.count]) }
      let recurrent = try loop.graph.matmul(state, loop.captured[1])
      let input = try loop.slice(loop.captured[0], axis: 1, reversed: isReversed)
      var next = try unit.step(
        input, recurrent, loop.carried, Array(loop.captured[2..<2 + parameters.count]), &loop.graph)
      if options.mask != nil { next = try loop.keeping(next, where: loop.captured.last!, isReversed) }
      return LoopRound(next: next, stacked: handsOutSequence ? [next[0]] : [])
    }
    if handsOutSequence { return stacks[0] }
    return options.returnsState ? try graph.concat(last, axis: 1) : last[0]
  }

  /// The factors 0 and 1 / (1 - rate) of a dropout with one draw for all steps; nil where there is none.
  private mutating func kept(_ rate: Double, _ shape: Shape) throws -> ValueID? {
    guard mode == .training, rate > 0 else { return nil }
    let uniform = try graph.stepUniform(shape, element, key: randomKey(randomPath()))
    return try graph.select(graph.greaterEqual(uniform, rate), 1 / (1 - rate), graph.broadcast(graph.constant(0, element), to: shape))
  }
}

extension LoopBuilder {
  /// The next states, or those before where the mask of the round's step is 0.
  fileprivate mutating func keeping(_ next: [ValueID], where mask: ValueID, _ isReversed: Bool) throws -> [ValueID] {
    let own = try slice(mask, axis: 1, reversed: isReversed)
    let zero = try graph.constant(0, graph.type(own).element)
    let counts = try graph.reshape(graph.notEqual(own, zero), [graph.type(own).shape[0], 1])
    return try zip(next, carried).map { try graph.select(counts, $0, $1) }
  }
}

extension RecurrenceOptions {
  /// From the arguments that all recurrent layers share.
  init(_ arguments: Arguments) {
    self.init(units: arguments.integer("units")!)
    returnsSequences = arguments.bool("return_sequences")
    returnsState = arguments.bool("return_state")
    isReversed = arguments.bool("reversed")
    isBidirectional = arguments.bool("bidirectional")
    layers = arguments.integer("layers")!
    dropout = arguments.number("dropout")!
    recurrentDropout = arguments.number("recurrent_dropout")!
    initialState = arguments.value("initial_state")
    mask = arguments.value("mask")
  }
}

extension ArgumentDescription {
  /// What all recurrent layers take behind their input.
  static let recurrent: [ArgumentDescription] = [
    ArgumentDescription("units", .integer, "size of the state"),
    ArgumentDescription("return_sequences", .bool, default: .bool(false), "whether the result is the output of each step, or of the last"),
    ArgumentDescription("return_state", .bool, default: .bool(false), "whether the result is the last state, with the cells of an lstm"),
    ArgumentDescription("reversed", .bool, default: .bool(false), "whether the walk begins at the last step"),
    ArgumentDescription("bidirectional", .bool, default: .bool(false), "whether there is one walk each way, results side by side"),
    ArgumentDescription("layers", .integer, default: .integer(1), "layers over one another"),
    ArgumentDescription("dropout", .number, default: .number(0), "share of inputs dropped in training, the same at all steps"),
    ArgumentDescription("recurrent_dropout", .number, default: .number(0), "share of the state dropped in training"),
    ArgumentDescription("initial_state", .value, optional: true, "the state to begin with, as return_state gives it"),
    ArgumentDescription("mask", .value, optional: true, "[N, steps]: where it is 0 a row keeps its state"),
  ]
}
