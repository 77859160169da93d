import Basics
import GraphIR
import LoopIR

/// The loop with its body expanded, and with what no round changes computed once, before it.
///
///     scan(%0, %1: f32[8, 8], …, body: { %2 = transpose(captured 1); … })
///     =>  %2 = transpose(%1); scan(%0, %2, …, body: { captured 1 … })
func expandLoop(_ scan: Scan, _ operands: [ValueID], options: LoweringOptions, in builder: inout GraphBuilder) throws -> ValueID {
  var graph = scan.body.graph
  let stacked = scan.body.stackedTypes.count
  for (number, node) in scan.saved.enumerated() {
    graph.updates.append(Update(Leaf("saved\(number + 1)", .stacked(stacked + number)), ValueID(node)))
  }
  graph = try expand(graph, options: options)
  var motion = InvariantMotion(graph, Array(operands.prefix(scan.captured)))
  let (body, captured) = try motion.run(&builder)
  return try builder.add(
    Scan(rounds: scan.rounds, captured: captured.count, reversed: scan.reversed, body: LoopBody(body)),
    captured + operands.dropFirst(scan.captured))
}

/// Moves what depends on captured values alone out of the body of a loop.
private struct InvariantMotion {
  let graph: Graph
  let operands: [ValueID]
  private var fixed: Set<ValueID> = []
  private var border: Set<ValueID> = []
  private var lowerings: [ValueID: Lowering] = [:]

  init(_ graph: Graph, _ operands: [ValueID]) {
    self.graph = graph
    self.operands = operands
  }

  /// The body that is left, and the operands that it captures.
  mutating func run(_ builder: inout GraphBuilder) throws -> (Graph, [ValueID]) {
    findBorder()
    var captured: [ValueID] = []
    var mapped: [ValueID: ValueID] = [:]
    var moved: [ValueID: ValueID] = [:]
    var result = Graph(name: graph.name, symbols: graph.symbols)
    let live = reachable()
    func capture(_ operand: ValueID, _ node: Node, _ builder: GraphBuilder) -> Node {
      captured.append(operand)
      let name = node.leaf?.name ?? (node.path.isEmpty ? "" : node.path + ".") + (node.op.map { type(of: $0).name } ?? "value")
      return Node(.leaf(Leaf(name, .captured(captured.count - 1))), types: node.types, path: node.path, isBackward: node.isBackward)
    }
    for id in graph.ids where live.contains(id) {
      var node = graph[id]
      if border.contains(id) {
        node = capture(try move(id, &moved, &builder), node, builder)
      } else if case .captured(let number)? = node.leaf?.role {
        node = capture(operands[number], node, builder)
      } else if case .apply(let op, let inner) = node.kind {
        node.kind = .apply(op, inner.map { mapped[$0]! })
      }
      mapped[id] = ValueID(result.nodes.count)
      result.nodes.append(node)
    }
    result.updates = graph.updates.map { Update($0.leaf, mapped[$0.value]!, $0.mode) }
    return (result, captured)
  }

  /// What the updates depend on, the border's own operands left out.
  private func reachable() -> Set<ValueID> {
    var seen = Set<ValueID>()
    var pending = graph.roots
    while let id = pending.popLast() { if seen.insert(id).inserted, !border.contains(id) { pending += graph[id].operands } }
    return seen
  }

  private mutating func findBorder() {
    var constants = Set<ValueID>()
    for id in graph.ids {
      let node = graph[id]
      if let op = node.op { lowerings[id] = op.lowering(node.operands.map { graph.type($0) }, node.types) }
      if case .captured? = node.leaf?.role { fixed.insert(id) }
      guard node.leaf == nil, !(node.op is StepSlice), node.types.count == 1 else { continue }
      if node.operands.allSatisfy(constants.contains) {
        constants.insert(id)
      } else if node.operands.allSatisfy({ constants.contains($0) || fixed.contains($0) }) {
        fixed.insert(id)
      }
    }
    var seen = Set<ValueID>()
    for id in graph.ids where !fixed.contains(id) && !constants.contains(id) {
      for operand in graph[id].operands { visit(operand, readBy: id, &seen) }
    }
  }

  /// Marks what a node of the rounds reads of the fixed ones. A view costs nothing where it is read, unless it must lie in memory.
  private mutating func visit(_ id: ValueID, readBy reader: ValueID, _ seen: inout Set<ValueID>) {
    guard fixed.contains(id), graph[id].leaf == nil else { return }
    let isView = if case .map(.element) = lowerings[id] { true } else { false }
    let needsMemory =
      switch lowerings[reader] {
      case .contraction, .convolution, .custom, .loop: true
      default: false
      }
    if isView, !needsMemory || graph[id].op is Reshape {
      for operand in graph[id].operands { visit(operand, readBy: id, &seen) }
    } else if seen.insert(id).inserted {
      border.insert(id)
    }
  }

  /// The node, built outside the loop.
  private func move(_ id: ValueID, _ moved: inout [ValueID: ValueID], _ builder: inout GraphBuilder) throws -> ValueID {
    if let known = moved[id] { return known }
    let value: ValueID
    switch graph[id].kind {
    case .leaf(let leaf):
      if case .captured(let number) = leaf.role { value = operands[number] } else { value = builder.leaf(leaf, graph.type(id)) }
    case .apply(let op, let inner): value = try builder.add(op, inner.map { try move($0, &moved, &builder) })
    }
    moved[id] = value
    return value
  }
}
