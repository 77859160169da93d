import Basics
import GraphIR

/// The gradient of a loop is a loop over the same rounds from the last to the first. It reads what the forward rounds had at hand: slices of
/// operands, and values that the forward loop is asked to save. What the rounds' cotangents of a captured tensor have in common is taken out
/// of the loop: a product over the rows of a round becomes one product over the rows of all rounds.
extension ReversePass {
  /// Hands the cotangents of a loop's results to its operands.
  mutating func stepThrough(_ scan: Scan, _ operands: [ValueID], _ cotangents: [ValueID?], path: String) throws {
    var gradient = try ScanGradient(scan, operands, cotangents, wanted: operands.map { depends[$0.rawValue] }, builder)
    guard gradient.hasCotangents else { return }
    builder.path = path
    for (operand, cotangent) in try gradient.run(&builder) { try accumulate(cotangent, into: operands[operand], index: 0) }
  }
}

/// One loop's gradient under construction. Three graphs are in play: `joint`, the body with its own reverse mode behind it; `round`, the
/// body of the gradient's loop, which takes from `joint` what it needs; and the graph around.
private struct ScanGradient {
  let scan: Scan
  let operands: [ValueID]
  /// Cotangents of the loop's results, in the graph around.
  let cotangents: [ValueID?]
  var joint: GraphBuilder
  /// The node of the body that a node of `joint` is.
  private var bodyNode: [ValueID: Int] = [:]
  /// The cotangents, within `joint`, of carried values, of slices that the body reads, and of whole captured tensors.
  private var carriedCotangents: [ValueID?] = []
  private var sliceCotangents: [(slice: ValueID, cotangent: ValueID)] = []
  private var wholeCotangents: [(operand: Int, cotangent: ValueID)] = []
  /// Carried values of floats, by number: only they have cotangents.
  private let floats: [Int]
  private var carriedLeaves: [ValueID] = []

  var round: GraphBuilder
  private var translated: [ValueID: ValueID] = [:]
  /// What the gradient's loop captures: operands of the loop, cotangents of its stacks, and what it saved.
  private var captured: [Capture] = []
  private var saved: [Int]
  /// Values of `joint` that the gradient's loop hands out, in the order of the forward rounds or against it.
  private var stacked: [Stack] = []

  private enum Capture: Hashable { case operand(Int), cotangent(Int), saved(Int) }

  private struct Stack: Hashable {
    var value: ValueID
    var reversed: Bool
  }

  /// A sum over all rounds, outside the loop.
  private indirect enum Hoisted {
    case product(any Operator, ValueID, ValueID)
    case sum(axes: [Int], ValueID)
    case reshape(Shape, Hoisted)
    case add(Hoisted, Hoisted)
  }

  init(_ scan: Scan, _ operands: [ValueID], _ cotangents: [ValueID?], wanted: [Bool], _ outer: GraphBuilder) throws {
    (self.scan, self.operands, self.cotangents) = (scan, operands, cotangents)
    let body = scan.body.graph
    joint = GraphBuilder(name: body.name, symbols: body.symbols)
    round = GraphBuilder(name: body.name, symbols: body.symbols)
    saved = scan.saved
    floats = scan.body.carriedTypes.indices.filter { scan.body.carriedTypes[$0].element.isFloat }
    var nodes: [ValueID] = []
    for (index, node) in body.nodes.enumerated() {
      (joint.path, joint.isBackward) = (node.path, node.isBackward)
      switch node.kind {
      case .leaf(let leaf): nodes.append(joint.leaf(leaf, node.types[0]))
      case .apply(let op, let inner): nodes.append(try joint.add(op, inner.map { nodes[$0.rawValue] }))
      }
      bodyNode[nodes[index]] = index
    }
    (joint.path, joint.isBackward) = ("", true)
    try differentiate(nodes, wanted)
  }

  /// Whether any result of the loop has a cotangent.
  var hasCotangents: Bool { cotangents.contains { $0 != nil } }

