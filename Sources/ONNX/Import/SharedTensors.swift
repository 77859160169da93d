import GraphIR

extension GraphMessage {
  /// Gives tensors names of their own that share an initialiser only because their values were equal when the file was written. PyTorch's
  /// older exporter makes one initialiser of the scales and variances of all fresh normalisations of a width, and an `Identity` under the
  /// name of each other tensor. Running statistics belong to one normalisation, and vectors of equal elements are no weights that two layers
  /// share on purpose; all else stays one.
  mutating func separateEqualTensors() {
    let statistics = Set(node.lazy.filter(\.isNormalization).flatMap { $0.input.dropFirst(3) })
    let tensors = Dictionary(initializer.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    let results = Set(output.map(\.name))
    var isUniform: [String: Bool] = [:]
    node.removeAll { node in
      guard node.opType == "Identity", canonicalDomain(node.domain) == "", let name = node.output.first, !name.isEmpty,
        !results.contains(name), var tensor = node.input.first.flatMap({ tensors[$0] })
      else { return false }
      if !statistics.contains(name) {
        if isUniform[tensor.name] == nil { isUniform[tensor.name] = tensor.isUniformVector }
        guard isUniform[tensor.name]! else { return false }
      }
      tensor.name = name
      initializer.append(tensor)
      return true
    }
    separateStatistics()
  }

  /// The same where normalisations read one initialiser without an `Identity`: all but one get `LAYER.running_mean` and `LAYER.running_var`.
  private mutating func separateStatistics() {
    let tensors = Dictionary(initializer.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    var uses = useCounts()
    for index in node.indices where node[index].isNormalization {
      for (place, word) in [(3, "running_mean"), (4, "running_var")] where place < node[index].input.count {
        let shared = node[index].input[place]
        guard var tensor = tensors[shared], uses[shared, default: 0] > 1 else { continue }
        let layer = layerPath(node[index].name.isEmpty ? node[index].output.first ?? "" : node[index].name, node[index].opType)
        let own = "\(layer).\(word)"
        guard own != shared, uses[own] == nil, tensors[own] == nil else { continue }
        uses[shared]! -= 1
        uses[own] = 1
        tensor.name = own
        initializer.append(tensor)
        node[index].input[place] = own
      }
    }
  }

  /// How often each name is read, by nodes of subgraphs too.
  private func useCounts() -> [String: Int] {
    var counts: [String: Int] = [:]
    var pending = [self]
    while let graph = pending.popLast() {
      for name in graph.output.map(\.name) { counts[name, default: 0] += 1 }
      for node in graph.node {
        for name in node.input { counts[name, default: 0] += 1 }
        for attribute in node.attribute {
          if case .graph(let inner) = attribute.value { pending.append(inner) }
        }
      }
    }
    return counts
  }
}

extension NodeMessage {
  fileprivate var isNormalization: Bool { opType == "BatchNormalization" && canonicalDomain(domain) == "" }
}

extension TensorMessage {
  /// Whether it is a vector of equal elements, as a fresh bias or scale is.
  fileprivate var isUniformVector: Bool {
    guard dims.count == 1, let values = try? hostTensor(), values.count > 0 else { return false }
    let first = values.bits(0)
    return (1..<values.count).allSatisfy { values.bits($0) == first }
  }
}

/// The layer of a node's name: `/layer1/layer1.0/conv1/Conv` is `layer1.layer1.0.conv1`.
func layerPath(_ name: String, _ type: String) -> String {
  var parts = name.split(separator: "/").map(String.init)
  if parts.count > 1, parts.last!.hasPrefix(type) { parts.removeLast() }
  return parts.joined(separator: ".")
}
