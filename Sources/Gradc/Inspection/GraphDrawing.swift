import GraphIR
import LoopIR

/// A drawing of a graph: boxes in layers, from the inputs at the top to the results at the bottom.
public struct GraphDrawing: Sendable {
  /// A box, or several on top of each other.
  struct Box: Sendable {
    enum Kind: String, Sendable { case forward, backward, leaf }

    /// From top to bottom; each has lines of text, a title first.
    var cells: [[String]]
    var kind = Kind.forward
    /// The sign in a circle above the cells, where values are joined.
    var join: String?
    /// Boxes that it reads.
    var operands: [Int]

    /// All its lines.
    var lines: [String] { (join.map { [$0] } ?? []) + cells.flatMap { $0 } }
  }

  let boxes: [Box]
  let title: String

  init(title: String, boxes: [Box]) {
    self.title = title
    self.boxes = boxes
  }

  /// The drawing of a graph, a box an operator. Parameters and constants are named in the boxes that read them; views of scalars and
  /// broadcasts are left out: their readers are joined to what they show.
  public init(_ graph: Graph) {
    var boxes: [Box] = []
    var boxOf: [ValueID: Int] = [:]
    let live = graph.reached()
    for id in graph.ids where live.contains(id) {
      let node = graph[id]
      if let leaf = node.leaf {
        guard !leaf.isNamedInReaders else { continue }
        boxOf[id] = boxes.count
        boxes.append(Box(cells: [[leaf.name, "\(graph.type(id))"]], kind: .leaf, operands: []))
      } else if let op = node.op, !graph.isHidden(id) {
        let sources = node.operands.map { graph.shown($0) }
        let named = sources.compactMap { graph[$0].leaf }.filter(\.isNamedInReaders).map(\.name)
        var lines = [type(of: op).name, "\(graph.type(id))"]
        if !named.isEmpty { lines.append(named.joined(separator: ", ")) }
        if !node.path.isEmpty { lines.append("in \(node.path)") }
        var operands: [Int] = []
        for box in sources.compactMap({ boxOf[$0] }) where !operands.contains(box) { operands.append(box) }
        boxOf[id] = boxes.count
        boxes.append(Box(cells: [lines], kind: node.isBackward ? .backward : .forward, operands: operands))
      }
    }
    let results =
      graph.outputs.map { ("output \($0.name)", $0.value) } + graph.updates.map { ("\($0.leaf.name) <-", $0.value) }
    for (name, value) in results {
      guard let box = boxOf[graph.shown(value)] else { continue }
      boxes.append(Box(cells: [[name]], kind: .leaf, operands: [box]))
    }
    self.init(title: graph.name, boxes: boxes)
  }

  /// The drawing for Graphviz.
  public var dot: String {
    func quoted(_ text: String) -> String {
      "\"" + text.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : $0 == "\n" ? " " : "\($0)" }.joined() + "\""
    }
    var text = "digraph \(quoted(title)) {\n  node [shape=box, fontname=\"sans-serif\", fontsize=10];\n"
    for (index, box) in boxes.enumerated() {
      // The line break of a label is an escape of its own, so lines are quoted one by one.
      let label = box.lines.map { String(quoted($0).dropFirst().dropLast()) }.joined(separator: "\\n")
      let style = box.kind == .leaf ? ", style=rounded" : box.kind == .backward ? ", style=dashed" : ""
      text += "  b\(index) [label=\"\(label)\"\(style)];\n"
    }
    for (index, box) in boxes.enumerated() { for operand in box.operands { text += "  b\(operand) -> b\(index);\n" } }
    return text + "}\n"
  }
}

extension Leaf {
  /// Parameters, state and scalars of the controls are named where they are read; inputs and targets have boxes.
  var isNamedInReaders: Bool {
    switch role {
    case .input, .target, .weights: false
    case .parameter, .state, .gradient, .prepared, .memory, .table, .segment, .control, .captured, .carried, .stacked: true
    }
  }
}

extension Graph {
  /// Constants and repeated values say nothing in a drawing.
  func isHidden(_ id: ValueID) -> Bool {
    guard let op = self[id].op else { return false }
    return op is Broadcast || op is Reshape || op is Element || (self[id].operands.isEmpty && type(id).rank == 0)
  }

  /// The value that a reader is joined to.
  func shown(_ id: ValueID) -> ValueID {
    var id = id
    while isHidden(id), let operand = self[id].operands.first { id = operand }
    return id
  }
}