  /// Reverse mode within the body.
  private mutating func differentiate(_ nodes: [ValueID], _ wanted: [Bool]) throws {
    var results: [ValueID] = []
    var given: [ValueID] = []
    for (position, number) in floats.enumerated() {
      let update = scan.body.graph.updates.first { $0.leaf.role == .carried(number) }!
      results.append(nodes[update.value.rawValue])
      let leaf = joint.leaf(Leaf("d_carried\(position + 1)", .carried(position)), scan.body.carriedTypes[number])
      carriedLeaves.append(leaf)
      given.append(leaf)
    }
    let stackedValues =
      scan.body.graph.updates.compactMap { update -> (Int, ValueID)? in
        if case .stacked(let number) = update.leaf.role { (number, update.value) } else { nil }
      }.sorted { $0.0 < $1.0 }.map(\.1) + scan.saved.map { ValueID($0) }
    for (number, value) in stackedValues.enumerated() where cotangents[scan.carried + number] != nil {
      results.append(nodes[value.rawValue])
      given.append(joint.leaf(Leaf("d_stacked\(number + 1)", .stacked(number)), scan.body.graph.type(value)))
    }
    func isWanted(_ leaf: Leaf?, _ type: TensorType) -> Int? {
      guard case .captured(let operand)? = leaf?.role, wanted[operand], type.element.isFloat else { return nil }
      return operand
    }
    let body = scan.body.graph
    let slices = body.ids.filter { id in
      body[id].op is StepSlice && isWanted(body[body[id].operands[0]].leaf, body.type(id)) != nil
    }.map { nodes[$0.rawValue] }
    let wholes = body.ids.compactMap { id in isWanted(body[id].leaf, body.type(id)).map { (operand: $0, leaf: nodes[id.rawValue]) } }
    let begins = floats.map { number in
      body.ids.first { body[$0].leaf?.role == .carried(number) }.map { nodes[$0.rawValue] }
    }
    let found = try joint.gradients(
      of: results, cotangents: given, withRespectTo: begins.compactMap { $0 } + slices + wholes.map(\.leaf))
    var rest = found[...]
    carriedCotangents = begins.map { $0 == nil ? nil : rest.removeFirst() }
    for slice in slices { if let cotangent = rest.removeFirst() { sliceCotangents.append((slice, cotangent)) } }
    for whole in wholes { if let cotangent = rest.removeFirst() { wholeCotangents.append((whole.operand, cotangent)) } }
  }

  /// Builds both loops and gives the cotangents of operands, by their numbers.
  mutating func run(_ outer: inout GraphBuilder) throws -> [(operand: Int, cotangent: ValueID)] {
    var carried: [TensorType] = []
    for (position, number) in floats.enumerated() {
      carried.append(scan.body.carriedTypes[number])
      let leaf = joint.graph[carriedLeaves[position]].leaf!
      translated[carriedLeaves[position]] = round.leaf(leaf, carried[position])
    }
    for position in floats.indices {
      let next = try carriedCotangents[position].map { try translate($0) } ?? zeros(carried[position], &round)
      round.update(joint.graph[carriedLeaves[position]].leaf!, next)
    }
    // Cotangents of what the body reads slice by slice are handed out slice by slice.
    var slices: [(operand: Int, axis: Int, stack: Int)] = []
    for (slice, cotangent) in sliceCotangents {
      let node = joint.graph[slice]
      guard let op = node.op as? StepSlice, case .captured(let operand)? = joint.graph[node.operands[0]].leaf?.role else { continue }
      slices.append((operand, op.axis, try stack(cotangent, reversed: op.reversed)))
    }
    var hoisted: [(operand: Int, sum: Hoisted)] = []
    var sums: [(operand: Int, position: Int)] = []
    for (operand, cotangent) in wholeCotangents {
      if let sum = hoist(cotangent) {
        try prepare(sum)
        hoisted.append((operand, sum))
      } else {
        let type = joint.type(cotangent), leaf = Leaf("d_operand\(operand + 1)", .carried(carried.count))
        (round.path, round.isBackward) = (joint.graph[cotangent].path, true)
        round.update(leaf, try round.add(Add(), [round.leaf(leaf, type), translate(cotangent)]))
        sums.append((operand, carried.count))
        carried.append(type)
      }
    }
    return try assemble(&outer, carried, slices, hoisted, sums)
  }

