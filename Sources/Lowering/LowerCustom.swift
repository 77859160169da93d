import Basics
import GraphIR
import LoopIR

/// Emits an operator's own loop nest: once for each position of its independent leading axes.
func lowerCustom(_ cluster: Cluster, context: KernelContext, named name: String, comments: [String]) -> LoweredKernel {
  var context = context
  let id = cluster.members[0]
  let graph = context.graph
  guard case .custom(let loops) = context.fused.lowerings[id]! else { fatalError("not a custom loop nest") }
  var names: [String: String] = [:]
  for (k, operand) in graph[id].operands.enumerated() { names["x\(k)"] = context.buffer(of: operand, .read) }
  let types = graph[id].types
  for (k, type) in types.enumerated() {
    let key: StorageKey = types.count == 1 ? .value(id) : .tuple(id, k)
    names["y\(k)"] = context.buffer(key, type, .write, named: context.valueName(id) + (types.count == 1 ? "" : "_\(k)"))
  }
  let sizes = Array(graph.type(types.count == 1 ? id : id).shape.prefix(loops.outerRank))
  let outer = sizes.enumerated().map { (name: "i\($0.offset)", size: $0.element) }
  for variable in outer {
    _ = context.unique(variable.name)
    context.setRange(variable.name, variable.size)
  }
  let body = loops.body.map { $0.renaming(buffers: names) }
  var nest = LoopNest(variables: outer, body: body, work: 0)
  nest.work = estimatedWork(body, symbols: graph.symbols)
  let (statements, parts) = nest.build(symbols: graph.symbols)
  return context.kernel(named: name, comments: comments, parts: parts, body: statements)
}

extension Statement {
  /// The same statement with buffers under other names.
  fileprivate func renaming(buffers names: [String: String]) -> Statement {
    let renamed = mapNested(
      { $0.map { $0.renaming(buffers: names) } }, scalar: { $0.renaming(buffers: names) },
      index: { $0.mapScalars { $0.renaming(buffers: names) } })
    if case .store(let buffer, let index, let value) = renamed { return .store(names[buffer] ?? buffer, index, value) }
    return renamed
  }
}
