import Basics
import GraphIR
import Operators

/// h' = f(x W + h U + b).
private struct SimpleUnit: RecurrentUnit {
  static let kind = "simple_rnn"
  static let gates = 1
  static let stateCount = 1
  let activation: Activation

  func stepParameters(_ units: Int, _ builder: inout ModelBuilder) -> [ValueID] { [] }

  func step(
    _ input: ValueID, _ recurrent: ValueID, _ states: [ValueID], _ parameters: [ValueID], _ graph: inout GraphBuilder
  ) throws -> [ValueID] {
    let sum = try graph.add(recurrent, input)
    return [activation == .relu ? try graph.relu(sum) : try graph.tanh(sum)]
  }
}

extension ModelBuilder {
  /// The simple recurrent network of Elman (1990): h' = f(x W + h U + b), f tanh or relu. x [N, T, features]; `input_weight`
  /// [features, units], `state_weight` [units, units], `bias` [units].
  public mutating func simpleRNN(
    _ x: ValueID, _ options: RecurrenceOptions, activation: Activation = .tanh, name: String? = nil
  ) throws -> ValueID {
    try recurrent(SimpleUnit(activation: activation), x, options, name: name)
  }
}

extension LayerEntry {
  static let simpleRNN = LayerEntry(
    "simple_rnn", aliases: ["rnn"], "h' = f(x W + h U + b), step by step",
    [.input] + ArgumentDescription.recurrent + [
      ArgumentDescription("activation", .word(["tanh", "relu"]), default: .word("tanh"), "f")
    ]
  ) { builder, arguments, name in
    try builder.simpleRNN(
      arguments.value("x")!, RecurrenceOptions(arguments), activation: arguments.word("activation") == "relu" ? .relu : .tanh, name: name)
  }
}
