import GraphIR
import LoopIR

extension Graph {
  /// Floating point operations of the nodes that a result depends on, for `rows` rows: what the mathematics asks for. A product or a
  /// convolution counts two for each term of its sums, whatever algorithm computes it; a function such as exp counts one.
  ///
  /// `path`: of the nodes of that layer alone.
  public func operations(rows: Int, path: String? = nil) -> Double {
    let live = reached()
    return ids.reduce(0) { total, id in
      guard live.contains(id), path == nil || self[id].path == path else { return total }
      return total + operations(of: id, rows: rows)
    }
  }

  /// Floating point operations of one node.
  public func operations(of id: ValueID, rows: Int) -> Double {
    let node = self[id]
    guard let op = node.op else { return 0 }
    let operands = node.operands.map { self[$0].types[0] }
    return NodeOperations(operands: operands, results: node.types, rows: rows, symbols: symbols).count(op.lowering(operands, node.types))
  }

  /// Nodes that a result depends on.
  func reached() -> Set<ValueID> {
    var found = Set<ValueID>()
    var pending = roots
    while let id = pending.popLast() {
      if found.insert(id).inserted { pending += self[id].operands }
    }
    return found
  }
}

/// Counts the operations of one node from how it lowers.
private struct NodeOperations {
  let operands: [TensorType]
  let results: [TensorType]
  let rows: Int
  let symbols: [Symbol]

  func count(_ lowering: Lowering) -> Double {
    switch lowering {
    case .map(let scalar): return elements(results[0].shape) * scalars.operations(scalar)
    case .reduction(let reduction):
      return elements(results[0].shape) * elements(reduction.extents) * (scalars.operations(reduction.body) + 1)
    case .contraction(let contraction):
      let shape = operands[0].shape
      return 2 * elements(results[0].shape) * elements([shape[shape.count - (contraction.transposeA ? 2 : 1)]])
    case .convolution(let convolution):
      // Each element of y is a sum over the elements of one filter, in all three directions.
      let (_, w, y) = convolution.roles(operands, results[0])
      return 2 * elements(y.shape) * elements(Array(w.shape.dropFirst()))
    case .composite(let build): return expanded(build)
    case .loop(let scan): return Double(scan.rounds) * scan.body.graph.operations(rows: rows)
    case .custom(let loops):
      let outer = elements(loops.outer(results))
      var counter = scalars
      return outer * counter.operations(loops.body, ["n": rows])
    }
  }

  private var scalars: OperationCount {
    var floats: Set<String> = []
    for (index, type) in operands.enumerated() where type.element.isFloat { floats.insert("x\(index)") }
    for (index, type) in results.enumerated() where type.element.isFloat { floats.insert("y\(index)") }
    return OperationCount(floats: floats, operands: operands.map(\.element.isFloat))
  }

  private func elements(_ shape: Shape) -> Double {
    shape.reduce(1) { $0 * Double($1.coefficient) * ($1.symbol == nil ? 1 : Double(rows)) }
  }

  /// The sum over the nodes that a composite is made of.
  private func expanded(_ build: (inout GraphBuilder, [ValueID]) throws -> [ValueID]) -> Double {
    var builder = GraphBuilder(name: "", symbols: symbols)
    let leaves = operands.enumerated().map { builder.leaf(Leaf("x\($0.offset)", .input($0.offset)), $0.element) }
    guard let values = try? build(&builder, leaves) else { return 0 }
    for (index, value) in values.enumerated() { builder.output("y\(index)", value) }
    return builder.graph.operations(rows: rows)
  }
}
