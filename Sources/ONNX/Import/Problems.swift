import Basics
import GraphIR
import Layers
import LoopIR

extension ONNXModel {
  /// All that keeps the model from running or learning, by node: operators that gradc does not have, nodes that their operator's rule
  /// refuses, and nodes through which no gradient passes although a float parameter or input before them and a float output behind them
  /// would need one.
  public func problems() -> [Diagnostic] {
    let missing = unsupportedNodes()
    let builder = ModelBuilder(name: "check", mode: .inference, element: element, symbols: [Symbol(name: "n", maximum: 1)])
    let reader = GraphReader(self, builder)
    reader.problems = []
    do {
      try reader.readModel()
    } catch let error as Diagnostic {
      return missing + [error]
    } catch {
      return missing + [Diagnostic("\(error)")]
    }
    // Operators without a rule are told already.
    let refused = reader.problems!.filter { problem in !missing.contains { $0.message == problem.message } }
    if !missing.isEmpty || !refused.isEmpty { return missing + refused }
    return reader.nodesWithoutGradient().map { node in
      Diagnostic("node '\(node.name)' (\(node.type)): no gradient passes through it", kind: .unsupported)
    }
  }
}

extension GraphReader {
  /// Nodes of the file with a float operand that depends on a parameter or an input, and a float result that an output depends on, and no
  /// differentiable way between the two.
  fileprivate func nodesWithoutGradient() -> [(name: String, type: String)] {
    let graph = builder.graph.graph
    let depends = dependents(graph)
    let needed = contributors(graph)
    var found: [(name: String, type: String)] = []
    var begin = 0
    for origin in origins {
      let own = begin..<max(begin, origin.end)
      begin = max(begin, origin.end)
      var passes = Set<Int>()
      var isReached = false
      for index in own {
        let node = graph.nodes[index]
        guard let op = node.op else { continue }
        let operands = node.operands.map(\.rawValue)
        if operands.contains(where: { !own.contains($0) && depends[$0] }) { isReached = true }
        if type(of: op).isDifferentiable, operands.contains(where: { own.contains($0) ? passes.contains($0) : depends[$0] }) {
          passes.insert(index)
        }
      }
      let results = own.filter { depends[$0] && needed[$0] && graph.nodes[$0].op != nil }
      if isReached, !results.isEmpty, !passes.contains(where: { needed[$0] }) { found.append((origin.name, origin.type)) }
    }
    return found
  }

  /// Which values are floats that depend on a float parameter or input, through floats alone.
  private func dependents(_ graph: Graph) -> [Bool] {
    var depends: [Bool] = []
    for node in graph.nodes {
      let isFloat = node.types.contains { $0.element.isReal }
      if let leaf = node.leaf {
        switch leaf.role {
        case .parameter, .input: depends.append(isFloat)
        default: depends.append(false)
        }
      } else {
        depends.append(isFloat && node.operands.contains { depends[$0.rawValue] })
      }
    }
    return depends
  }

  /// Which values a float output depends on, through floats alone.
  private func contributors(_ graph: Graph) -> [Bool] {
    var needed = [Bool](repeating: false, count: graph.nodes.count)
    for output in graph.outputs where graph.type(output.value).element.isReal { needed[output.value.rawValue] = true }
    for (index, node) in graph.nodes.enumerated().reversed() where needed[index] {
      for operand in node.operands where graph[operand].types.contains(where: { $0.element.isReal }) { needed[operand.rawValue] = true }
    }
    return needed
  }
}
