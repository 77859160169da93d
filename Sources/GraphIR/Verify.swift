import Basics
import LoopIR

extension Graph {
  /// What is wrong with the graph; empty when it keeps these rules, which every pass may rely on:
  ///
  /// - Operands come before the nodes that read them; only `element` reads tuples.
  /// - Each operator has its number of operands, and its types are those that its rule infers.
  /// - A symbol in a type is declared, once.
  /// - Leaves are distinct; one memory has one type, in its leaf and its update.
  /// - Outputs, updates and requirements name single values; outputs have distinct names; what must be finite is a float scalar.
  public func verify() -> [Diagnostic] {
    var verifier = GraphVerifier(graph: self)
    verifier.run()
    return verifier.problems
  }

  /// Throws the first problem that `verify` finds, with the graph as text in a note. `stage` says after what.
  public func check(_ stage: String) throws {
    guard var first = verify().first else { return }
    first.message += " (after \(stage))"
    first.notes.append(Diagnostic("the graph is\n\(self)", kind: .bug, severity: .note))
    throw first
  }
}

private struct GraphVerifier {
  let graph: Graph
  var problems: [Diagnostic] = []

  mutating func report(_ message: String) { problems.append(.bug("graph '\(graph.name)': \(message)")) }

  mutating func run() {
    var names = Set<String>()
    for symbol in graph.symbols where !names.insert(symbol.name).inserted || symbol.maximum < 1 {
      report("symbol '\(symbol.name)' is declared twice or has no positive maximum")
    }
    var leaves: [Leaf: TensorType] = [:]
    for id in graph.ids {
      checkNode(id)
      guard let leaf = graph[id].leaf, let type = graph[id].types.first else { continue }
      if leaves.updateValue(type, forKey: leaf) != nil { report("\(graph.line(id)): the leaf stands twice") }
    }
    checkOutputs()
    for update in graph.updates where checkRoot(update.value, "the update of \(update.leaf)") {
      if let type = leaves[update.leaf], type != graph.type(update.value) {
        report("the update of \(update.leaf) has type \(graph.type(update.value)), the leaf \(type)")
      }
    }
    for value in graph.requirements where checkRoot(value, "a requirement") {
      let type = graph.type(value)
      if type.rank != 0 || !type.element.isFloat { report("what must be finite is a float scalar, not \(type) (\(value))") }
    }
  }

  private mutating func checkNode(_ id: ValueID) {
    let node = graph[id]
    guard !node.types.isEmpty else { return report("\(id) has no type") }
    for type in node.types {
      for dimension in type.shape where !isDeclared(dimension) { report("\(graph.line(id)): size \(dimension) is negative or undeclared") }
    }
    guard case .apply(let op, let operands) = node.kind else {
      if node.types.count != 1 { report("\(graph.line(id)): a leaf has one value") }
      return
    }
    for operand in operands {
      guard operand < id, operand.rawValue >= 0 else { return report("\(graph.line(id)): operand \(operand) does not come before it") }
      guard graph[operand].types.count == 1 || op is Element else { return report("\(graph.line(id)): operand \(operand) is a tuple") }
    }
    do {
      try op.checkOperandCount(operands.count)
      let types = try op.resultTypes(operands.map { graph.type($0) })
      if types != node.types { report("\(graph.line(id)): the types are \(types.map(\.description).joined(separator: ", "))") }
      if let element = op as? Element, element.types != graph[operands[0]].types {
        report("\(graph.line(id)): the tuple has other types")
      }
    } catch {
      report("\(graph.line(id)): \(error)")
    }
  }

  private func isDeclared(_ dimension: Dimension) -> Bool {
    dimension.coefficient >= 0 && (dimension.symbol == nil || graph.symbols.contains { $0.name == dimension.symbol })
  }

  private mutating func checkOutputs() {
    var names = Set<String>()
    for output in graph.outputs {
      _ = checkRoot(output.value, "output '\(output.name)'")
      if !names.insert(output.name).inserted { report("output '\(output.name)' stands twice") }
    }
  }

  private mutating func checkRoot(_ value: ValueID, _ what: String) -> Bool {
    guard graph.nodes.indices.contains(value.rawValue) else {
      report("\(what) is \(value), which does not exist")
      return false
    }
    guard graph[value].types.count == 1 else {
      report("\(what) is the tuple \(value)")
      return false
    }
    return true
  }
}

extension Operator {
  /// Throws unless the operator takes this many operands.
  public func checkOperandCount(_ count: Int) throws {
    let names = Self.operandNames
    let isVariadic = names.last?.hasSuffix("...") == true
    guard isVariadic ? count >= names.count : count == names.count else {
      let expected = isVariadic ? "at least \(names.count)" : "\(names.count)"
      throw TypeError("\(Self.name) takes \(expected) operands\(names.isEmpty ? "" : " (\(names.joined(separator: ", ")))"), got \(count)")
    }
  }
}
