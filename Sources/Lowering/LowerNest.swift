import Basics
import GraphIR
import LoopIR

/// Emits clusters of pointwise members and reductions.
struct NestLowering {
  let cluster: Cluster
  let index: Int
  var context: KernelContext
  /// Partial sums run in this many lanes, whatever the machine: the order of additions is part of the program's meaning.
  static let lanes = 16

  private var graph: Graph { context.graph }
  private var symbols: [Symbol] { graph.symbols }

  init(_ cluster: Cluster, index: Int, context: KernelContext) {
    self.cluster = cluster
    self.index = index
    self.context = context
  }

  /// The kernels of the cluster: one, or two when a reduction over much is cut into parts.
  mutating func kernels(named name: String, comments: [String]) -> [LoweredKernel] {
    if let split = splitTotal(name, comments) { return split }
    let prefix = context.loopVariables(["i", "j", "k", "l", "m"], cluster.prefix)
    let position = prefix.map { Index.variable($0.name) }
    context.defersLeafStores = !cluster.hasInnerLoops
    for member in cluster.members { emit(member, position) }
    var nest = LoopNest(variables: prefix, body: context.take(), work: 0)
    nest.work = estimatedWork(nest.body, symbols: symbols)
    nest.collapse(&context.ranges, symbols: symbols)
    let (body, parts) = nest.build(symbols: symbols)
    return [finish(name, comments, body, parts)]
  }

  private func finish(_ name: String, _ comments: [String], _ body: [Statement], _ parts: Index) -> LoweredKernel {
    context.kernel(named: name, comments: comments, parts: parts, body: body)
  }

  // MARK: Members

  private mutating func emit(_ id: ValueID, _ position: [Index]) {
    let inner = Array(graph.coreShape(id).dropFirst(cluster.prefix.count))
    switch context.fused.lowerings[id]! {
    case .reduction(let reduction):
      context.define(id, at: place(id, position), as: reduce(reduction, id, place(id, position)))
    case .map(let body) where inner.isEmpty:
      let at = place(id, position)
      context.define(id, at: at, as: context.substitute(body, graph[id].operands, position: at, reduced: [:]))
    case .map(let body): emitInner(id, body, position, inner)
    default: fatalError("a nest holds maps and reductions only")
    }
  }

  /// Core positions put into the axes of the value's shape.
  private func place(_ id: ValueID, _ core: [Index]) -> [Index] {
    var core = core[...]
    return graph.type(id).shape.map { $0 == 1 ? .constant(0) : core.removeFirst() }
  }

  /// A map over axes below the common loops: a loop of its own, into a buffer or a local array.
  private mutating func emitInner(_ id: ValueID, _ body: Scalar, _ position: [Index], _ inner: [Dimension]) {
    let type = graph.type(id)
    let count = inner.reduce(1) { $0 * $1.coefficient }
    let isStored = context.fused.materialized.contains(id)
    let local = isStored ? nil : context.localArray(context.valueName(id), type.element, count: count)
    let variables = inner.map { context.loopVariable("c", $0) }
    let at = place(id, position + variables.map { Index.variable($0) })
    var statements = context.nested { context in
      let scalar = context.substitute(body, context.graph[id].operands, position: at, reduced: [:])
      if let local {
        let value = context.unique(context.valueName(id))
        context.append(.define(value, type.element, scalar))
        context.append(.store(local, context.localOffset(type, at, dropping: position.count), .variable(value)))
        context.store(id, at: at, .variable(value))
      } else {
        context.define(id, at: at, as: scalar)
      }
    }
    for (variable, size) in zip(variables, inner).reversed() { statements = [.loop(Loop(variable, to: size.index, statements))] }
    statements.forEach { context.append($0) }
    let buffer = local ?? context.buffer(of: id, .write)
    context.keep(id, in: buffer, isLocal: local != nil, prefixCount: position.count)
  }

  // MARK: Reductions

  /// Reduces along memory: partial results in lanes over the innermost axis, then halved to one.
  private mutating func reduce(_ reduction: Reduction, _ id: ValueID, _ position: [Index]) -> Scalar {
    let element = graph.type(id).element
    var reduction = reduction
    reduction.dropUnitExtents()
    let variables = reduction.extents.map { context.loopVariable("r", $0) }
    return reduce(
      reduction, element, position, id, variables, sizes: reduction.extents, lower: .constant(0), upper: reduction.extents.last?.index)
  }