  private mutating func assemble(
    _ outer: inout GraphBuilder, _ carried: [TensorType], _ slices: [(operand: Int, axis: Int, stack: Int)],
    _ hoisted: [(operand: Int, sum: Hoisted)], _ sums: [(operand: Int, position: Int)]
  ) throws -> [(operand: Int, cotangent: ValueID)] {
    for (number, stack) in stacked.enumerated() {
      round.update(Leaf("stack\(number + 1)", .stacked(number)), try translate(stack.value))
    }
    var forward = scan
    forward.saved = saved
    outer.isBackward = false
    let results = saved.isEmpty ? [] : try outer.elements(outer.add(forward, operands))
    outer.isBackward = true
    let own = scan.carried + scan.body.stackedTypes.count
    let captures = captured.map { capture in
      switch capture {
      case .operand(let number): operands[number]
      case .cotangent(let number): cotangents[number]!
      case .saved(let node): results[own + saved.firstIndex(of: node)!]
      }
    }
    let first = try carried.enumerated().map { position, type in
      let given = position < floats.count ? cotangents[floats[position]] : nil
      return try given ?? zeros(type, &outer)
    }
    guard !carried.isEmpty || !stacked.isEmpty else { return [] }
    let loop = Scan(
      rounds: scan.rounds, captured: captures.count,
      // The gradient's first round is the last forward one.
      reversed: stacked.indices.filter { !stacked[$0].reversed }, body: LoopBody(round.graph))
    let values = try outer.elements(outer.add(loop, captures + first))
    var answer: [(operand: Int, cotangent: ValueID)] = floats.indices.map { (scan.captured + floats[$0], values[$0]) }
    for (operand, axis, stack) in slices {
      let value = values[carried.count + stack]
      let from = joint.type(stacked[stack].value).stackingAxis
      var order = Array(outer.type(value).shape.indices)
      order.insert(order.remove(at: from), at: axis)
      answer.append((operand, order == order.sorted() ? value : try outer.add(Transpose(order), [value])))
    }
    for (operand, position) in sums { answer.append((operand, values[position])) }
    let stacks = Array(values[carried.count...])
    for (operand, sum) in hoisted { answer.append((operand, try evaluate(sum, stacks, results, &outer))) }
    return answer
  }

  private func zeros(_ type: TensorType, _ builder: inout GraphBuilder) throws -> ValueID {
    try builder.broadcast(builder.constant(0, type.element), to: type.shape)
  }

  // MARK: The round

  /// A value of `joint` as one of the gradient's round.
  private mutating func translate(_ id: ValueID) throws -> ValueID {
    if let known = translated[id] { return known }
    let node = joint.graph[id]
    let value: ValueID
    switch node.kind {
    case .leaf(let leaf):
      switch leaf.role {
      case .captured(let number): value = capture(.operand(number), node.types[0], leaf.name)
      case .stacked(let number): value = try slice(.cotangent(scan.carried + number), node.types[0], reversed: isReversed(number))
      case .table: value = round.leaf(leaf, node.types[0])
      default: value = try slice(save(id), node.types[0], reversed: false)
      }
    case .apply(let op, let inner):
      if var own = op as? StepSlice {
        own.reversed.toggle()
        let whole = try translate(inner[0])
        (round.path, round.isBackward) = (node.path, true)
        value = try round.add(own, [whole])
      } else if node.isBackward || isRemade(id) || bodyNode[id] == nil {
        let values = try inner.map { try translate($0) }
        (round.path, round.isBackward) = (node.path, true)
        value = try round.add(op, values)
      } else {
        value = try slice(save(id), node.types[0], reversed: false)
      }
    }
    translated[id] = value
    return value
  }

  private func isReversed(_ stack: Int) -> Bool { scan.reversed.contains(stack) }

  /// Whether a value is made again rather than saved: a view, or what no round changes.
  private func isRemade(_ id: ValueID) -> Bool {
    let node = joint.graph[id]
    guard let op = node.op else { return false }
    if node.types.count > 1 { return true }
    if !(op is Element), case .map(.element) = op.lowering(node.operands.map { joint.type($0) }, node.types) { return true }
    return isFixed(id)
  }

  private func isFixed(_ id: ValueID) -> Bool {
    let node = joint.graph[id]
    if let leaf = node.leaf { if case .carried = leaf.role { return false } else { return true } }
    return !(node.op is StepSlice) && node.operands.allSatisfy(isFixed)
  }

  private mutating func save(_ id: ValueID) -> Capture {
    let node = bodyNode[id]!
    if !saved.contains(node) { saved.append(node) }
    return .saved(node)
  }

  private mutating func capture(_ capture: Capture, _ type: TensorType, _ name: String) -> ValueID {
    let number = captured.firstIndex(of: capture) ?? captured.count
    if number == captured.count { captured.append(capture) }
    return round.leaf(Leaf(name, .captured(number)), type)
  }

