import Basics
import GraphIR
import Operators

extension GraphReader {
  func loop(
    subgraph: Int, rounds: Int, captured: [ValueID], carried: [ValueID], round: (LoopBuilder) throws -> LoopRound
  ) throws -> (last: [ValueID], stacks: [ValueID]) {
    let seen = try outerValues(subgraphs[subgraph])
    var outer = graph
    let before = (builder, values, problems)
    (values, problems) = ([:], nil)
    // A node's first error ends the attempt, whoever gathers errors.
    scopes.append(Scope(versions: scopes.last!.versions, attributes: scopes.last!.attributes))
    defer {
      scopes.removeLast()
      (builder, values, problems) = before
      graph = outer
    }
    return try outer.scan(rounds: rounds, captured: captured + seen.map(\.value), carried: carried) { loop in
      for (place, (name, _)) in seen.enumerated() { bind(name, .value(loop.captured[captured.count + place])) }
      graph = loop.graph
      let found = try round(loop)
      guard graph.graph.isRepeatable else { throw Diagnostic("its rounds draw numbers or have a memory", kind: .unsupported) }
      loop.graph = graph
      return found
    }
  }

  /// What a subgraph reads from outside and is not known when the model is compiled, or is learned; in the order of the names.
  private func outerValues(_ message: GraphMessage) throws -> [(name: String, value: ValueID)] {
    try message.freeNames().sorted().compactMap { name in
      let value = try named(name)
      switch value {
      case .value: return (name, try place(value, isState: false))
      case .initializer(_, let type) where type.element.isFloat && type.rank > 0: return (name, try place(value, isState: false))
      default: return nil
      }
    }
  }
}

extension Graph {
  /// Whether rounds may share the graph: it changes no state and draws no random numbers, which would be the same in all of them.
  fileprivate var isRepeatable: Bool { updates.isEmpty && !nodes.contains { $0.op is RandomUniform || $0.op is RandomNormal } }
}

extension GraphMessage {
  /// The names that nodes read and that nothing in the graph defines.
  func freeNames(depth: Int = 0) -> Set<String> {
    // Deeper ones are refused when they are read.
    guard depth < 100 else { return [] }
    var known = Set(input.map(\.name) + initializer.map(\.name))
    var free = Set<String>()
    for node in node {
      var names = Set(node.input)
      for attribute in node.attribute {
        if case .graph(let inner) = attribute.value { names.formUnion(inner.freeNames(depth: depth + 1)) }
      }
      free.formUnion(names.subtracting(known))
      known.formUnion(node.output)
    }
    return free.union(Set(output.map(\.name)).subtracting(known)).subtracting([""])
  }
}
