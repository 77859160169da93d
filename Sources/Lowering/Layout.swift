import Basics
import GraphIR
import LoopIR

/// A graph whose values have an order of axes in memory: shapes and lowerings are already in that order.
struct LaidOutGraph {
  var graph: Graph
  var lowerings: [ValueID: Lowering]
}

/// Gives every value an order of its axes in memory. Convolutions want their operands and results channels last; what is computed element
/// by element, or by a reduction, from such values follows them; leaves, results, reshapes, contractions and custom loops keep the user's
/// order. A copy stands only where producer and consumer disagree, and a transpose that comes to nothing in memory is nothing.
///
///     %2 = convolution(%1: f32[N, 3, 32, 32], …): f32[N, 64, 32, 32]     =>  %2 = channels_last(%1): f32[N, 32, 32, 3]
///     %3 = relu(%2): f32[N, 64, 32, 32]                                      %3 = convolution(%2, …): f32[N, 32, 32, 64]
///                                                                            %4 = relu(%3): f32[N, 32, 32, 64]
func layOut(_ graph: Graph) throws -> LaidOutGraph {
  var pass = LayoutPass(graph)
  pass.choose()
  return try pass.rewrite()
}

/// The order in which a value's axes lie in memory: the axis at each position, from outermost to innermost.
private typealias Permutation = [Int]

private struct LayoutPass {
  let source: Graph
  let lowerings: [ValueID: Lowering]
  /// The orders that were chosen: what convolutions ask for and what followed from it. Elsewhere the user's order holds.
  var orders: [ValueID: Permutation] = [:]
  var result: Graph
  var newLowerings: [ValueID: Lowering] = [:]
  var mapped: [ValueID: ValueID] = [:]
  private var copies: [CopyKey: ValueID] = [:]

  private struct CopyKey: Hashable {
    var value: ValueID
    var order: [Int]
  }

  init(_ graph: Graph) {
    source = graph
    result = Graph(name: graph.name, symbols: graph.symbols)
    var lowerings: [ValueID: Lowering] = [:]
    for id in graph.ids {
      if let op = graph[id].op { lowerings[id] = op.lowering(graph[id].operands.map { graph.type($0) }, graph[id].types) }
    }
    self.lowerings = lowerings
  }

  // MARK: Choosing

  mutating func choose() {
    var pending: [ValueID] = []
    for id in source.ids {
      guard case .convolution(let convolution) = lowerings[id] else { continue }
      for value in convolution.imageOperands.map({ source[id].operands[$0] }) + (convolution.direction == .filterGradient ? [] : [id]) {
        let isFree = value == id || isFree(value)
        let order = channelsLast(source.type(value).rank)
        if isFree, orders[value] == nil, !isTrivial(order, value) {
          orders[value] = order
          pending.append(value)
        }
      }
    }
    guard !pending.isEmpty else { return }
    let users = source.users()
    while let id = pending.popLast() {
      let order = orders[id]!
      for operand in Set(source[id].operands) where isFree(operand) && orders[operand] == nil {
        guard let axes = correspondence(of: id, reading: operand) else { continue }
        // The operand's axes in the order of those of the result that they go with.
        let wanted = order.compactMap { axis in axes.firstIndex(of: axis) }
        assign(wanted, to: operand, &pending)
      }
      for user in users[id.rawValue] where isFree(user) && orders[user] == nil {
        guard let axes = correspondence(of: user, reading: id) else { continue }
        assign(order.map { axes[$0] }, to: user, &pending)
      }
    }
  }

  private mutating func assign(_ order: Permutation, to id: ValueID, _ pending: inout [ValueID]) {
    guard order.count == source.type(id).rank, Set(order).count == order.count else { return }
    // The user's own order spreads like any other: with channels last in the model, a pooling between convolutions has it on both sides.
    guard order == Array(order.indices) || !isTrivial(order, id) else { return }
    orders[id] = order
    pending.append(id)
  }

