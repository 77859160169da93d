import Basics
import GraphIR
import Operators

/// h = f(x W^T + h R^T + Wb + Rb), Elman's recurrent network.
let rnnRules = [
  ONNXRule("RNN") { node in
    let network = try Recurrence(node, gates: 1, activations: ["Tanh"])
    let walks = try network.isReversed.indices.map { direction in
      let recurrent = try network.weights(2, direction)
      let bias = try network.biases(direction).map { try node.graph.add($0.input, $0.recurrent) }
      return try network.walk(direction, bias: bias, captured: [recurrent], states: [network.initialState(5, direction)]) {
        graph, x, states, captured in
        let sum = try states[0].map { try graph.add(x, graph.matmul($0, captured[0], transposeB: true)) } ?? x
        return [try network.activations[direction][0](sum, &graph)]
      }
    }
    return try network.results(walks)
  }
]
