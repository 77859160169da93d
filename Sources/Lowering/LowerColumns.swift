import Basics
import GraphIR
import LoopIR

/// Emits reductions along outer axes: a block of neighbouring columns is summed row by row, a lane a column.
///
///     for each block of 16 columns { acc[16] = 0; for r { for lanes l { acc[l] += x[r, block + l] } }; store }
struct ColumnLowering {
  let cluster: Cluster
  let index: Int
  var context: KernelContext

  /// Parts with totals of their own, at most.
  private static let mostParts = 16

  private var graph: Graph { context.graph }
  private var symbols: [Symbol] { graph.symbols }
  private var columns: Int { cluster.prefix.last!.coefficient }
  private var width: Int { columns >= 64 ? 64 : columns >= 32 ? 32 : columns >= 16 ? 16 : columns }

  init(_ cluster: Cluster, index: Int, context: KernelContext) {
    self.cluster = cluster
    self.index = index
    self.context = context
  }

  /// One kernel; two where many rows under few columns are cut into parts, whose totals the second adds in order.
  mutating func kernels(named name: String, comments: [String]) -> [LoweredKernel] {
    if let split = splitRows(name, comments) { return split }
    let outer = context.loopVariables(["i", "j", "k", "l"], cluster.prefix.dropLast())
    let frame = self
    let (blocks, work) = overBlocks { frame.emit(&$0, outer.map { .variable($0.name) }, $1, $2) }
    guard outer.isEmpty else {
      var nest = LoopNest(variables: outer, body: blocks.statements(0, columns / width), work: work * (columns / width))
      nest.collapse(&context.ranges, symbols: symbols)
      let (statements, parts) = nest.build(symbols: symbols)
      return [context.kernel(named: name, comments: comments, parts: parts, body: statements)]
    }
    // Blocks of columns are the parts.
    let perPart = max(1, LoopNest.partWork / max(1, work))
    guard columns / width > perPart, blocks.rest.isEmpty else {
      return [context.kernel(named: name, comments: comments, parts: .constant(1), body: blocks.statements(0, columns / width))]
    }
    let (lower, upper, parts) = partition(Dimension(columns / width), chunk: perPart)
    let loop = Statement.loop(Loop(blocks.variable, from: lower * width, to: upper * width, step: width, blocks.body))
    return [context.kernel(named: name, comments: comments, parts: parts, body: [loop])]
  }

  /// The body for a whole block of columns, and for those left over.
  private struct Blocks {
    var variable: String
    var width: Int
    var body: [Statement]
    var rest: [Statement]

    func statements(_ lower: Int, _ upper: Int) -> [Statement] {
      [.loop(Loop(variable, from: .constant(lower * width), to: .constant(upper * width), step: width, body))] + rest
    }
  }

  private mutating func overBlocks(_ emit: (inout KernelContext, Index, Int) -> Void) -> (Blocks, work: Int) {
    let block = context.unique("column")
    context.setRange(block, cluster.prefix.last!)
    let (width, columns) = (width, columns)
    let whole = columns / width * width
    let body = context.nested { emit(&$0, .variable(block), width) }
    let rest = whole < columns ? context.nested { emit(&$0, .constant(whole), columns - whole) } : []
    return (Blocks(variable: block, width: width, body: body, rest: rest), estimatedWork(body, symbols: symbols))
  }

  /// The reductions of the cluster, axes of size 1 left out.
  private var reductions: [(id: ValueID, reduction: Reduction)] {
    cluster.members.compactMap { id in
      guard case .reduction(var reduction) = context.fused.lowerings[id]! else { return nil }
      reduction.dropUnitExtents()
      return (id, reduction)
    }
  }

  // MARK: Parts of the rows