  private mutating func reduce(
    _ reduction: Reduction, _ element: ElementType, _ position: [Index], _ id: ValueID, _ variables: [String], sizes: [Dimension],
    lower: Index, upper: Index?
  ) -> Scalar {
    let operands = graph[id].operands
    func term(_ context: inout KernelContext, _ innermost: Index) -> Scalar {
      var reduced: [String: Index] = [:]
      for (axis, variable) in variables.enumerated() {
        reduced["r\(axis)"] = axis == variables.count - 1 ? innermost : .variable(variable)
      }
      return context.substitute(reduction.body, operands, position: position, reduced: reduced)
    }
    let start = reduction.combiner.neutral(element)
    guard let inner = sizes.last, let upper else { return term(&context, .constant(0)) }
    let last = variables[variables.count - 1]
    // Too short for lanes: fewer elements than lanes, or so few more that what is left over would be the larger part.
    let small = inner.constant.map { $0 < Self.lanes * 2 && $0 % Self.lanes != 0 } ?? (context.maximum(inner) < Self.lanes)
    let result = context.unique("total")
    func around(_ statements: [Statement]) -> [Statement] {
      zip(variables, sizes).dropLast().reversed().reduce(statements) { [.loop(Loop($1.0, to: $1.1.index, $0))] }
    }
    if small {
      context.append(.variable(result, element, start))
      let body = context.nested { context in
        let value = term(&context, .variable(last))
        context.append(.assign(result, reduction.combiner.apply(.variable(result), value)))
      }
      around([.loop(Loop(last, from: lower, to: upper, body))]).forEach { context.append($0) }
      return .variable(result)
    }
    let partial = context.unique("partial")
    let lane = context.loopVariable("lane", Dimension(Self.lanes))
    context.append(.array(partial, element, count: Self.lanes))
    context.append(.loop(Loop(lane, to: .constant(Self.lanes), kind: .lanes, [.store(partial, .variable(lane), start)])))
    let block = context.unique("block")
    context.ranges[block] = context.ranges[last]
    let lanes = context.nested { context in
      let value = term(&context, .variable(block) + .variable(lane))
      context.append(.store(partial, .variable(lane), reduction.combiner.apply(.load(partial, .variable(lane)), value)))
    }
    let whole = lower + .divide(upper - lower, Self.lanes) * Self.lanes
    let blocks = Statement.loop(
      Loop(block, from: lower, to: whole, step: Self.lanes, [.loop(Loop(lane, to: .constant(Self.lanes), kind: .lanes, lanes))]))
    let rest = context.nested { context in
      let value = term(&context, .variable(last))
      context.append(.store(partial, .constant(0), reduction.combiner.apply(.load(partial, .constant(0)), value)))
    }
    let hasRest = sizes.last?.constant.map { $0 % Self.lanes != 0 } ?? true
    around([blocks] + (hasRest ? [.loop(Loop(last, from: whole, to: upper, rest))] : [])).forEach { context.append($0) }
    var width = Self.lanes / 2
    while width >= 1 {
      let half = Index.variable(lane)
      let sum = reduction.combiner.apply(.load(partial, half), .load(partial, half + width))
      context.append(.loop(Loop(lane, to: .constant(width), kind: .lanes, [.store(partial, half, sum)])))
      width /= 2
    }
    context.append(.variable(result, element, .load(partial, .constant(0))))
    return .variable(result)
  }

  // MARK: Large totals

  /// Elements in a part of a reduction to one value.
  private static let totalChunk = 1 << 15

  /// A reduction of much to one value: parts reduce chunks side by side, a second kernel reduces their results in order.
  private mutating func splitTotal(_ name: String, _ comments: [String]) -> [LoweredKernel]? {
    guard cluster.prefix.isEmpty, case .reduction(var reduction) = context.fused.lowerings[cluster.members[0]]! else { return nil }
    reduction.dropUnitExtents()
    guard reduction.extents.count == 1, context.maximum(reduction.extents[0]) > Self.totalChunk * 2
    else { return nil }
    let id = cluster.members[0]
    let size = reduction.extents[0]
    let type = graph.type(id)
    let (lower, upper, parts) = partition(size, chunk: Self.totalChunk)
    let partialCount = (context.maximum(size) + Self.totalChunk - 1) / Self.totalChunk
    let partialType = TensorType(type.element, [Dimension(partialCount)])
    let finalContext = context

    let variable = context.loopVariable("r", size)
    let total = reduce(reduction, type.element, place(id, []), id, [variable], sizes: [size], lower: lower, upper: upper)
    let buffer = context.buffer(.partial(cluster: index), partialType, .write, named: "partials")
    context.append(.store(buffer, .variable("part"), total))
    let first = finish(name + "_parts", comments, context.take(), parts)

    context = finalContext
    let partials = context.buffer(.partial(cluster: index), partialType, .read, named: "partials")
    let result = context.unique("total")
    let part = context.loopVariable("p", Dimension(partialCount))
    context.append(.variable(result, type.element, reduction.combiner.neutral(type.element)))
    context.append(
      .loop(
        Loop(part, to: parts, [.assign(result, reduction.combiner.apply(.variable(result), .load(partials, .variable(part))))])))
    context.define(id, at: place(id, []), as: .variable(result))
    for member in cluster.members.dropFirst() { emit(member, []) }
    return [first, finish(name, comments, context.take(), .constant(1))]
  }
}

extension Reduction.Combiner {
  /// One step.
  func apply(_ a: Scalar, _ b: Scalar) -> Scalar {
    switch self {
    case .sum: a + b
    case .product: a * b
    case .max: .binary(.max, a, b)
    case .min: .binary(.min, a, b)
    }
  }
}

extension Reduction {
  /// Leaves out axes of size 1 and numbers the others anew.
  mutating func dropUnitExtents() {
    var replacements: [String: Index] = [:]
    var kept: [Dimension] = []
    for (axis, size) in extents.enumerated() {
      replacements["r\(axis)"] = size == 1 ? .constant(0) : .variable("r\(kept.count)")
      if size != 1 { kept.append(size) }
    }
    guard kept.count < extents.count else { return }
    extents = kept
    body = body.substituting(indices: replacements)
  }
}
