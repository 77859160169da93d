import Basics
import GraphIR
import LoopIR

extension Graph {
  /// The sizes of the axes that are not 1.
  func coreShape(_ id: ValueID) -> [Dimension] { type(id).shape.filter { $0 != 1 } }
}

/// Decides which nodes are recomputed where they are read and which nodes share a kernel. It never asks what an operator is, only how it
/// lowers.
///
/// A view is never computed; a map with a single reader, or one made of nothing but indices and scalars, is computed inside its readers.
/// Every other node joins the latest kernel with the same loops among those that may still take it.
/// Without `merges` every node but views has a kernel of its own: slow, and what fused programs are compared with.
func fuse(_ laidOut: LaidOutGraph, merges: Bool = true) throws -> FusedGraph {
  var fusion = Fusion(laidOut, merges: merges)
  return try fusion.run()
}

private struct Fusion {
  let graph: Graph
  let merges: Bool
  let lowerings: [ValueID: Lowering]
  var inlined: Set<ValueID> = []
  var needsBuffer: Set<ValueID> = []
  var clusters: [Cluster] = []
  var clusterOf: [ValueID: Int] = [:]
  var reads: [ValueID: Set<ValueID>] = [:]
  /// New values of leaves other than controls.
  let updated: Set<ValueID>

  init(_ laidOut: LaidOutGraph, merges: Bool) {
    let graph = laidOut.graph
    self.graph = graph
    self.merges = merges
    lowerings = laidOut.lowerings
    updated = Set(
      graph.updates.compactMap { update in if case .control = update.leaf.role { nil } else { update.value } })
  }

  mutating func run() throws -> FusedGraph {
    decideInlining()
    for id in placementOrder() {
      reads[id] = sources(of: id)
      place(id)
    }
    var fused = FusedGraph(
      graph: graph, clusters: clusters, clusterOf: clusterOf, reads: reads, materialized: [], lowerings: lowerings)
    for (id, sources) in reads {
      for source in sources where clusterOf[source] != nil && clusterOf[source] != clusterOf[id] { fused.materialized.insert(source) }
    }
    for root in graph.outputs.map(\.value) + graph.requirements {
      if clusterOf[fused.storage(of: root)] != nil { fused.materialized.insert(fused.storage(of: root)) }
    }
    for cluster in clusters {
      for member in cluster.members {
        let inner = graph.coreShape(member).dropFirst(cluster.prefix.count).reduce(1) { $0 * $1.coefficient }
        if [.custom, .loop].contains(cluster.kind) || (cluster.kind == .nest && inner > Self.largestLocalArray) {
          fused.materialized.insert(member)
        }
      }
    }
    return fused
  }

  // MARK: What is recomputed

  private mutating func decideInlining() {
    let users = graph.users()
    var roots = Set(graph.roots)
    for var id in graph.roots { while isAlias(id), graph[id].op is Reshape { id = graph[id].operands[0]; roots.insert(id) } }
    for id in graph.ids {
      switch lowerings[id] {
      case .contraction, .convolution, .custom, .loop: for operand in graph[id].operands { needsBuffer.insert(operand) }
      default: break
      }
    }
    var readers: [ValueID: Set<ValueID>] = [:]
    // How many recomputed nodes lie between a node and the kernel's own: bounds the depth of expressions.
    var chains: [ValueID: Int] = [:]
    for id in graph.ids.reversed() {
      guard case .map(let body) = lowerings[id] else { continue }
      let chain = 1 + (users[id.rawValue].compactMap { inlined.contains($0) ? chains[$0] : nil }.max() ?? 0)
      chains[id] = chain
      let effective = Set(users[id.rawValue].flatMap { inlined.contains($0) ? Array(readers[$0] ?? []) : [$0] })
      readers[id] = effective
      if isAlias(id) {
        inlined.insert(id)
        if needsBuffer.contains(id), let operand = graph[id].operands.first, graph[id].op is Reshape { needsBuffer.insert(operand) }
        continue
      }
      guard merges, !roots.contains(id), !needsBuffer.contains(id), chain <= Self.longestChain else { continue }
      let isView = if case .element = body { true } else { false }
      let readsOnlyScalars = graph[id].operands.allSatisfy { graph.coreShape($0).isEmpty }
      if isView || (readsOnlyScalars && (!graph.coreShape(id).isEmpty || graph[id].operands.isEmpty)) {
        inlined.insert(id)
      } else if graph.coreShape(id).isEmpty, readsOnlyScalars, body.isCheap {
        // A scalar of a few operations is made again by each reader; compilers take it out of the loops.
        inlined.insert(id)
      } else if body.isCheap, graph[id].operands.allSatisfy({ graph[$0].leaf != nil || graph.coreShape($0).isEmpty }),
        effective.allSatisfy({ evaluations(of: $0) == graph.type(id).count })
      {
        // What its readers can make from memory that is there anyway needs no memory of its own.
        inlined.insert(id)
      } else if body.isCheap, effective.count > 1, followsConvolution(id, users),
        effective.allSatisfy({ evaluations(of: $0) == graph.type(id).count })
      {
        inlined.insert(id)
      } else if effective.count == 1, let reader = effective.first, evaluations(of: reader) == graph.type(id).count,
        !hasSeveralSites(id, in: reader)
      {
        inlined.insert(id)
      }
    }
  }