  private mutating func splitRows(_ name: String, _ comments: [String]) -> [LoweredKernel]? {
    let reductions = reductions
    let element = graph.type(reductions[0].id).element
    guard cluster.prefix.count == 1, let rows = reductions[0].reduction.extents.first,
      reductions.allSatisfy({ graph.type($0.id).element == element })
    else { return nil }
    let finalContext = context
    let most = context.maximum(rows)
    let frame = self
    var probe = self
    let (_, blockWork) = probe.overBlocks { frame.emit(&$0, [], $1, $2) }
    let work = blockWork * max(1, columns / width)
    let partCount = min(Self.mostParts, most, work / LoopNest.partWork)
    guard partCount > 1, columns / width < partCount else { return nil }
    let chunk = (most + partCount - 1) / partCount
    let partMost = (most + chunk - 1) / chunk
    let (lower, upper, parts) = partition(rows, chunk: chunk)
    let count = columns * reductions.count
    let type = TensorType(element, [Dimension(partMost * count)])
    let key = StorageKey.partial(cluster: index)

    let partials = context.buffer(key, type, .write, named: "partials")
    let (blocks, _) = overBlocks { context, block, width in
      let totals = frame.accumulate(&context, [], block, width, rows: (lower, upper))
      for (number, total) in totals.enumerated() {
        context.append(
          context.overLanes(width) { lane in
            [.store(partials, .variable("part") * count + number * frame.columns + block + lane, .load(total.array, lane))]
          })
      }
    }
    let first = context.kernel(named: name + "_parts", comments: comments, parts: parts, body: blocks.statements(0, columns / width))

    context = finalContext
    let sums = context.buffer(key, type, .read, named: "partials")
    let (finalBlocks, _) = overBlocks { context, block, width in
      let part = context.loopVariable("p", Dimension(partMost))
      var totals: [(id: ValueID, array: String)] = []
      for (number, (id, reduction)) in reductions.enumerated() {
        let array = context.localArray("total", element, count: width)
        let place = { (part: Index, lane: Index) in part * count + number * frame.columns + block + lane }
        context.append(context.overLanes(width) { [.store(array, $0, .load(sums, place(.constant(0), $0)))] })
        let step = context.overLanes(width) {
          [.store(array, $0, reduction.combiner.apply(.load(array, $0), .load(sums, place(.variable(part), $0))))]
        }
        context.append(.loop(Loop(part, from: .constant(1), to: parts, [step])))
        totals.append((id, array))
      }
      frame.finish(&context, [], block, width, totals)
    }
    return [
      first, context.kernel(named: name, comments: comments, parts: .constant(1), body: finalBlocks.statements(0, columns / width)),
    ]
  }

  // MARK: One block

  private func emit(_ context: inout KernelContext, _ outer: [Index], _ block: Index, _ width: Int) {
    let totals = accumulate(&context, outer, block, width, rows: nil)
    finish(&context, outer, block, width, totals)
  }

  /// The totals of each reduction for a block of columns, over all rows or a range of the outermost.
  private func accumulate(
    _ context: inout KernelContext, _ outer: [Index], _ block: Index, _ width: Int, rows: (lower: Index, upper: Index)?
  ) -> [(id: ValueID, array: String)] {
    var totals: [(id: ValueID, array: String)] = []
    for (id, reduction) in reductions {
      let element = graph.type(id).element
      let array = context.localArray("total", element, count: width)
      context.append(context.overLanes(width) { [.store(array, $0, reduction.combiner.neutral(element))] })
      totals.append((id, array))
    }
    let extents = reductions[0].reduction.extents
    let variables = extents.map { context.loopVariable("r", $0) }
    func loops(_ axes: Range<Int>, _ body: [Statement]) -> [Statement] {
      axes.reversed().reduce(body) { body, axis in
        let range = axis == 0 ? rows : nil
        return [.loop(Loop(variables[axis], from: range?.lower ?? .constant(0), to: range?.upper ?? extents[axis].index, body))]
      }
    }
    let split = innerAxes(extents)
    let body: [Statement]
    if split == 0 {
      body = [add(&context, to: totals.map(\.array), outer, block, width, variables)]
    } else {
      body = context.nested { context in
        let sums = reductions.map { context.localArray("sum", graph.type($0.id).element, count: width) }
        for ((id, reduction), sum) in zip(reductions, sums) {
          context.append(context.overLanes(width) { [.store(sum, $0, reduction.combiner.neutral(graph.type(id).element))] })
        }
        loops(split..<extents.count, [add(&context, to: sums, outer, block, width, variables)]).forEach { context.append($0) }
        for (((_, reduction), sum), total) in zip(zip(reductions, sums), totals) {
          context.append(
            context.overLanes(width) { [.store(total.array, $0, reduction.combiner.apply(.load(total.array, $0), .load(sum, $0)))] })
        }
      }
    }
    loops(0..<(split == 0 ? extents.count : split), body).forEach { context.append($0) }
    return totals
  }

