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
      let step = isLinearFirst ? try network.linearFirst(direction) : try network.resetFirst(direction)
      let biases = try network.biases(direction)
      let bias = isLinearFirst ? biases?.input : try biases.map { try node.graph.add($0.input, $0.recurrent) }
      return try network.walk(
        direction, inputs: network.inputs(direction, bias: bias), states: [network.initialState(5, direction)]
      ) { x, states in
        let (updated, candidate) = try step(network.gateValues(x), states[0], f)
        let hidden = try g(candidate, &node.graph)
        let fresh = try node.graph.multiply(node.graph.subtract(1, updated), hidden)
        return [try states[0].map { try node.graph.add(fresh, node.graph.multiply(updated, $0)) } ?? fresh]
      }
    }
    return try network.results(walks)
  }
]

/// The update gate and what the hidden gate's function is applied to, from the gates of the input and the state before.
private typealias GatedStep = ([ValueID], ValueID?, RecurrentActivation) throws -> (ValueID, ValueID)

extension Recurrence {
  /// (r h) Rh^T: the state is reset, then multiplied.
  fileprivate func resetFirst(_ direction: Int) throws -> GatedStep {
    let parts = try node.graph.split(weights(2, direction), axis: 0, sizes: [2 * hidden, hidden])
    return { x, state, f in
      guard let state else { return (try f(x[0], &node.graph), x[2]) }
      let gates = try gateValues(node.graph.matmul(state, parts[0], transposeB: true))
      let updated = try f(node.graph.add(x[0], gates[0]), &node.graph)
      let reset = try f(node.graph.add(x[1], gates[1]), &node.graph)
      let recurrent = try node.graph.matmul(node.graph.multiply(reset, state), parts[1], transposeB: true)
      return (updated, try node.graph.add(x[2], recurrent))
    }
  }

  /// r (h Rh^T + b): the state is multiplied, then reset.
  fileprivate func linearFirst(_ direction: Int) throws -> GatedStep {
    let weights = try weights(2, direction)
    let bias = try biases(direction)?.recurrent
    return { x, state, f in
      var sum = try state.map { try node.graph.matmul($0, weights, transposeB: true) }
      if let bias {
        let shape: Shape = [batch, Dimension(3 * hidden)]
        sum = try sum.map { try node.graph.add($0, bias) } ?? node.graph.broadcast(bias, to: shape)
      }
      guard let sum else { return (try f(x[0], &node.graph), x[2]) }
      let gates = try gateValues(sum)
      let updated = try f(node.graph.add(x[0], gates[0]), &node.graph)
      let reset = try f(node.graph.add(x[1], gates[1]), &node.graph)
      return (updated, try node.graph.add(x[2], node.graph.multiply(reset, gates[2])))
    }
  }
}
