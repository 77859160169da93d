import Basics
import GraphIR
import LoopIR

/// A stretch of an entry's kernels that runs round after round.
struct LoweredLoop {
  var counter: Symbol
  var kernels: Range<Int>
  /// The nodes of the loops around, its own last.
  var scope: [ValueID]

  /// Whether what the key stands for is made anew in each round, before it is read.
  func owns(_ key: StorageKey) -> Bool {
    var key = key
    for node in scope {
      guard case .inner(node, let deeper) = key else { return false }
      key = deeper
    }
    return true
  }
}

extension [LoweredLoop] {
  /// Calls, one a kernel, with loops around those that belong to them; `checks` stand behind the kernel or the outermost loop that ends at a
  /// position.
  func steps(_ calls: [Step], checks: (Int) throws -> [Step]) rethrows -> [Step] {
    var steps: [Step] = []
    var position = 0
    while position < calls.count {
      var end = position + 1
      // Of loops that begin at one place the last is the outermost.
      if let index = lastIndex(where: { $0.kernels.lowerBound == position && !$0.kernels.isEmpty }) {
        let loop = self[index]
        let inside = prefix(index).filter { loop.kernels.contains($0.kernels.lowerBound) }.map { inner in
          LoweredLoop(
            counter: inner.counter, kernels: inner.kernels.lowerBound - position..<inner.kernels.upperBound - position, scope: inner.scope)
        }
        steps.append(.loop(loop.counter, inside.steps([Step](calls[loop.kernels])) { _ in [] }))
        end = loop.kernels.upperBound
      } else {
        steps.append(calls[position])
      }
      for after in position..<end { steps += try checks(after) }
      position = end
    }
    return steps
  }
}

extension EntryLowering {
  /// Emits a loop: its carried values begin as copies of their first ones, in the memory of its results; then one round of its body. What
  /// rounds hand on is a state change like any other: written in place where nothing reads the old value later.
  mutating func lowerLoop(_ cluster: Cluster, _ names: inout Set<String>) throws {
    let id = cluster.members[0]
    guard case .loop(let scan) = fused.lowerings[id]!, let counter = scan.body.counter else { fatalError("not a loop") }
    let node = graph[id]
    let results = node.types.indices.map { node.types.count == 1 ? StorageKey.value(id) : .tuple(id, $0) }
    let path = identifier(node.path.isEmpty ? entryName : node.path)
    for number in 0..<scan.carried {
      let name = unique("\(path)_begin", &names)
      kernels.append(
        copyKernel(
          from: fused.key(of: node.operands[scan.captured + number]), to: results[number], node.types[number], named: name,
          target: "\(path)_carried\(number + 1)",
          comment: "\(node.path.isEmpty ? "loop" : node.path): what the first round begins with"))
    }
    let body = try fuse(try layOut(scan.body.graph), merges: options.fuses)
    var inner = EntryLowering(fused: body, layout: layout, options: options, entryName: entryName)
    let round = Index.variable(counter.name)
    for update in body.graph.updates {
      guard case .stacked(let number) = update.leaf.role else { continue }
      inner.slices[update.leaf] = SlicePlace(
        type: node.types[scan.carried + number], axis: body.graph.type(update.value).stackingAxis,
        index: scan.reversed.contains(number) ? round * -1 + scan.rounds : round - 1)
    }
    try inner.lowerClusters(&names)
    let first = kernels.count
    kernels += inner.kernels.map { kernel in
      var kernel = kernel
      kernel.arguments = kernel.arguments.map { outerKey($0, of: id, node.operands, results, carried: scan.carried) }
      return kernel
    }
    loops += inner.loops.map { loop in
      LoweredLoop(
        counter: loop.counter, kernels: loop.kernels.lowerBound + first..<loop.kernels.upperBound + first, scope: [id] + loop.scope)
    }
    loops.append(LoweredLoop(counter: counter, kernels: first..<kernels.count, scope: [id]))
  }

  /// What a key of a loop's body is known by outside.
  private func outerKey(_ key: StorageKey, of id: ValueID, _ operands: [ValueID], _ results: [StorageKey], carried: Int) -> StorageKey {
    guard case .leaf(let leaf) = key else { return .inner(id, key) }
    switch leaf.role {
    case .captured(let number): return fused.key(of: operands[number])
    case .carried(let number): return results[number]
    case .stacked(let number): return results[carried + number]
    default: return key
    }
  }
}