  /// Whether the node is made of a few operations on convolutions' results that others read too, and on much smaller values: the normalised
  /// values of a batch normalisation, which forward and backward make again from the convolution's result.
  private func followsConvolution(_ id: ValueID, _ users: [[ValueID]]) -> Bool {
    let count = graph.type(id).count
    var operations = 0
    var found = false
    func isThere(_ operand: ValueID) -> Bool {
      let size = graph.type(operand).count
      if size.symbol == nil || size.coefficient * 16 <= count.coefficient { return true }
      switch lowerings[operand] {
      case .convolution:
        found = true
        return users[operand.rawValue].count > 1
      case .map(let body):
        operations += body.operations
        return operations <= Self.remadeOperations && graph[operand].operands.allSatisfy(isThere)
      default: return false
      }
    }
    guard count.symbol != nil, case .map(let body) = lowerings[id] else { return false }
    operations = body.operations
    return graph[id].operands.allSatisfy(isThere) && found
  }

  /// Operations that are made again rather than kept, at most.
  private static let remadeOperations = 8
  /// Elements of a kernel-local array, at most: more go to the arena and not on a thread's stack.
  private static let largestLocalArray = 4096
  /// Recomputed nodes in a row, at most.
  private static let longestChain = 32

  /// Whether the node is its operand's memory under another shape, or a part of a tuple.
  private func isAlias(_ id: ValueID) -> Bool { graph[id].op is Reshape || graph[id].op is Element }

  /// How often a reader's body runs.
  private func evaluations(of id: ValueID) -> Dimension {
    guard case .reduction(let reduction) = lowerings[id] else { return graph.type(id).count }
    return Dimension.product(graph.type(id).shape + reduction.extents) ?? Dimension(.max)
  }

  /// Whether the reader reads the node at more than one position (a concatenation of a thing with itself, a convolution's window).
  private func hasSeveralSites(_ id: ValueID, in reader: ValueID) -> Bool {
    var sites = Set<[Index]>()
    func visit(_ node: ValueID, _ depth: Int) {
      guard depth < 64 else { return }
      let body: Scalar
      switch lowerings[node] {
      case .map(let scalar): body = scalar
      case .reduction(let reduction): body = reduction.body
      default: return
      }
      body.forEachElement { k, indices in
        let operand = graph[node].operands[k]
        if operand == id { sites.insert(indices) } else if inlined.contains(operand) { visit(operand, depth + 1) }
      }
    }
    visit(reader, 0)
    return sites.count > 1
  }

  /// The computed nodes and leaves read by a node, through recomputed ones.
  private func sources(of id: ValueID) -> Set<ValueID> {
    var result = Set<ValueID>()
    var pending = graph[id].operands
    var seen = Set<ValueID>()
    while let operand = pending.popLast() {
      guard seen.insert(operand).inserted else { continue }
      if inlined.contains(operand) { pending += graph[operand].operands } else { result.insert(operand) }
    }
    return result
  }

  // MARK: What shares a kernel

  /// A topological order of the computed nodes in which scalars come as soon as they can: then a pass over a large block finds the scalars
  /// that it needs already there and is not cut in two by their kernel.
  private func placementOrder() -> [ValueID] {
    var open: [ValueID: Int] = [:]
    var readers: [ValueID: [ValueID]] = [:]
    let computed = graph.ids.filter { graph[$0].op != nil && !inlined.contains($0) }
    var scalars: [ValueID] = []
    var others: [ValueID] = []
    func release(_ id: ValueID) { if graph.coreShape(id).isEmpty { scalars.append(id) } else { others.append(id) } }
    for id in computed {
      let producers = sources(of: id).filter { graph[$0].op != nil }
      open[id] = producers.count
      for producer in producers { readers[producer, default: []].append(id) }
      if producers.isEmpty { release(id) }
    }
    var order: [ValueID] = []
    while order.count < computed.count {
      let fromScalars = !scalars.isEmpty
      guard let id = (fromScalars ? scalars : others).min() else { break }
      if fromScalars { scalars.removeAll { $0 == id } } else { others.removeAll { $0 == id } }
      order.append(id)
      for reader in readers[id] ?? [] {
        open[reader]! -= 1
        if open[reader] == 0 { release(reader) }
      }
    }
    return order
  }