  /// The slice that belongs to the forward round, of what is stacked in the order of the forward rounds, or reversed.
  private mutating func slice(_ whole: Capture, _ type: TensorType, reversed: Bool) throws -> ValueID {
    let name: String
    switch whole {
    case .operand(let number): name = "operand\(number + 1)"
    case .cotangent(let number): name = "d_result\(number + 1)"
    case .saved(let node): name = "saved\(node)"
    }
    let leaf = capture(whole, type.stacked(scan.rounds), name)
    round.isBackward = true
    return try round.add(StepSlice(axis: type.stackingAxis, counter: scan.body.counter!.name, reversed: !reversed), [leaf])
  }

  /// The number of the stack to which the gradient's loop hands out a value.
  private mutating func stack(_ value: ValueID, reversed: Bool) throws -> Int {
    let stack = Stack(value: value, reversed: reversed)
    if let known = stacked.firstIndex(of: stack) { return known }
    stacked.append(stack)
    return stacked.count - 1
  }

  // MARK: Sums over all rounds

  /// How the sum of a value over all rounds is computed outside the loop; nil where only a loop can.
  private func hoist(_ id: ValueID) -> Hoisted? {
    let node = joint.graph[id]
    guard let op = node.op, node.isBackward else { return nil }
    if op is Add, let a = hoist(node.operands[0]), let b = hoist(node.operands[1]) { return .add(a, b) }
    if let reshape = op as? Reshape { return hoist(node.operands[0]).map { .reshape(reshape.shape, $0) } }
    if let sum = op as? Sum, !sum.keepDims { return .sum(axes: sum.axes, node.operands[0]) }
    let types = node.operands.map { joint.type($0) }
    if case .contraction(let product) = op.lowering(types, node.types), product.transposeA, !product.transposeB, !product.batchedB,
      types.allSatisfy({ $0.rank == 2 })
    {
      return .product(op, node.operands[0], node.operands[1])
    }
    return nil
  }

  /// Sees to it that what a sum reads is handed out by one of the loops.
  private mutating func prepare(_ sum: Hoisted) throws {
    switch sum {
    case .product(_, let a, let b):
      try require(a)
      try require(b)
    case .sum(_, let x): try require(x)
    case .reshape(_, let inner): try prepare(inner)
    case .add(let a, let b):
      try prepare(a)
      try prepare(b)
    }
  }

  private mutating func require(_ id: ValueID) throws {
    if operandStack(of: id) != nil { return }
    if !joint.graph[id].isBackward, bodyNode[id] != nil { _ = save(id) } else { _ = try stack(id, reversed: false) }
  }

  /// The operand whose slices, in the order of the rounds and where stacks have them, the value is.
  private func operandStack(of id: ValueID) -> Int? {
    let node = joint.graph[id]
    guard let slice = node.op as? StepSlice, !slice.reversed, slice.axis == node.types[0].stackingAxis,
      case .captured(let number)? = joint.graph[node.operands[0]].leaf?.role
    else { return nil }
    return number
  }

  private func evaluate(_ sum: Hoisted, _ stacks: [ValueID], _ results: [ValueID], _ outer: inout GraphBuilder) throws -> ValueID {
    func whole(_ id: ValueID) -> ValueID {
      if let operand = operandStack(of: id) { return operands[operand] }
      if !joint.graph[id].isBackward, let node = bodyNode[id] {
        return results[scan.carried + scan.body.stackedTypes.count + saved.firstIndex(of: node)!]
      }
      return stacks[stacked.firstIndex(of: Stack(value: id, reversed: false))!]
    }
    /// The rows of all rounds as rows of one matrix.
    func rows(_ id: ValueID, _ outer: inout GraphBuilder) throws -> ValueID {
      let value = whole(id), shape = outer.type(value).shape
      return try outer.reshape(value, [Dimension.product(shape.prefix(2))!] + shape.dropFirst(2))
    }
    switch sum {
    case .product(let op, let a, let b): return try outer.add(op, [rows(a, &outer), rows(b, &outer)])
    case .sum(let axes, let x):
      let type = joint.type(x), rounds = type.stackingAxis
      let inner = axes.map { $0 < 0 ? $0 + type.rank : $0 }
      return try outer.sum(whole(x), axes: (inner.map { $0 < rounds ? $0 : $0 + 1 } + [rounds]).sorted())
    case .reshape(let shape, let inner): return try outer.reshape(evaluate(inner, stacks, results, &outer), shape)
    case .add(let a, let b): return try outer.add(Add(), [evaluate(a, stacks, results, &outer), evaluate(b, stacks, results, &outer)])
    }
  }
}
