import Basics
import LoopIR

/// Builds the body of a loop: what it captures and carries stands ready as leaves of its graph.
public struct LoopBuilder {
  public var graph: GraphBuilder
  /// The captured operands, in order.
  public let captured: [ValueID]
  /// What the round before handed on, or the first values.
  public let carried: [ValueID]
  /// The name of the rounds' counter.
  public let counter: String

  fileprivate init(_ outer: GraphBuilder, rounds: Int, captured: [ValueID], carried: [ValueID]) {
    // Counters of loops around are told apart by a number.
    let depth = outer.graph.symbols.filter(\.isCounter).count
    counter = depth == 0 ? "t" : "t\(depth + 1)"
    var graph = GraphBuilder(
      name: "round", symbols: outer.graph.symbols + [Symbol(name: counter, maximum: rounds, isCounter: true)])
    (graph.path, graph.isBackward) = (outer.path, outer.isBackward)
    self.captured = captured.enumerated().map { number, value in
      graph.leaf(Leaf(outer.graph[value].leaf?.name ?? "captured\(number + 1)", .captured(number)), outer.type(value))
    }
    self.carried = carried.enumerated().map { number, value in
      graph.leaf(Leaf(Self.name(.carried(number)), .carried(number)), outer.type(value))
    }
    self.graph = graph
  }

  fileprivate static func name(_ role: Leaf.Role) -> String {
    switch role {
    case .carried(let number): "carried\(number + 1)"
    case .stacked(let number): "stacked\(number + 1)"
    default: "captured"
    }
  }

  /// The slice of a captured tensor along an axis that belongs to the round: the first in the first round, or the last.
  public mutating func slice(_ value: ValueID, axis: Int, reversed: Bool = false) throws -> ValueID {
    try graph.add(StepSlice(axis: axis, counter: counter, reversed: reversed), [value])
  }
}

/// What a round hands on to the next, and what it hands out.
public struct LoopRound {
  public var next: [ValueID]
  public var stacked: [ValueID]

  public init(next: [ValueID], stacked: [ValueID] = []) {
    self.next = next
    self.stacked = stacked
  }
}

extension GraphBuilder {
  /// A loop of at least one round. The body reads nothing of this graph but what it captures. Gives the last carried values, and what the
  /// rounds handed out, stacked along axis 1 behind a batch, else along axis 0, in their order or `reversed`.
  public mutating func scan(
    rounds: Int, captured: [ValueID], carried: [ValueID], reversed: Bool = false, body: (inout LoopBuilder) throws -> LoopRound
  ) throws -> (last: [ValueID], stacks: [ValueID]) {
    guard rounds > 0 else { throw located(TypeError("a loop needs at least one round")) }
    var loop = LoopBuilder(self, rounds: rounds, captured: captured, carried: carried)
    let round = try body(&loop)
    guard round.next.map({ loop.graph.type($0) }) == carried.map({ type($0) }) else {
      throw located(TypeError("a loop hands on other types than it begins with"))
    }
    for (number, value) in round.next.enumerated() {
      loop.graph.update(Leaf(LoopBuilder.name(.carried(number)), .carried(number)), value)
    }
    for (number, value) in round.stacked.enumerated() {
      loop.graph.update(Leaf(LoopBuilder.name(.stacked(number)), .stacked(number)), value)
    }
    let scan = Scan(
      rounds: rounds, captured: captured.count, reversed: reversed ? Array(round.stacked.indices) : [], body: LoopBody(loop.graph.graph))
    let results = try elements(add(scan, captured + carried))
    return (Array(results.prefix(carried.count)), Array(results.dropFirst(carried.count)))
  }
}