  private mutating func place(_ id: ValueID) {
    let producers = reads[id]!.compactMap { clusterOf[$0] }
    var earliest = producers.max() ?? 0
    // New values of leaves come after the requirements, so that they can be written in place.
    if updated.contains(id) { earliest = max(earliest, graph.requirements.compactMap { clusterOf[$0] }.max().map { $0 + 1 } ?? 0) }
    var candidates = Array(clusters.indices.dropFirst(earliest))
    if candidates.count > 24 { candidates = [candidates[0]] + candidates.suffix(23) }
    for index in candidates where merges && join(id, index) {
      clusters[index].members.append(id)
      clusterOf[id] = index
      return
    }
    clusterOf[id] = clusters.count
    clusters.append(newCluster(id))
  }

  private func newCluster(_ id: ValueID) -> Cluster {
    switch lowerings[id]! {
    case .contraction: return Cluster(kind: .contraction, prefix: graph.coreShape(id), members: [id])
    case .convolution: return Cluster(kind: .convolution, prefix: graph.coreShape(id), members: [id])
    case .custom: return Cluster(kind: .custom, prefix: [], members: [id])
    case .loop: return Cluster(kind: .loop, prefix: [], members: [id])
    case .reduction(let reduction):
      let prefix = graph.coreShape(id)
      let columns = isColumnReduction(id, reduction)
      return Cluster(kind: columns ? .columns : .nest, prefix: prefix, members: [id], hasInnerLoops: true)
    default: return Cluster(kind: .nest, prefix: graph.coreShape(id), members: [id])
    }
  }

  /// Whether neighbouring results read neighbouring elements while the innermost reduced variable strides.
  private func isColumnReduction(_ id: ValueID, _ reduction: Reduction) -> Bool {
    let type = graph.type(id)
    guard let last = type.shape.lastIndex(where: { $0 != 1 }), type.shape[last].constant != nil else { return false }
    var answer = false
    reduction.body.forEachElement { k, indices in
      let offset = AffineForm(graph.type(graph[id].operands[k]).offset(indices))
      if offset["i\(last)"] == 1, reduction.extents.indices.contains(where: { offset["r\($0)"] > 1 }),
        !reduction.extents.indices.contains(where: { offset["r\($0)"] == 1 && reduction.extents[$0] != 1 })
      {
        answer = true
      }
    }
    return answer
  }

  private mutating func join(_ id: ValueID, _ index: Int) -> Bool {
    let cluster = clusters[index]
    guard cluster.members.count < 48 else { return false }
    let own = Set(cluster.members)
    let shape = graph.coreShape(id)
    switch (lowerings[id]!, cluster.kind) {
    case (.map, .nest), (.map, .columns), (.map, .contraction), (.map, .convolution):
      if shape == cluster.prefix {
        // A pointwise pass over everything beside scalars that wait for a whole reduction would hide the pass's parallelism.
        if cluster.prefix.isEmpty, cluster.hasInnerLoops, reads[id]!.isDisjoint(with: own) { return false }
        if [.contraction, .convolution, .columns].contains(cluster.kind), reads[id]!.isDisjoint(with: own) { return false }
        // One transcendental a row runs alone; in a pass of its own over all rows it runs in vectors.
        if cluster.kind == .nest, cluster.hasInnerLoops, !cluster.prefix.isEmpty, callsFunctions(id) { return false }
        return readsAtSamePosition(id, own, prefix: cluster.prefix)
      }
      guard cluster.kind == .nest, cluster.hasInnerLoops, !cluster.prefix.isEmpty, shape.starts(with: cluster.prefix),
        shape.dropFirst(cluster.prefix.count).allSatisfy({ $0.constant != nil }), !reads[id]!.isDisjoint(with: own)
      else { return false }
      return readsAtSamePosition(id, own, prefix: cluster.prefix)
    case (.reduction(let reduction), .nest):
      guard !shape.isEmpty, !isColumnReduction(id, reduction), reduction.extents.allSatisfy({ $0.constant != nil }) else { return false }
      if shape == cluster.prefix, !reads[id]!.isDisjoint(with: own) { return readsAtSamePosition(id, own, prefix: cluster.prefix) }
      // Pointwise members over rows and columns become inner loops of a nest over the rows.
      guard !cluster.hasInnerLoops, cluster.prefix.count > shape.count, cluster.prefix.starts(with: shape),
        !reads[id]!.isDisjoint(with: own),
        cluster.prefix.dropFirst(shape.count).allSatisfy({ $0.constant != nil }), readsAtSamePosition(id, own, prefix: shape)
      else { return false }
      clusters[index].prefix = shape
      clusters[index].hasInnerLoops = true
      return true
    case (.reduction(let reduction), .columns):
      guard shape == cluster.prefix, isColumnReduction(id, reduction), reads[id]!.isDisjoint(with: own),
        case .reduction(let first) = lowerings[cluster.members[0]]!
      else { return false }
      return first.extents == reduction.extents
    default: return false
    }
  }