  /// The first of the inner axes that have sums of their own, which are then added: the error of a sum grows with the length of its chains.
  /// 0 where there is nothing to gain.
  private func innerAxes(_ extents: [Dimension]) -> Int {
    guard reductions.contains(where: { graph.type($0.id).element.isFloat && $0.reduction.combiner == .sum }) else { return 0 }
    let sizes = extents.map { context.maximum($0) }
    func chains(_ axis: Int) -> Int { sizes[..<axis].reduce(1, *) / Self.mostParts + sizes[axis...].reduce(1, *) }
    return sizes.indices.dropFirst().filter { sizes[$0...].reduce(1, *) >= Self.leastInnerRows }.min { chains($0) < chains($1) } ?? 0
  }

  /// Rows that are added before their sum is added to the total, at least.
  private static let leastInnerRows = 16

  /// Adds a row's elements to accumulators, a lane a column.
  private func add(
    _ context: inout KernelContext, to arrays: [String], _ outer: [Index], _ block: Index, _ width: Int, _ variables: [String]
  ) -> Statement {
    let reduced = Dictionary(uniqueKeysWithValues: variables.enumerated().map { ("r\($0.offset)", Index.variable($0.element)) })
    let lane = context.loopVariable("lane", Dimension(width))
    let core = outer + [block + .variable(lane)]
    let body = context.nested { context in
      for ((id, reduction), array) in zip(reductions, arrays) {
        let value = context.substitute(reduction.body, graph[id].operands, position: placed(id, core), reduced: reduced)
        context.append(.store(array, .variable(lane), reduction.combiner.apply(.load(array, .variable(lane)), value)))
      }
    }
    return .loop(Loop(lane, to: .constant(width), kind: .lanes, body))
  }

  /// Defines the reductions from their totals, and the pointwise members.
  private func finish(
    _ context: inout KernelContext, _ outer: [Index], _ block: Index, _ width: Int, _ totals: [(id: ValueID, array: String)]
  ) {
    let lane = context.loopVariable("lane", Dimension(width))
    let core = outer + [block + .variable(lane)]
    let body = context.nested { context in
      for id in cluster.members {
        let at = placed(id, core)
        if let total = totals.first(where: { $0.id == id }) {
          context.define(id, at: at, as: .load(total.array, .variable(lane)))
        } else if case .map(let body) = context.fused.lowerings[id]! {
          context.define(id, at: at, as: context.substitute(body, graph[id].operands, position: at, reduced: [:]))
        }
      }
    }
    context.append(.loop(Loop(lane, to: .constant(width), kind: .lanes, body)))
  }

  private func placed(_ id: ValueID, _ core: [Index]) -> [Index] {
    var core = core[...]
    return graph.type(id).shape.map { $0 == 1 ? .constant(0) : core.removeFirst() }
  }
}

extension KernelContext {
  /// A loop over the lanes of a block.
  fileprivate mutating func overLanes(_ width: Int, _ body: (Index) -> [Statement]) -> Statement {
    let lane = loopVariable("lane", Dimension(width))
    return .loop(Loop(lane, to: .constant(width), kind: .lanes, body(.variable(lane))))
  }
}
