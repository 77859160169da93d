import Basics
import GraphIR
import Operators

/// Gates in the order reset, update, new; the reset gate works on the state's product.
private struct GRUUnit: RecurrentUnit {
  static let kind = "gru"
  static let gates = 3
  static let stateCount = 1

  func stepParameters(_ units: Int, _ builder: inout ModelBuilder) throws -> [ValueID] {
    [try builder.parameter("state_bias", shape: [units], initializer: .zeros, decays: false)]
  }

  func step(
    _ input: ValueID, _ recurrent: ValueID, _ states: [ValueID], _ parameters: [ValueID], _ graph: inout GraphBuilder
  ) throws -> [ValueID] {
    let units = graph.type(states[0]).shape[1].coefficient
    let sizes = Array(repeating: units, count: 3)
    let (x, h) = (try graph.split(input, axis: 1, sizes: sizes), try graph.split(recurrent, axis: 1, sizes: sizes))
    let reset = try graph.sigmoid(graph.add(x[0], h[0]))
    let update = try graph.sigmoid(graph.add(x[1], h[1]))
    let new = try graph.tanh(graph.add(x[2], graph.multiply(reset, graph.add(h[2], parameters[0]))))
    return [try graph.add(new, graph.multiply(update, graph.subtract(states[0], new)))]
  }
}

extension ModelBuilder {
  /// The gated recurrent unit (Cho et al. 2014, in the form of cuDNN and PyTorch): n = tanh(x Wn + r (h Un + b')), h' = (1 - z) n + z h.
  /// x [N, T, features]; `input_weight` [features, 3 · units] and `state_weight` [units, 3 · units] with the gates r, z, n side by side,
  /// `bias` [3 · units], and b' as `state_bias` [units].
  public mutating func gru(_ x: ValueID, _ options: RecurrenceOptions, name: String? = nil) throws -> ValueID {
    try recurrent(GRUUnit(), x, options, name: name)
  }
}

extension LayerEntry {
  static let gru = LayerEntry("gru", "the gated recurrent unit, step by step", [.input] + ArgumentDescription.recurrent) {
    builder, arguments, name in
    try builder.gru(arguments.value("x")!, RecurrenceOptions(arguments), name: name)
  }
}
