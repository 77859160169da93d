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
      return try network.walk(
        direction, inputs: network.inputs(direction, bias: bias), states: [network.initialState(5, direction)]
      ) { x, states in
        let sum = try states[0].map { try node.graph.add(x, node.graph.matmul($0, recurrent, transposeB: true)) } ?? x
        return [try network.activations[direction][0](sum, &node.graph)]
      }
    }
    return try network.results(walks)
  }
]
