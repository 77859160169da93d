import GraphIR

/// Names each node after its layer and type, `dense1/MatMul`, `dense1/MatMul_2` …, and its results after it. Names in `given` stay: those of
/// inputs, parameters, constants and outputs.
func named(_ nodes: [ONNXWriter.Node], given: some Sequence<String>) -> [NodeMessage] {
  var taken = Set(given)
  let kept = taken
  var counts: [String: Int] = [:]
  var names: [String: String] = [:]
  return nodes.map { node in
    let base = node.path.isEmpty ? node.type : "\(node.path)/\(node.type)"
    var name = base
    while !taken.insert(name).inserted {
      counts[base, default: 1] += 1
      name = "\(base)_\(counts[base]!)"
    }
    for (index, output) in node.outputs.enumerated() where !kept.contains(output) {
      var result = node.outputs.count == 1 ? name : "\(name)/\(index)"
      while node.outputs.count > 1, !taken.insert(result).inserted { result += "_" }
      names[output] = result
    }
    return NodeMessage(
      opType: node.type, name: name, input: node.inputs.map { names[$0] ?? $0 }, output: node.outputs.map { names[$0] ?? $0 },
      attribute: node.attributes.map { AttributeMessage(name: $0.name, value: .init($0.value)) })
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
    case .graph: preconditionFailure("no rule writes subgraphs")
    }
  }
}
