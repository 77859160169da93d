import Basics
import GraphIR
import Layers
import LoopIR

/// The layers of a model in the order in which they were called, as `summary` shows them.
public struct LayerTable: Hashable, Sendable {
  /// A line of the table.
  public struct Row: Hashable, Sendable {
    /// The layer's path: `dense1`, `encoder.dense1`; an input's name.
    public var name: String
    /// What it is: the layer's name in the language, or `input`.
    public var kind: String
    /// Type of what it gives.
    public var output: String
    /// Elements of its parameters, of those that are learned, and of its running state.
    public var parameters: Int
    public var trainable: Int
    public var state: Int
    /// Floating point operations of the forward pass, for each row of the batch.
    public var operations: Double
    /// Bytes of what it gives, for each row of the batch.
    public var bytes: Int
  }

  public var rows: [Row]

  public var parameters: Int { rows.reduce(0) { $0 + $1.parameters } }
  public var trainable: Int { rows.reduce(0) { $0 + $1.trainable } }
  public var state: Int { rows.reduce(0) { $0 + $1.state } }
  public var operations: Double { rows.reduce(0) { $0 + $1.operations } }

  /// The table of a definition. `model` tells which parameters are frozen.
  public init(_ definition: ModelDefinition, model: Model) throws {
    var builder = ModelBuilder(name: "summary", mode: .training, element: model.element, symbols: model.symbols)
    try definition.build(&builder)
    let graph = builder.graph.graph
    let parameters = Dictionary(model.parameters.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    rows = builder.inputs.map { port in
      Row(
        name: port.name, kind: "input", output: "\(port.type)", parameters: 0, trainable: 0, state: 0, operations: 0,
        bytes: port.rowCount * port.element.size)
    }
    // The forward pass as it runs: a batch normalisation is a scale and a shift there.
    let forward = model.graph("run") ?? graph
    let live = graph.reached()
    var seen = Set<String>()
    // Layers that have layers inside.
    let outer = Set(graph.nodes.flatMap { node in node.path.indices.filter { node.path[$0] == "." }.map { String(node.path[..<$0]) } })
    for id in graph.ids where live.contains(id) && graph[id].op != nil {
      let path = graph[id].path
      if path.isEmpty || outer.contains(path) {
        // An operator between layers: a residual addition.
        guard graph.operations(of: id, rows: 1) > 0, graph.type(id).shape.first == .batch else { continue }
        let name = (path.isEmpty ? "" : path + ".") + type(of: graph[id].op!).name
        rows.append(Self.row(graph, id, name: name, kind: "operator", [], Self.perRow { graph.operations(of: id, rows: $0) }))
        continue
      }
      guard seen.insert(path).inserted, let last = graph.ids.last(where: { graph[$0].path == path && graph[$0].op != nil }) else {
        continue
      }
      let own = builder.parameters.filter { $0.name.parent == path }.compactMap { parameters[$0.name] }
      let operations = Self.perRow { forward.operations(rows: $0, path: path) }
      rows.append(Self.row(graph, last, name: path, kind: Self.kind(path), own, operations))
    }
  }

  private static func row(
    _ graph: Graph, _ id: ValueID, name: String, kind: String, _ parameters: [Parameter], _ operations: Double
  ) -> Row {
    let type = graph[id].types[0]
    return Row(
      name: name, kind: kind, output: "\(type)", parameters: parameters.filter { !$0.isState }.reduce(0) { $0 + $1.count },
      trainable: parameters.filter(\.trainable).reduce(0) { $0 + $1.count },
      state: parameters.filter(\.isState).reduce(0) { $0 + $1.count }, operations: operations,
      bytes: type.count.coefficient * type.element.size)
  }

  /// What one more row costs: work that a call does once, whatever the batch, is not counted.
  private static func perRow(_ operations: (Int) -> Double) -> Double { operations(2) - operations(1) }

  /// `dense12` is a dense layer; a name that a person gave stands for itself.
  private static func kind(_ path: String) -> String {
    let last = path.split(separator: ".").last.map(String.init) ?? path
    let word = String(last.reversed().drop { $0.isNumber }.reversed())
    return LayerCatalog.entries.contains { $0.name == word } ? word : ""
  }
}

extension String {
  /// The path without its last part.
  fileprivate var parent: String { lastIndex(of: ".").map { String(self[..<$0]) } ?? "" }
}
