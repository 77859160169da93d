import Basics
import GraphIR
import LoopIR

/// Emits reductions along outer axes: a block of neighbouring columns is summed row by row, a lane a column.
///
///     for each block of 16 columns { acc[16] = 0; for r { for lanes l { acc[l] += x[r, block + l] } }; store }
struct ColumnLowering {
  let cluster: Cluster
  var context: KernelContext

  private var graph: Graph { context.graph }

  init(_ cluster: Cluster, context: KernelContext) {
    self.cluster = cluster
    self.context = context
  }

  mutating func kernel(named name: String, comments: [String]) -> LoweredKernel {
    let outer = zip(["i", "j", "k", "l"], cluster.prefix.dropLast()).map { (name: context.loopVariable($0, $1), size: $1) }
    let columns = cluster.prefix.last!.coefficient
    let block = context.unique("column")
    context.setRange(block, cluster.prefix.last!)
    let width = columns >= 64 ? 64 : columns >= 32 ? 32 : columns >= 16 ? 16 : columns
    let whole = columns / width * width
    let position = outer.map { Index.variable($0.name) }
    let frame = self
    let body = context.nested { frame.emit(&$0, position, .variable(block), width) }
    let rest = whole < columns ? context.nested { frame.emit(&$0, position, .constant(whole), columns - whole) } : []
    var statements: [Statement]
    var parts = Index.constant(1)
    let work = estimatedWork(body, symbols: graph.symbols)
    // Blocks of columns are the parts; the last part also takes the rest.
    let perPart = max(1, LoopNest.partWork / max(1, work))
    if outer.isEmpty, whole / width > perPart, rest.isEmpty {
      let blocks = whole / width
      let (lower, upper, count) = partition(Dimension(blocks), chunk: perPart)
      parts = count
      statements = [
        .loop(Loop(block, from: lower * width, to: Index.minimum(lower * width + perPart * width, .constant(whole)), step: width, body))
      ]
      _ = upper
    } else {
      statements = [.loop(Loop(block, to: .constant(whole), step: width, body))] + rest
    }
    for variable in outer.reversed() { statements = [.loop(Loop(variable.name, to: variable.size.index, statements))] }
    return context.kernel(named: name, comments: comments, parts: parts, body: statements)
  }

  private func emit(_ context: inout KernelContext, _ outer: [Index], _ block: Index, _ width: Int) {
    let lane = context.loopVariable("lane", Dimension(width))
    let lanes = { (body: [Statement]) in Statement.loop(Loop(lane, to: .constant(width), kind: .lanes, body)) }
    let core = outer + [block + .variable(lane)]
    var totals: [(id: ValueID, array: String)] = []
    var reductions: [(id: ValueID, reduction: Reduction)] = []
    for id in cluster.members {
      guard case .reduction(var reduction) = context.fused.lowerings[id]! else { continue }
      reduction.dropUnitExtents()
      reductions.append((id, reduction))
    }
    for (id, reduction) in reductions {
      let element = graph.type(id).element
      let array = context.localArray("total", element, count: width)
      context.append(lanes([.store(array, .variable(lane), reduction.combiner.neutral(element))]))
      totals.append((id, array))
    }
    let extents = reductions[0].reduction.extents
    let variables = extents.map { context.loopVariable("r", $0) }
    let reduced = Dictionary(uniqueKeysWithValues: variables.enumerated().map { ("r\($0.offset)", Index.variable($0.element)) })
    var loops = [
      lanes(
        context.nested { context in
          for ((id, reduction), total) in zip(reductions, totals) {
            let value = context.substitute(
              reduction.body, graph[id].operands, position: placed(id, core), reduced: reduced)
            context.append(
              .store(total.array, .variable(lane), reduction.combiner.apply(.load(total.array, .variable(lane)), value)))
          }
        })
    ]
    for (variable, size) in zip(variables, extents).reversed() { loops = [.loop(Loop(variable, to: size.index, loops))] }
    loops.forEach { context.append($0) }
    context.append(
      lanes(
        context.nested { context in
          for id in cluster.members {
            let at = placed(id, core)
            if let total = totals.first(where: { $0.id == id }) {
              context.define(id, at: at, as: .load(total.array, .variable(lane)))
            } else if case .map(let body) = context.fused.lowerings[id]! {
              context.define(id, at: at, as: context.substitute(body, graph[id].operands, position: at, reduced: [:]))
            }
          }
        }))
  }

  private func placed(_ id: ValueID, _ core: [Index]) -> [Index] {
    var core = core[...]
    return graph.type(id).shape.map { $0 == 1 ? .constant(0) : core.removeFirst() }
  }
}
