import Basics
import GraphIR
import Operators

/// Gates in the order input, forget, cell, output.
private struct LSTMUnit: RecurrentUnit {
  static let kind = "lstm"
  static let gates = 4
  static let stateCount = 2

  func stepParameters(_ units: Int, _ builder: inout ModelBuilder) -> [ValueID] { [] }

  func step(
    _ input: ValueID, _ recurrent: ValueID, _ states: [ValueID], _ parameters: [ValueID], _ graph: inout GraphBuilder
  ) throws -> [ValueID] {
    let units = graph.type(states[0]).shape[1].coefficient
    let gates = try graph.split(graph.add(recurrent, input), axis: 1, sizes: Array(repeating: units, count: 4))
    let (i, f, o) = (try graph.sigmoid(gates[0]), try graph.sigmoid(gates[1]), try graph.sigmoid(gates[3]))
    let cell = try graph.add(graph.multiply(f, states[1]), graph.multiply(i, graph.tanh(gates[2])))
    return [try graph.multiply(o, graph.tanh(cell)), cell]
  }
}

extension ModelBuilder {
  /// Long short-term memory (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000): c' = f c + i tanh(g),
  /// h' = o tanh(c'). x [N, T, features]; `input_weight` [features, 4 · units] and `state_weight` [units, 4 · units] with the gates i, f,
  /// g, o side by side, as PyTorch has them transposed, and one `bias` [4 · units].
  public mutating func lstm(_ x: ValueID, _ options: RecurrenceOptions, name: String? = nil) throws -> ValueID {
    try recurrent(LSTMUnit(), x, options, name: name)
  }
}

extension LayerEntry {
  static let lstm = LayerEntry("lstm", "long short-term memory, step by step", [.input] + ArgumentDescription.recurrent) {
    builder, arguments, name in
    try builder.lstm(arguments.value("x")!, RecurrenceOptions(arguments), name: name)
  }
}
