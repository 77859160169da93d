import Basics
import GraphIR
import LoopIR

/// Emits an operator's own loop nest: once for each position of its independent leading axes.
func lowerCustom(_ cluster: Cluster, context: KernelContext, named name: String, comments: [String]) -> LoweredKernel {
  var context = context
  let id = cluster.members[0]
  let graph = context.graph
  guard case .custom(let loops) = context.fused.lowerings[id]! else { fatalError("not a custom loop nest") }
  // The nest's own names stay as they are, and buffers take others: an input of the model may be called `i0`.
  let types = graph[id].types
  let sizes = loops.outer(types)
  let own = sizes.indices.map { "i\($0)" } + loops.body.flatMap(\.declaredNames)
  for name in Set(own).sorted() { _ = context.unique(name) }
  var names: [String: String] = [:]
  for (k, operand) in graph[id].operands.enumerated() { names["x\(k)"] = context.buffer(of: operand, .read) }
  for (k, type) in types.enumerated() {
    let key: StorageKey = types.count == 1 ? .value(id) : .tuple(id, k)
    names["y\(k)"] = context.buffer(key, type, .write, named: context.valueName(id) + (types.count == 1 ? "" : "_\(k)"))
  }
  let outer = sizes.enumerated().map { (name: "i\($0.offset)", size: $0.element) }
  for variable in outer {
    context.setRange(variable.name, variable.size)
  }
  let body = loops.body.map { $0.renaming(buffers: names) } + leafStores(of: id, loops.regions(types), named: names["y0"], outer, &context)
  var nest = LoopNest(variables: outer, body: body, work: 0)
  nest.work = estimatedWork(body, symbols: graph.symbols)
  let (statements, parts) = nest.build(symbols: graph.symbols)
  return context.kernel(named: name, comments: comments, parts: parts, body: statements)
}

/// Copies a position's elements to the leaves that they are stored to, when all of them are there.
private func leafStores(
  of id: ValueID, _ regions: [CustomLoops.Region], named result: String?, _ outer: [(name: String, size: Dimension)],
  _ context: inout KernelContext
) -> [Statement] {
  guard let stores = context.stores[id], let result else { return [] }
  return regions.flatMap { region in
    let inner = region.inner.map { (name: context.loopVariable("e", $0), size: $0) }
    let position = region.place(outer.map { .variable($0.name) }, inner.map { .variable($0.name) })
    let copies = context.nested { context in
      let value = Scalar.load(result, context.offset(context.graph.type(id), position))
      for store in stores { context.storeOnly(id, at: position, value, store) }
    }
    return inner.reversed().reduce(copies) { [.loop(Loop($1.name, to: $1.size.index, $0))] }
  }
}

extension Statement {
  /// Names of loops, scalars and arrays that stand in the statement.
  fileprivate var declaredNames: [String] {
    switch self {
    case .loop(let loop): [loop.variable] + loop.body.flatMap(\.declaredNames)
    case .when(_, let then, let otherwise): (then + otherwise).flatMap(\.declaredNames)
    case .repeatWhile(_, _, let body): body.flatMap(\.declaredNames)
    case .define(let name, _, _), .variable(let name, _, _), .array(let name, _, _): [name]
    default: []
    }
  }

  /// The same statement with buffers under other names.
  fileprivate func renaming(buffers names: [String: String]) -> Statement {
    let renamed = mapNested(
      { $0.map { $0.renaming(buffers: names) } }, scalar: { $0.renaming(buffers: names) },
      index: { $0.mapScalars { $0.renaming(buffers: names) } })
    if case .store(let buffer, let index, let value) = renamed { return .store(names[buffer] ?? buffer, index, value) }
    return renamed
  }
}
