import Basics
import GraphIR

/// The graph after `expand` and `layOut`, cut into kernels, as text: each kernel with its kind and common loops, and its nodes; nodes that are made
/// again wherever they are read stand before, under `recomputed`.
public func fusedText(_ graph: Graph, options: LoweringOptions = LoweringOptions()) throws -> String {
  let fused = try fuse(try layOut(try expand(graph, options: options)), merges: options.fuses)
  var text = "fused \(graph.name) {\n"
  let recomputed = fused.graph.ids.filter { fused.graph[$0].op != nil && fused.clusterOf[$0] == nil }
  if !recomputed.isEmpty { text += "  recomputed\n" + recomputed.map { "    \(fused.graph.line($0))\n" }.joined() }
  for cluster in fused.clusters {
    text += "  kernel \(cluster.kind) [\(cluster.prefix.map(\.description).joined(separator: ", "))]\n"
    for member in cluster.members {
      text += "    \(fused.graph.line(member))\(fused.materialized.contains(member) ? "  // to memory" : "")\n"
    }
  }
  for output in fused.graph.outputs { text += "  output \(output.name.quotedForLexer) = \(output.value)\n" }
  for update in fused.graph.updates { text += "  update \(update.leaf) <- \(update.value)\n" }
  return text + "}\n"
}
