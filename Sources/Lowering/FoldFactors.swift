import GraphIR
import LoopIR

/// Moves factors of a convolution's output channels into its filter, where both are known before any input is: the scale of a normalisation
/// in inference. What is computed from weights alone is prepared once, so the factor costs nothing then.
///
///     %3 = convolution(%1, %2: f32[O, C, 3, 3]); %6 = multiply(%3, %5 of %4: f32[O] along the channels)
///     =>  %s = scale(%2, %4); %6 = convolution(%1, %s)
func foldFactors(_ graph: Graph) throws -> Graph {
  var folding = FactorFolding(graph)
  return try folding.run()
}

private struct FactorFolding {
  let source: Graph
  let users: [[ValueID]]
  let roots: Set<ValueID>
  /// What does not depend on inputs.
  var fixed: Set<ValueID> = []
  var lowerings: [ValueID: Lowering] = [:]
  var builder: GraphBuilder
  var mapped: [ValueID: ValueID] = [:]

  /// A product of a convolution's result, seen through views, and a vector along its channels.
  struct Match {
    /// From the convolution to the product's operand.
    var views: [ValueID]
    var convolution: ValueID
    var factor: ValueID
  }

  init(_ graph: Graph) {
    source = graph
    users = graph.users()
    roots = Set(graph.roots)
    builder = GraphBuilder(name: graph.name, symbols: graph.symbols)
    for id in graph.ids {
      let node = graph[id]
      if let leaf = node.leaf {
        if leaf.role == .parameter || leaf.role == .state { fixed.insert(id) }
      } else if node.operands.allSatisfy(fixed.contains) {
        fixed.insert(id)
      }
      if let op = node.op { lowerings[id] = op.lowering(node.operands.map { graph.type($0) }, node.types) }
    }
  }

  mutating func run() throws -> Graph {
    for id in source.ids {
      builder.path = source[id].path
      builder.isBackward = source[id].isBackward
      switch source[id].kind {
      case .leaf(let leaf): mapped[id] = builder.leaf(leaf, source[id].types[0])
      case .apply(let op, let operands):
        mapped[id] = try match(id).map { try folded($0) } ?? builder.add(op, operands.map { mapped[$0]! })
      }
    }
    for output in source.outputs { builder.output(output.name, mapped[output.value]!) }
    for update in source.updates { builder.update(update.leaf, mapped[update.value]!, update.mode) }
    for requirement in source.requirements { builder.require(finite: mapped[requirement]!) }
    return builder.graph
  }

  /// The filter scaled, the convolution and the views of its result again.
  private mutating func folded(_ match: Match) throws -> ValueID {
    let (op, operands) = applied(match.convolution)
    let filter = mapped[operands[1]]!
    let factor = try builder.reshape(mapped[match.factor]!, [builder.type(filter).shape[0]])
    let scaled = try builder.add(ScaledFilter(), [filter, factor])
    builder.path = source[match.convolution].path
    var value = try builder.add(op, [mapped[operands[0]]!, scaled] + operands.dropFirst(2).map { mapped[$0]! })
    for view in match.views { value = try builder.add(applied(view).op, [value]) }
    return value
  }

  private func applied(_ id: ValueID) -> (op: any Operator, operands: [ValueID]) {
    guard case .apply(let op, let operands) = source[id].kind else { fatalError("a leaf is not computed") }
    return (op, operands)
  }

  private func match(_ id: ValueID) -> Match? {
    guard case .map(.binary(.mul, let a, let b)) = lowerings[id] else { return nil }
    for (image, factor) in [(a, b), (b, a)] {
      guard case .element(let k, let indices) = image, case .element(let l, let factorIndices) = factor, k != l else { continue }
      let operands = source[id].operands
      let (views, convolution, position) = trace(operands[k], indices, alone: true)
      let (_, vector, place) = trace(operands[l], factorIndices, alone: false)
      guard case .convolution(let kind) = lowerings[convolution], kind.direction == .forward, position.count >= 3,
        fixed.contains(source[convolution].operands[1]), !fixed.contains(source[convolution].operands[0]), fixed.contains(vector)
      else { continue }
      // Each position of the convolution's result is read once, its channels along the one variable that moves the factor.
      let variables = position.compactMap { index -> String? in if case .variable(let name) = index { name } else { nil } }
      let channels = source.type(convolution).shape[1]
      guard variables.count == position.count, Set(variables).count == variables.count, source.type(vector).count == channels,
        source.type(vector).offset(place).simplified(ranges(id)) == .variable(variables[1])
      else { continue }
      return Match(views: views, convolution: convolution, factor: vector)
    }
    return nil
  }

  /// Follows views to what they show, and the position that it is read at. `alone`: nothing else reads what is passed.
  private func trace(_ id: ValueID, _ indices: [Index], alone: Bool) -> (views: [ValueID], origin: ValueID, position: [Index]) {
    var (views, id, position) = ([ValueID](), id, indices)
    while !alone || (users[id.rawValue].count == 1 && !roots.contains(id)), case .map(.element(let k, let inner)) = lowerings[id],
      source[id].operands.count == 1
    {
      let operand = source[id].operands[k]
      if source[id].op is Reshape, source.coreShape(id) == source.coreShape(operand) {
        position = carriedPosition(position, from: source.type(id).shape, to: source.type(operand).shape)
      } else {
        let variables = Dictionary(uniqueKeysWithValues: position.enumerated().map { ("i\($0.offset)", $0.element) })
        position = inner.map { $0.substituting(variables) }
      }
      views.insert(id, at: 0)
      id = operand
    }
    if alone, users[id.rawValue].count != 1 || roots.contains(id) { return ([], id, []) }
    return (views, id, position)
  }

  private func ranges(_ id: ValueID) -> [String: ClosedRange<Int>] {
    Dictionary(
      uniqueKeysWithValues: source.type(id).shape.enumerated().map {
        ("i\($0.offset)", 0...max(0, TensorType(.u8, [$0.element]).maximumCount(source.symbols) - 1))
      })
  }
}

/// A filter [O, C/groups, K…] times a factor for each output channel.
struct ScaledFilter: Operator {
  static let name = "scale"
  static let operandNames = ["filter", "factor"]
  static let formula = "y[o, c, t] = filter[o, c, t] factor[o]"
  static let examples: [OperatorExample] = []

  func resultTypes(_ operands: [TensorType]) throws -> [TensorType] { [operands[0]] }

  func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    .map(.operand(0, rank: results[0].rank) * .element(1, [.variable("i0")]))
  }
}
