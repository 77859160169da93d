import Basics
import GraphIR
import LoopIR

/// What becomes one kernel: nodes computed under common outer loops.
struct Cluster {
  enum Kind {
    /// Loops over `prefix`; members are maps over it, reductions whose result has it, and maps over it and further inner axes.
    case nest
    /// Reductions along outer axes whose results lie side by side: lanes run over the last axis of `prefix`.
    case columns
    /// One matrix product and pointwise members over its result.
    case contraction
    /// One direction of a convolution and pointwise members over its result.
    case convolution
    /// One operator with a loop nest of its own.
    case custom
    /// One graph whose kernels run round after round.
    case loop
  }

  var kind: Kind
  /// The sizes of the common loops: axes of size 1 are left out.
  var prefix: [Dimension]
  var members: [ValueID]
  /// Whether the members have loops of their own below the common ones.
  var hasInnerLoops = false
}

/// A graph cut into clusters, in an order in which they can run.
struct FusedGraph {
  var graph: Graph
  var clusters: [Cluster]
  /// The cluster of each computed node; nodes that are recomputed where they are read have none.
  var clusterOf: [ValueID: Int]
  /// For each computed node, the computed nodes and leaves that it reads, through recomputed ones.
  var reads: [ValueID: Set<ValueID>]
  /// Nodes that need a buffer: results, and what another cluster reads.
  var materialized: Set<ValueID>
  let lowerings: [ValueID: Lowering]

  /// What the memory of a computed value or leaf is known by.
  func key(of id: ValueID) -> StorageKey {
    let origin = storage(of: id)
    if let leaf = graph[origin].leaf { return .leaf(leaf) }
    if let element = graph[origin].op as? Element, let tuple = graph[origin].operands.first { return .tuple(tuple, element.index) }
    return .value(origin)
  }

  /// The computed node or leaf whose memory holds the value, when it is that memory under another shape.
  func storage(of id: ValueID) -> ValueID {
    var id = id
    while let op = graph[id].op, clusterOf[id] == nil, op is Reshape || op is Element, let operand = graph[id].operands.first {
      if op is Element { return id }
      id = operand
    }
    return id
  }
}