  /// Whether the order leaves the elements where they are.
  private func isTrivial(_ order: Permutation, _ id: ValueID) -> Bool {
    let shape = source.type(id).shape
    let core = order.filter { shape[$0] != 1 }
    return core == core.sorted() && order.first == 0
  }

  /// Whether any order suits the node: its lowering says for each element how it is made.
  private func isFree(_ id: ValueID) -> Bool {
    guard let op = source[id].op, !(op is Reshape), !(op is Element) else { return false }
    switch lowerings[id] {
    case .map, .reduction: return true
    default: return false
    }
  }

  /// For each axis of the operand the axis of the result along which it is read, when that is a one-to-one relation.
  private func correspondence(of id: ValueID, reading operand: ValueID) -> [Int]? {
    let rank = source.type(id).rank
    guard source.type(operand).rank == rank, rank >= 3 else { return nil }
    let body: Scalar
    switch lowerings[id] {
    case .map(let scalar): body = scalar
    case .reduction(let reduction): body = reduction.body
    case .convolution: return source[id].operands[0] == operand ? Array(0..<rank) : nil
    default: return nil
    }
    var answer: [Int]?
    var fits = true
    body.forEachElement { k, indices in
      guard source[id].operands[k] == operand, fits else { return }
      var axes: [Int] = []
      for index in indices {
        let variables = index.variables.filter { $0.hasPrefix("i") }.compactMap { Int($0.dropFirst()) }
        guard variables.count == 1 else { return fits = false }
        axes.append(variables[0])
      }
      guard Set(axes).count == rank, answer == nil || answer == axes else { return fits = false }
      answer = axes
    }
    return fits ? answer : nil
  }

  // MARK: Rewriting

  mutating func rewrite() throws -> LaidOutGraph {
    for id in source.ids { mapped[id] = rewritten(id) }
    var taken = Set<ValueID>()
    for output in source.outputs {
      var value = inUserOrder(output.value)
      // Two results that are the same memory now, or a result that is a leaf's.
      if !taken.insert(value).inserted || result[value].leaf != nil {
        var node = result[value]
        node.kind = .apply(Copy(number: taken.count), [value])
        value = append(node, .map(.operand(0, rank: node.types[0].rank)))
      }
      result.outputs.append(GraphOutput(output.name, value))
    }
    result.updates = source.updates.map { Update($0.leaf, inUserOrder($0.value), $0.mode) }
    result.requirements = source.requirements.map { inUserOrder($0) }
    return LaidOutGraph(graph: result, lowerings: newLowerings)
  }

  private mutating func rewritten(_ id: ValueID) -> ValueID {
    var node = source[id]
    guard case .apply(let op, let operands) = node.kind else { return append(node, nil) }
    switch lowerings[id]! {
    case .map(let body) where isFree(id):
      let moved = permuted(body, id)
      node.types = [permuted(id)]
      let values = operands.map { mapped[$0]! }
      if case .element(let k, _) = moved, moved != body, moved == .operand(k, rank: node.types[0].rank),
        result.type(values[k]) == node.types[0],
        body != .operand(k, rank: node.types[0].rank)
      {
        return values[k]
      }
      node.kind = .apply(op, values)
      return append(node, .map(moved))
    case .reduction(var reduction) where isFree(id):
      reduction.body = permuted(reduction.body, id)
      node.types = [permuted(id)]
      node.kind = .apply(op, operands.map { mapped[$0]! })
      return append(node, .reduction(reduction))
    case .convolution(let convolution):
      let images = Set(convolution.imageOperands)
      node.kind = .apply(
        op,
        operands.indices.map {
          images.contains($0) ? copied(operands[$0], to: channelsLast(source.type(operands[$0]).rank)) : inUserOrder(operands[$0])
        })
      if convolution.direction != .filterGradient { node.types = [inChannelsLast(source.type(id))] }
      return append(node, .convolution(convolution))
    case let lowering:
      node.kind = .apply(op, operands.map { inUserOrder($0) })
      return append(node, lowering)
    }
  }

  private mutating func append(_ node: Node, _ lowering: Lowering?) -> ValueID {
    let id = ValueID(result.nodes.count)
    result.nodes.append(node)
    newLowerings[id] = lowering
    return id
  }

