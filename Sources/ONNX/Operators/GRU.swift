import Basics
import GraphIR
import Operators

/// The gated recurrent unit with gates in the order update, reset, hidden.
let gruRules = [
  ONNXRule("GRU") { node in
    let network = try Recurrence(node, gates: 3, activations: ["Sigmoid", "Tanh"])
    let isLinearFirst = try node.int("linear_before_reset", 0) != 0
    let walks = try network.isReversed.indices.map { direction in
      let (f, g) = (network.activations[direction][0], network.activations[direction][1])
      let biases = try network.biases(direction)
      let bias = isLinearFirst ? biases?.input : try biases.map { try node.graph.add($0.input, $0.recurrent) }
      let captured = isLinearFirst ? try network.linearFirst(direction) : try network.resetFirst(direction)
      return try network.walk(direction, bias: bias, captured: captured, states: [network.initialState(5, direction)]) {
        graph, x, states, captured in
        let gates = try network.gateValues(x, &graph)
        let (updated, candidate) =
          try isLinearFirst
          ? network.linearFirst(gates, states[0], captured, f, &graph) : network.resetFirst(gates, states[0], captured, f, &graph)
        let hidden = try g(candidate, &graph)
        let fresh = try graph.multiply(graph.subtract(1, updated), hidden)
        return [try states[0].map { try graph.add(fresh, graph.multiply(updated, $0)) } ?? fresh]
      }
    }
    return try network.results(walks)
  }
]

/// The update gate and what the hidden gate's function is applied to, from the gates of the input and the state before.
extension Recurrence {
  /// R of the gates, and of what is made of the reset state.
  fileprivate func resetFirst(_ direction: Int) throws -> [ValueID] {
    try node.graph.split(weights(2, direction), axis: 0, sizes: [2 * hidden, hidden])
  }

  /// (r h) Rh^T: the state is reset, then multiplied.
  fileprivate func resetFirst(
    _ x: [ValueID], _ state: ValueID?, _ weights: [ValueID], _ f: RecurrentActivation, _ graph: inout GraphBuilder
  ) throws -> (ValueID, ValueID) {
    guard let state else { return (try f(x[0], &graph), x[2]) }
    let gates = try gateValues(graph.matmul(state, weights[0], transposeB: true), &graph)
    let updated = try f(graph.add(x[0], gates[0]), &graph)
    let reset = try f(graph.add(x[1], gates[1]), &graph)
    let recurrent = try graph.matmul(graph.multiply(reset, state), weights[1], transposeB: true)
    return (updated, try graph.add(x[2], recurrent))
  }

  /// R, and the half of B that belongs to it.
  fileprivate func linearFirst(_ direction: Int) throws -> [ValueID] {
    let bias = try biases(direction)?.recurrent
    return try [weights(2, direction)] + (bias.map { [$0] } ?? [])
  }

  /// r (h Rh^T + b): the state is multiplied, then reset.
  fileprivate func linearFirst(
    _ x: [ValueID], _ state: ValueID?, _ captured: [ValueID], _ f: RecurrentActivation, _ graph: inout GraphBuilder
  ) throws -> (ValueID, ValueID) {
    var sum = try state.map { try graph.matmul($0, captured[0], transposeB: true) }
    if captured.count > 1 {
      let shape: Shape = [batch, Dimension(3 * hidden)]
      sum = try sum.map { try graph.add($0, captured[1]) } ?? graph.broadcast(captured[1], to: shape)
    }
    guard let sum else { return (try f(x[0], &graph), x[2]) }
    let gates = try gateValues(sum, &graph)
    let updated = try f(graph.add(x[0], gates[0]), &graph)
    let reset = try f(graph.add(x[1], gates[1]), &graph)
    return (updated, try graph.add(x[2], graph.multiply(reset, gates[2])))
  }
}
