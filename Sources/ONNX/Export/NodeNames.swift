import GraphIR

/// Names each node after its layer and type, `dense1/MatMul`, `dense1/MatMul_2` …, and its results after it. Names in `given` stay: those of
/// inputs, parameters, constants and outputs.
struct NodeNames {
  private let writer: ONNXWriter
  private var taken: Set<String>
  private let kept: Set<String>
  private var counts: [String: Int] = [:]
  private var names: [String: String] = [:]

  init(_ writer: ONNXWriter, given: some Sequence<String>) {
    self.writer = writer
    kept = Set(given).union(writer.subgraphs.flatMap { $0.inputs.map(\.name) })
    taken = kept
  }

  /// Nodes of one graph, with their subgraphs.
  mutating func messages(_ nodes: [ONNXWriter.Node]) -> [NodeMessage] { nodes.map { message($0) } }

  private mutating func message(_ node: ONNXWriter.Node) -> NodeMessage {
    let base = node.path.isEmpty ? node.type : "\(node.path)/\(node.type)"
    var name = base
    while !taken.insert(name).inserted {
      counts[base, default: 1] += 1
      name = "\(base)_\(counts[base]!)"
    }
    let attributes = node.attributes.map { AttributeMessage(name: $0.name, value: value($0.value)) }
    for (index, output) in node.outputs.enumerated() where !kept.contains(output) {
      var result = node.outputs.count == 1 ? name : "\(name)/\(index)"
      while node.outputs.count > 1, !taken.insert(result).inserted { result += "_" }
      names[output] = result
    }
    return NodeMessage(
      opType: node.type, name: name, input: node.inputs.map { names[$0] ?? $0 }, output: node.outputs.map { names[$0] ?? $0 },
      attribute: attributes)
  }

  private mutating func value(_ attribute: ONNXAttribute) -> AttributeMessage.Value {
    guard case .graph(let number) = attribute else { return AttributeMessage.Value(attribute) }
    let graph = writer.subgraphs[number]
    var message = GraphMessage(name: graph.name, node: messages(graph.nodes))
    message.input = graph.inputs.map { ValueInfoMessage($0.name, TensorType($0.element, $0.shape)) }
    message.output = graph.outputs.map { ValueInfoMessage(names[$0.name] ?? $0.name, TensorType($0.element, $0.shape)) }
    return .graph(message)
  }
}

extension AttributeMessage.Value {
  fileprivate init(_ value: ONNXAttribute) {
    switch value {
    case .int(let value): self = .int(Int64(value))
    case .float(let value): self = .float(Float(value))
    case .string(let value): self = .string(Array(value.utf8))
    case .ints(let values): self = .ints(values.map { Int64($0) })
    case .floats(let values): self = .floats(values.map { Float($0) })
    case .strings(let values): self = .strings(values.map { Array($0.utf8) })
    case .tensor(let tensor): self = .tensor(TensorMessage(name: "", tensor))
    case .graph: preconditionFailure("subgraphs have names of their own")
    }
  }
}
