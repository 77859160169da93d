import GraphIR
import Layers
import LoopIR

extension GraphDrawing {
  /// The drawing of a model, a box a layer with the shape of what it gives. Operators between layers are boxes too, additions and products
  /// of values circles. A layer that neither multiplies matrices nor convolves nor changes the shape (normalisation, activation) hangs
  /// below the one that it works on.
  public init(layersOf definition: ModelDefinition, element: ElementType) throws {
    var builder = ModelBuilder(name: "drawing", mode: .training, element: element, symbols: [Symbol(name: "n", maximum: 2)])
    try definition.build(&builder)
    var groups = LayerGroups(builder.graph.graph)
    groups.stack()
    self.init(title: definition.name, boxes: groups.boxes())
  }
}

/// The nodes of a graph by layer.
private struct LayerGroups {
  /// An operator on parameters.
  struct Use: Hashable {
    var op: AnyHashable
    var tensors: [ValueID]
  }

  /// A layer, one of its uses; or an operator between layers.
  struct Group {
    var title: String
    var join: String?
    /// Its last node.
    var result: ValueID
    /// The window of a convolution in it: `3×3, stride 2`.
    var window = ""
    /// Whether it multiplies matrices or convolves.
    var isHeavy = false
    var isLeaf = false
    /// Groups that it reads.
    var operands: [Int] = []
    /// All groups that it depends on.
    var ancestors: Set<Int> = []
    /// What reads its parameters. The same again is the layer's next use.
    var uses: Set<Use> = []
    /// Groups that hang below.
    var hanging: [Int] = []
    var hangsBelow: Int?
  }

  let graph: Graph
  private var groups: [Group] = []
  private var groupOf: [ValueID: Int] = [:]

  init(_ graph: Graph) {
    var graph = graph
    // Running statistics are part of their layer, not of the picture.
    graph.updates = []
    graph.requirements = []
    self.graph = graph
    let live = graph.reached()
    let nodes = graph.ids.filter { live.contains($0) }
    // A layer that has layers inside shows its own operators one by one.
    let outer = Set(nodes.flatMap { Self.parents(graph[$0].path) })
    var latest: [String: Int] = [:]
    for id in nodes {
      let node = graph[id]
      if let leaf = node.leaf {
        guard !leaf.isNamedInReaders else { continue }
        groupOf[id] = groups.count
        groups.append(Group(title: leaf.name, result: id, isLeaf: true))
      } else if let op = node.op, !graph.isHidden(id) {
        let sources = node.operands.compactMap { groupOf[graph.shown($0)] }
        let isLayer = !node.path.isEmpty && !outer.contains(node.path)
        let use = Use(op: AnyHashable(op), tensors: node.operands.filter { graph[$0].leaf?.isNamedInReaders ?? false })
        if isLayer, let group = latest[node.path], sources.allSatisfy({ $0 == group || !groups[$0].ancestors.contains(group) }),
          use.tensors.isEmpty || groups[group].uses.insert(use).inserted
        {
          groups[group].join = nil
          add(id, sources, to: group)
          continue
        }
        let name = Swift.type(of: op).name
        let join = Set(sources).count > 1 ? (name == "add" ? "+" : name == "multiply" ? "×" : nil) : nil
        groups.append(Group(title: isLayer ? node.path : name, join: join, result: id))
        if isLayer { latest[node.path] = groups.count - 1 }
        groups[groups.count - 1].uses = [use]
        add(id, sources, to: groups.count - 1)
      }
    }
    for output in graph.outputs {
      guard let group = groupOf[graph.shown(output.value)] else { continue }
      groups.append(Group(title: "output \(output.name)", result: output.value, isLeaf: true, operands: [group]))
    }
  }

  private mutating func add(_ id: ValueID, _ sources: [Int], to group: Int) {
    groupOf[id] = group
    groups[group].result = id
    for source in sources where source != group {
      if !groups[group].operands.contains(source) { groups[group].operands.append(source) }
      groups[group].ancestors.formUnion(groups[source].ancestors.union([source]))
    }
    let node = graph[id]
    let types = node.operands.map { graph[$0].types[0] }
    switch node.op?.lowering(types, node.types) {
    case .contraction: groups[group].isHeavy = true
    case .convolution(let convolution):
      groups[group].isHeavy = true
      groups[group].window = Self.window(convolution, convolution.roles(types, node.types[0]).w)
    default: break
    }
  }

  private static func window(_ convolution: Convolution, _ filter: TensorType) -> String {
    var text = filter.shape.dropFirst(2).map(\.description).joined(separator: "×")
    if convolution.strides.contains(where: { $0 > 1 }) { text += ", stride " + Self.short(convolution.strides) }
    if convolution.dilations.contains(where: { $0 > 1 }) { text += ", dilation " + Self.short(convolution.dilations) }
    if convolution.groups > 1 { text += ", \(convolution.groups) groups" }
    return text
  }

  private static func short(_ sizes: [Int]) -> String {
    Set(sizes).count == 1 ? "\(sizes[0])" : sizes.map(String.init).joined(separator: "×")
  }

  private static func parents(_ path: String) -> [String] {
    let parts = path.split(separator: ".")
    return (1..<max(1, parts.count)).map { parts[..<$0].joined(separator: ".") }
  }

  // MARK: Boxes

  /// Hangs light layers below what they work on.
  mutating func stack() {
    var readers = [Int](repeating: 0, count: groups.count)
    for group in groups { for operand in group.operands { readers[operand] += 1 } }
    for index in groups.indices {
      let group = groups[index]
      guard !group.isLeaf, !group.isHeavy, group.join == nil, group.operands.count == 1 else { continue }
      let upper = group.operands[0]
      guard !groups[upper].isLeaf, readers[upper] == 1, type(upper).shape == type(index).shape else { continue }
      let top = groups[upper].hangsBelow ?? upper
      groups[top].hanging.append(index)
      groups[index].hangsBelow = top
    }
  }

  private func type(_ group: Int) -> TensorType { graph[groups[group].result].types[0] }

  func boxes() -> [GraphDrawing.Box] {
    var boxOf: [Int: Int] = [:]
    var boxes: [GraphDrawing.Box] = []
    for (index, group) in groups.enumerated() where group.hangsBelow == nil {
      boxOf[index] = boxes.count
      for below in group.hanging { boxOf[below] = boxes.count }
      let shape = "[\(type(index).shape.map(\.description).joined(separator: ", "))]"
      var cells: [[String]] = []
      if group.isLeaf {
        cells = [group.operands.isEmpty ? [group.title, "\(type(index))"] : [group.title]]
      } else if group.join == nil {
        cells = [[group.window.isEmpty ? group.title : "\(group.title)  \(group.window)", shape]]
      }
      cells += group.hanging.map { [groups[$0].title] }
      boxes.append(
        GraphDrawing.Box(
          cells: cells, kind: group.isLeaf ? .leaf : .forward, join: group.join, operands: group.operands.compactMap { boxOf[$0] }))
    }
    return boxes
  }
}