  private func channelsLast(_ rank: Int) -> Permutation { [0] + Array(2..<rank) + [1] }

  private func inChannelsLast(_ type: TensorType) -> TensorType { TensorType(type.element, channelsLast(type.rank).map { type.shape[$0] }) }

  /// The order of a value that has been rewritten: what convolutions make is channels last even where that changes nothing.
  private func order(of id: ValueID) -> Permutation {
    if let order = orders[id] { return order }
    if case .convolution(let convolution) = lowerings[id], convolution.direction != .filterGradient {
      return channelsLast(source.type(id).rank)
    }
    return Array(0..<source.type(id).rank)
  }

  private func permuted(_ id: ValueID) -> TensorType {
    let type = source.type(id)
    return TensorType(type.element, order(of: id).map { type.shape[$0] })
  }

  /// The body of a node with its indices and those of its operands in their orders in memory.
  private func permuted(_ body: Scalar, _ id: ValueID) -> Scalar {
    let own = order(of: id)
    var variables: [String: Index] = [:]
    for (position, axis) in own.enumerated() where position != axis { variables["i\(axis)"] = .variable("i\(position)") }
    let renamed = variables.isEmpty ? body : body.substituting(indices: variables)
    let operandOrders = source[id].operands.map { order(of: $0) }
    guard operandOrders.contains(where: { $0 != Array($0.indices) }) else { return renamed }
    return renamed.mapElements { k, indices in .element(k, operandOrders[k].map { indices[$0] }) }
  }

  private mutating func inUserOrder(_ id: ValueID) -> ValueID { copied(id, to: Array(0..<source[id].types[0].rank)) }

  /// The value in another order: itself where that is the same memory, else a copy.
  private mutating func copied(_ id: ValueID, to wanted: Permutation) -> ValueID {
    let value = mapped[id]!
    let current = order(of: id)
    guard wanted != current, source[id].types.count == 1 else { return value }
    let key = CopyKey(value: value, order: wanted)
    if let known = copies[key] { return known }
    let type = source.type(id)
    let target = TensorType(type.element, wanted.map { type.shape[$0] })
    var node = source[id]
    node.types = [target]
    let isSameMemory = wanted.filter { type.shape[$0] != 1 } == current.filter { type.shape[$0] != 1 }
    let lowering: Lowering
    if isSameMemory {
      node.kind = .apply(Reshape(shape: target.shape), [value])
      lowering = Reshape(shape: target.shape).lowering([result.type(value)], [target])
    } else {
      node.kind = .apply(LayoutCopy(isChannelsLast: wanted != Array(wanted.indices)), [value])
      lowering = .map(.element(0, current.map { axis in .variable("i\(wanted.firstIndex(of: axis)!)") }))
    }
    let copy = append(node, lowering)
    copies[key] = copy
    return copy
  }
}

extension Convolution {
  /// The operands that are images or sequences, with channels.
  var imageOperands: [Int] { direction == .filterGradient ? [0, 1] : [0] }
}

/// The same values with the axes in another order in memory.
struct LayoutCopy: Operator {
  static let name = "layout"
  static let operandNames = ["x"]
  static let formula = "y = x, with the axes in another order in memory"
  static let examples: [OperatorExample] = []
  var isChannelsLast: Bool

  func resultTypes(_ operands: [TensorType]) throws -> [TensorType] { operands }

  func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering { .map(.operand(0, rank: results[0].rank)) }
}

extension Scalar {
  /// The expression with each operand element inside replaced, in conditions and indirect indices too.
  func mapElements(_ transform: (Int, [Index]) -> Scalar) -> Scalar {
    switch self {
    case .element(let k, let indices): transform(k, indices.map { $0.mapScalars { $0.mapElements(transform) } })
    case .load(let name, let index): .load(name, index.mapScalars { $0.mapElements(transform) })
    case .index(let index, let element): .index(index.mapScalars { $0.mapElements(transform) }, element)
    default: mapChildren { $0.mapElements(transform) }
    }
  }
}