  /// Whether computing the node, recomputed operands included, calls a transcendental function.
  private func callsFunctions(_ id: ValueID) -> Bool {
    guard case .map(let body) = lowerings[id] else { return false }
    return body.containsCall || graph[id].operands.contains { inlined.contains($0) && callsFunctions($0) }
  }

  /// Whether the node reads the cluster's members only at its own position of the common loops.
  private func readsAtSamePosition(_ id: ValueID, _ members: Set<ValueID>, prefix: [Dimension]) -> Bool {
    var fits = true
    let start = graph.type(id).shape.indices.map { Index.variable("i\($0)") }
    let axes = graph.type(id).shape.indices.filter { graph.type(id).shape[$0] != 1 }
    let position = axes.prefix(prefix.count).map { Index.variable("i\($0)") }
    visitReads(id, at: start) { source, indices in
      guard members.contains(source) else { return }
      let shape = graph.type(source).shape
      let core = zip(shape, indices).filter { $0.0 != 1 }.map(\.1)
      if core.count < prefix.count || Array(core.prefix(prefix.count)) != position { fits = false }
    }
    return fits
  }

  /// Calls `visit` for each computed node or leaf that the node reads, with the position in terms of the node's own indices.
  private func visitReads(_ id: ValueID, at indices: [Index], depth: Int = 0, _ visit: (ValueID, [Index]) -> Void) {
    let body: Scalar
    switch lowerings[id] {
    case .map(let scalar): body = scalar
    case .reduction(let reduction): body = reduction.body
    default: return
    }
    let variables = Dictionary(uniqueKeysWithValues: indices.enumerated().map { ("i\($0.offset)", $0.element) })
    body.forEachElement { k, operandIndices in
      let operand = graph[id].operands[k]
      var position = operandIndices.map { $0.substituting(variables) }
      if let same = reshapedPosition(id, operand, indices) { position = same }
      if inlined.contains(operand), depth < 64 {
        visitReads(operand, at: position, depth: depth + 1, visit)
      } else {
        visit(operand, position)
      }
    }
  }

  /// Through a reshape that only adds or drops axes of size 1, positions carry over.
  private func reshapedPosition(_ id: ValueID, _ operand: ValueID, _ indices: [Index]) -> [Index]? {
    guard graph[id].op is Reshape, graph.coreShape(id) == graph.coreShape(operand) else { return nil }
    return carriedPosition(indices, from: graph.type(id).shape, to: graph.type(operand).shape)
  }
}

/// A position carried between shapes that differ only in axes of size 1.
func carriedPosition(_ indices: [Index], from: Shape, to: Shape) -> [Index] {
  var core = zip(from, indices).filter { $0.0 != 1 }.map(\.1)[...]
  return to.map { $0 == 1 ? .constant(0) : core.removeFirst() }
}

extension Scalar {
  /// Whether the expression takes a few operations at most, and no call.
  fileprivate var isCheap: Bool { operations <= 4 }

  fileprivate var containsCall: Bool { if case .call = self { true } else { children.contains { $0.containsCall } } }

  fileprivate var operations: Int {
    switch self {
    case .literal, .variable, .load, .element, .index: 0
    case .call: 100
    default: children.reduce(1) { $0 + $1.operations }
    }
  }

  /// Calls `visit` with every operand element read inside, in conditions and indirect indices too.
  func forEachElement(_ visit: (Int, [Index]) -> Void) {
    if case .element(let k, let indices) = self { visit(k, indices) }
    switch self {
    case .element(_, let indices): indices.forEach { $0.forEachElement(visit) }
    case .load(_, let index), .index(let index, _): index.forEachElement(visit)
    default: children.forEach { $0.forEachElement(visit) }
    }
  }
}

extension Index {
  fileprivate func forEachElement(_ visit: (Int, [Index]) -> Void) {
    switch self {
    case .constant, .variable: break
    case .add(let a, let b), .minimum(let a, let b), .maximum(let a, let b):
      a.forEachElement(visit)
      b.forEachElement(visit)
    case .multiply(let a, _), .divide(let a, _), .remainder(let a, _): a.forEachElement(visit)
    case .indirect(let scalar, _): scalar.forEachElement(visit)
    }
  }
}
