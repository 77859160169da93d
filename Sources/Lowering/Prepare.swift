import Basics
import GraphIR
import LoopIR

/// A graph whose values that depend on nothing but weights are computed once, by another graph.
struct SeparatedGraph {
  /// Computes the prepared values and stores them to their leaves.
  var prepare: Graph
  /// Reads them.
  var run: Graph
  /// Names and types of the prepared values, in order.
  var slots: [(name: String, type: TensorType)]
}

/// Takes out of a graph what depends only on parameters and state: packed and transformed filters, scales of normalisations. Nil where there
/// is nothing to take.
///
///     %2 = pack(parameter "conv1.weight"); %3 = convolution(%1, %2)
///     =>  prepare: %1 = pack(parameter "conv1.weight"); update prepared "conv1_pack" <- %1
///         run:     %3 = convolution(%1, prepared "conv1_pack")
func separatePreparation(_ graph: Graph) -> SeparatedGraph? {
  var separation = Separation(graph)
  return separation.run()
}

private struct Separation {
  let graph: Graph
  let lowerings: [ValueID: Lowering]
  /// What depends on weights and on nothing else but constants, and has one size.
  var fixed: Set<ValueID> = []
  /// The values at the border, in order.
  var border: [ValueID] = []

  init(_ graph: Graph) {
    self.graph = graph
    var lowerings: [ValueID: Lowering] = [:]
    for id in graph.ids {
      if let op = graph[id].op { lowerings[id] = op.lowering(graph[id].operands.map { graph.type($0) }, graph[id].types) }
    }
    self.lowerings = lowerings
  }

  mutating func run() -> SeparatedGraph? {
    var constants = Set<ValueID>()
    for id in graph.ids {
      let node = graph[id]
      if let leaf = node.leaf {
        if leaf.isWeight { fixed.insert(id) }
      } else if node.operands.allSatisfy({ constants.contains($0) }) {
        constants.insert(id)
      } else if node.operands.allSatisfy({ constants.contains($0) || fixed.contains($0) }), node.types.count == 1,
        node.types[0].shape.allSatisfy({ $0.symbol == nil })
      {
        fixed.insert(id)
      }
    }
    var seen = Set<ValueID>()
    for id in graph.ids where !fixed.contains(id) && !constants.contains(id) {
      for operand in graph[id].operands { visit(operand, id, &seen) }
    }
    guard !border.isEmpty else { return nil }
    border.sort()
    var names = Set<String>()
    let slots = border.map { id -> (name: String, type: TensorType) in
      let base = identifier((graph[id].path.isEmpty ? "" : graph[id].path + ".") + (graph[id].op.map { type(of: $0).name } ?? "value"))
      var name = base
      var number = 1
      while !names.insert(name).inserted {
        number += 1
        name = "\(base)_\(number)"
      }
      return (name, graph.type(id))
    }
    return SeparatedGraph(prepare: prepared(slots), run: remaining(slots), slots: slots)
  }

  /// Marks what a node outside the weights' own reads of them. A view is made again where it is read, unless it must lie in memory.
  private mutating func visit(_ id: ValueID, _ reader: ValueID, _ seen: inout Set<ValueID>) {
    guard fixed.contains(id), graph[id].leaf == nil else { return }
    let isView = if case .map(.element) = lowerings[id] { true } else { false }
    var needsMemory = false
    switch lowerings[reader] {
    case .contraction, .convolution, .custom, .loop: needsMemory = true
    default: break
    }
    if isView, !needsMemory || graph[id].op is Reshape {
      for operand in graph[id].operands { visit(operand, id, &seen) }
    } else if seen.insert(id).inserted {
      border.append(id)
    }
  }

  private func prepared(_ slots: [(name: String, type: TensorType)]) -> Graph {
    var result = Graph(name: "prepare", symbols: graph.symbols)
    let live = graph.reachable(from: border)
    var mapped: [ValueID: ValueID] = [:]
    for id in graph.ids where live.contains(id) { append(id, to: &result, &mapped) }
    result.updates = zip(border, slots).map { Update(Leaf($1.name, .prepared), mapped[$0]!) }
    return result
  }

  private func remaining(_ slots: [(name: String, type: TensorType)]) -> Graph {
    var result = Graph(name: graph.name, symbols: graph.symbols)
    var mapped: [ValueID: ValueID] = [:]
    for (id, slot) in zip(border, slots) {
      mapped[id] = ValueID(result.nodes.count)
      result.nodes.append(Node(.leaf(Leaf(slot.name, .prepared)), types: [slot.type], path: graph[id].path))
    }
    var pending = graph.roots
    var live = Set(border)
    while let id = pending.popLast() { if live.insert(id).inserted { pending += graph[id].operands } }
    for id in graph.ids where live.contains(id) && mapped[id] == nil { append(id, to: &result, &mapped) }
    result.outputs = graph.outputs.map { GraphOutput($0.name, mapped[$0.value]!) }
    result.updates = graph.updates.map { Update($0.leaf, mapped[$0.value]!, $0.mode) }
    result.requirements = graph.requirements.map { mapped[$0]! }
    return result
  }

  private func append(_ id: ValueID, to result: inout Graph, _ mapped: inout [ValueID: ValueID]) {
    var node = graph[id]
    if case .apply(let op, let operands) = node.kind { node.kind = .apply(op, operands.map { mapped[$0]! }) }
    mapped[id] = ValueID(result.nodes.count)
    result.nodes.append(node)
  }
}
