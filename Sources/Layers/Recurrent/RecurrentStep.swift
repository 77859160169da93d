import Basics
import GraphIR
import Operators

extension ModelBuilder {
  /// One step of a walk that goes on with every token: the states before are those in memory. `projected` is the input's product
  /// [N, 1, gates · units]. The result is that of the walk at this step.
  mutating func step(
    _ unit: some RecurrentUnit, _ projected: ValueID, _ stateWeight: ValueID, _ parameters: [ValueID], _ options: RecurrenceOptions,
    _ handsOutSequence: Bool
  ) throws -> ValueID {
    let kind = Swift.type(of: unit)
    let batch = type(projected).shape[0]
    let input = try graph.reshape(projected, [batch, Dimension(kind.gates * options.units)])
    let type = TensorType(element, [batch, Dimension(options.units)])
    let states = try (0..<kind.stateCount).map { try memory("state\($0 + 1)", type) }
    let recurrent = try graph.matmul(states[0], stateWeight)
    let next = try unit.step(input, recurrent, states, parameters, &graph)
    for (number, state) in next.enumerated() { updateMemory("state\(number + 1)", state) }
    if handsOutSequence { return try graph.reshape(next[0], [batch, 1, Dimension(options.units)]) }
    return options.returnsState ? try graph.concat(next, axis: 1) : next[0]
  }
}
