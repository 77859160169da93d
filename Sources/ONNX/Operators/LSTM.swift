import Basics
import GraphIR
import Operators

/// Long short-term memory with gates in the order input, output, forget, cell; P holds peepholes for input, output and forget.
let lstmRules = [
  ONNXRule("LSTM") { node in
    let network = try Recurrence(node, gates: 4, activations: ["Sigmoid", "Tanh", "Tanh"])
    let isCoupled = try node.int("input_forget", 0) != 0
    let walks = try network.isReversed.indices.map { direction in
      let recurrent = try network.weights(2, direction)
      let bias = try network.biases(direction).map { try node.graph.add($0.input, $0.recurrent) }
      let peepholes = node.has(7) ? try network.gateVectors(7, direction) : []
      let (f, g, h) = (
        network.activations[direction][0], network.activations[direction][1], network.activations[direction][2]
      )
      return try network.walk(
        direction, bias: bias, captured: [recurrent] + peepholes,
        states: [network.initialState(5, direction), network.initialState(6, direction)]
      ) { graph, x, states, captured in
        let sum = try states[0].map { try graph.add(x, graph.matmul($0, captured[0], transposeB: true)) } ?? x
        let gates = try network.gateValues(sum, &graph)
        func peep(_ gate: ValueID, _ k: Int, at cell: ValueID?, _ graph: inout GraphBuilder) throws -> ValueID {
          guard captured.count > 1, let cell else { return gate }
          return try graph.add(gate, graph.multiply(cell, captured[1 + k]))
        }
        let input = try f(peep(gates[0], 0, at: states[1], &graph), &graph)
        var cell = try graph.multiply(input, g(gates[3], &graph))
        if let before = states[1] {
          let forget = isCoupled ? try graph.subtract(1, input) : try f(peep(gates[2], 2, at: before, &graph), &graph)
          cell = try graph.add(graph.multiply(forget, before), cell)
        }
        let output = try f(peep(gates[1], 1, at: cell, &graph), &graph)
        return [try graph.multiply(output, h(cell, &graph)), cell]
      }
    }
    return try network.results(walks)
  }
]

extension Recurrence {
  /// Operand `k`, [directions, 3 * hidden], of a direction as one [hidden] a gate.
  fileprivate func gateVectors(_ k: Int, _ direction: Int) throws -> [ValueID] {
    let all = try weights(k, direction)
    guard node.type(all).shape == [Dimension(3 * hidden)] else {
      throw Diagnostic("P must have three numbers for each of \(hidden) hidden units, got \(node.type(all))")
    }
    return try node.graph.split(all, axis: 0, sizes: [hidden, hidden, hidden])
  }
}
