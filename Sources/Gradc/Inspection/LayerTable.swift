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
  }

  public var rows: [Row]

  public var parameters: Int { rows.reduce(0) { $0 + $1.parameters } }
  public var trainable: Int { rows.reduce(0) { $0 + $1.trainable } }
  public var state: Int { rows.reduce(0) { $0 + $1.state } }

  /// The table of a definition. `model` tells which parameters are frozen.
  public init(_ definition: ModelDefinition, model: Model) throws {
    var builder = ModelBuilder(name: "summary", mode: .training, element: model.element, symbols: model.symbols)
    try definition.build(&builder)
    let graph = builder.graph.graph
    let parameters = Dictionary(model.parameters.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    rows = builder.inputs.map { port in
      let type = TensorType(port.element, [.batch] + port.dims.map { Dimension($0) })
      return Row(name: port.name, kind: "input", output: "\(type)", parameters: 0, trainable: 0, state: 0)
    }
    var seen = Set<String>()
    let paths = graph.nodes.filter { $0.op != nil && !$0.path.isEmpty }.map(\.path).filter { seen.insert($0).inserted }
    for path in paths {
      let own = builder.parameters.filter { $0.name.parent == path }.compactMap { parameters[$0.name] }
      let last = graph.ids.last { graph[$0].path == path && graph[$0].op != nil }
      rows.append(
        Row(
          name: path, kind: Self.kind(path), output: last.map { "\(graph[$0].types[0])" } ?? "",
          parameters: own.filter { !$0.isState }.reduce(0) { $0 + $1.count },
          trainable: own.filter(\.trainable).reduce(0) { $0 + $1.count }, state: own.filter(\.isState).reduce(0) { $0 + $1.count }))
    }
  }

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
