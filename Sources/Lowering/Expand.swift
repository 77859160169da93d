import Basics
import GraphIR
import LoopIR

/// Rewrites a graph into what loops are made of: composites become their parts, unreachable nodes go, and contractions take a form that
/// register tiles can run (operand B row-major with neighbouring columns side by side; an outer product is pointwise);
/// each convolution gets its method and its filter in that method's order.
///
///     %2 = softmax(%1)                          =>  max, subtract, exp, sum, divide
///     %3 = matmul(%1, %2, transpose_b: true)    =>  %t = transposed_copy(%2); %3 = matmul(%1, %t)
public func expand(_ graph: Graph, options: LoweringOptions = LoweringOptions()) throws -> Graph {
  var pass = Expansion(source: graph, options: options)
  return try pass.run()
}

private struct Expansion {
  let source: Graph
  let options: LoweringOptions
  var builder: GraphBuilder
  /// What a node became; several values where it was a composite with as many results.
  var mapped: [ValueID: [ValueID]] = [:]

  /// From this many elements on a transposed operand B is left to the BLAS library, which packs it as it goes; below, it is copied for
  /// register tiles. Estimated, not measured: only the 512 x 256 matrix of one network was tried both ways, where the library took less.
  static let largeTransposed = 1 << 14

  /// A loop without what is handed out of it beside its results.
  private struct LoopKey: Hashable {
    var scan: Scan
    var operands: [ValueID]

    init(_ scan: Scan, _ operands: [ValueID]) {
      (self.scan, self.operands) = (scan, operands)
      self.scan.saved = []
    }
  }

  /// What all loops that are one hand out together.
  private var saved: [LoopKey: Set<Int>] = [:]

  init(source: Graph, options: LoweringOptions) {
    self.source = source
    self.options = options
    builder = GraphBuilder(name: source.name, symbols: source.symbols)
  }

  mutating func run() throws -> Graph {
    let live = source.reachable()
    for id in source.ids where live.contains(id) {
      guard case .apply(let op, let operands) = source[id].kind, let scan = op as? Scan else { continue }
      saved[LoopKey(scan, operands), default: []].formUnion(scan.saved)
    }
    for id in source.ids where live.contains(id) { mapped[id] = try rewrite(source[id]) }
    var taken = Set<ValueID>()
    for (index, output) in source.outputs.enumerated() {
      let value = mapped[output.value]![0]
      let isFresh = taken.insert(origin(value)).inserted && !(builder.graph[origin(value)].op is Element)
      builder.output(output.name, isFresh ? try computed(value) : try builder.add(Copy(number: index + 1), [value]))
    }
    for update in source.updates { builder.update(update.leaf, try computed(mapped[update.value]![0]), update.mode) }
    for requirement in source.requirements { builder.require(finite: mapped[requirement]![0]) }
    let live2 = builder.graph.reachable()
    return live2.count == builder.graph.nodes.count ? builder.graph : try removingDeadNodes(builder.graph)
  }

  /// The value whose memory this is under another shape.
  private func origin(_ id: ValueID) -> ValueID {
    var id = id
    while builder.graph[id].op is Reshape { id = builder.graph[id].operands[0] }
    return id
  }

  /// A result that is only a leaf under another shape is copied.
  private mutating func computed(_ id: ValueID) throws -> ValueID {
    builder.graph[origin(id)].leaf == nil ? id : try builder.add(Copy(number: 0), [id])
  }

  private mutating func rewrite(_ node: Node) throws -> [ValueID] {
    builder.path = node.path
    builder.isBackward = node.isBackward
    switch node.kind {
    case .leaf(let leaf): return [builder.leaf(leaf, node.types[0])]
    case .apply(let op, let operands):
      if let scan = op as? Scan { return try buildLoop(scan, operands) }
      return try build(op, operands.map { mapped[$0]! })
    }
  }

  /// The results of a loop that is computed once for all that read it.
  private mutating func buildLoop(_ scan: Scan, _ operands: [ValueID]) throws -> [ValueID] {
    let all = saved[LoopKey(scan, operands)]!.sorted()
    var whole = scan
    whole.saved = all
    let values = operands.map { mapped[$0]![0] }
    let results = try builder.elements(try expandLoop(whole, values, options: options, in: &builder))
    let own = scan.carried + scan.body.stackedTypes.count
    return Array(results.prefix(own)) + scan.saved.map { results[own + all.firstIndex(of: $0)!] }
  }

  private mutating func build(_ op: any Operator, _ operands: [[ValueID]]) throws -> [ValueID] {
    if let element = op as? Element, operands[0].count > 1 { return [operands[0][element.index]] }
    return try build(op, operands.map { $0[0] })
  }

  /// Adds an operator, expanded as far as it goes. Expansions are built in the same builder, so their nodes are expanded by
  /// rebuilding: a composite's parts may themselves be composites.
  private mutating func build(_ op: any Operator, _ operands: [ValueID]) throws -> [ValueID] {
    let types = operands.map { builder.type($0) }
    if let filled = try buildEmpty(op, types) { return filled }
    switch op.lowering(types, try op.resultTypes(types)) {
    case .composite(let expansion):
      var inner = GraphBuilder(name: source.name, symbols: source.symbols)
      let leaves = operands.enumerated().map { inner.leaf(Leaf("x\($0.offset)", .input($0.offset)), builder.type($0.element)) }
      let results = try expansion(&inner, leaves)
      var values = Dictionary(zip(leaves, operands.map { [$0] }), uniquingKeysWith: { first, _ in first })
      let live = inner.graph.reachable(from: results)
      for id in inner.graph.ids where live.contains(id) && values[id] == nil {
        guard case .apply(let part, let partOperands) = inner.graph[id].kind else { continue }
        values[id] = try build(part, partOperands.map { values[$0]! })
      }
      return results.map { values[$0]![0] }
    case .contraction(let contraction):
      return [try buildContraction(op, contraction, operands)]
    case .convolution(let convolution):
      return [try planConvolution(convolution, operands, result: op.resultTypes(types)[0], options: options, in: &builder)]
    case .loop(let scan):
      return try builder.elements(try expandLoop(scan, operands, options: options, in: &builder))
    default:
      return [try builder.add(op, operands)]
    }
  }

  /// What is computed from nothing: an empty result, or a reduction or contraction over no terms; nil for everything else.
  private mutating func buildEmpty(_ op: any Operator, _ types: [TensorType]) throws -> [ValueID]? {
    let results = try op.resultTypes(types)
    if results.allSatisfy(\.isEmpty) { return try results.map { try builder.add(Fill(combiner: .sum, type: $0), []) } }
    guard results.count == 1, let result = results.first, types.contains(where: \.isEmpty) else { return nil }
    switch op.lowering(types, results) {
    case .reduction(let reduction) where TensorType(result.element, reduction.extents).isEmpty:
      return [try builder.add(Fill(combiner: reduction.combiner, type: result), [])]
    case .contraction: return [try builder.add(Fill(combiner: .sum, type: result), [])]
    default: return nil
    }
  }

  private mutating func buildContraction(_ op: any Operator, _ contraction: Contraction, _ operands: [ValueID]) throws -> ValueID {
    let (a, b) = (builder.type(operands[0]), builder.type(operands[1]))
    let k = a.shape[a.rank - (contraction.transposeA ? 2 : 1)]
    let result = try op.resultTypes([a, b])[0]
    if k == 1 {
      return try builder.add(OuterProduct(contraction: contraction, result: result), operands)
    }
    if result.shape.last == 1, !contraction.transposeA, !contraction.batchedB {
      return try builder.add(RowDots(terms: k, transposeB: contraction.transposeB, result: result), operands)
    }
    if let packed = try buildPackedProduct(contraction, operands, result: result, options: options, in: &builder) { return packed }
    let normal = NormalContraction(transposeA: contraction.transposeA, transposeB: false, batchedB: contraction.batchedB, result: result)
    // One column: C = A b is C^T = b^T A^T, the same memory; then A's rows are the neighbouring elements.
    if result.shape.last == 1, contraction.transposeA, !contraction.batchedB, b.rank == 2, a.rank == 2 {
      let m = a.shape[1]
      let row = TensorType(result.element, [1, m])
      let bColumn = try builder.reshape(operands[1], contraction.transposeB ? b.shape : [k, 1])
      let flipped = NormalContraction(transposeA: !contraction.transposeB, transposeB: false, batchedB: false, result: row)
      if m.constant != nil { return try builder.reshape(builder.add(flipped, [bColumn, operands[0]]), result.shape) }
    }
    guard contraction.transposeB else { return try builder.add(normal, operands) }
    if options.usesBLAS, result.element.isFloat, a.rank == 2, b.rank == 2, b.count.symbol == nil,
      b.count.coefficient >= Self.largeTransposed
    {
      return try builder.add(
        NormalContraction(transposeA: contraction.transposeA, transposeB: true, batchedB: false, result: result), operands)
    }
    // [n, k] with n or k of 1 is [k, n] already.
    var shape = b.shape
    shape.swapAt(b.rank - 1, b.rank - 2)
    let straight =
      b.shape[b.rank - 1] == 1 || b.shape[b.rank - 2] == 1
      ? try builder.reshape(operands[1], shape) : try builder.add(TransposedCopy(), [operands[1]])
    return try builder.add(normal, [operands[0], straight])
  }
}

extension Graph {
  /// The nodes that `values` (by default: outputs, updates, requirements) depend on, themselves included.
  func reachable(from values: [ValueID]? = nil) -> Set<ValueID> {
    var seen = Set<ValueID>()
    var pending = values ?? roots
    while let id = pending.popLast() { if seen.insert(id).inserted { pending += self[id].operands } }
    return seen
  }
}

/// The same graph without nodes that nothing needs.
private func removingDeadNodes(_ graph: Graph) throws -> Graph {
  let live = graph.reachable()
  var result = Graph(name: graph.name, symbols: graph.symbols)
  var mapped: [ValueID: ValueID] = [:]
  for id in graph.ids where live.contains(id) {
    var node = graph[id]
    if case .apply(let op, let operands) = node.kind { node.kind = .apply(op, operands.map { mapped[$0]! }) }
    mapped[id] = ValueID(result.nodes.count)
    result.nodes.append(node)
  }
  result.outputs = graph.outputs.map { GraphOutput($0.name, mapped[$0.value]!) }
  result.updates = graph.updates.map { Update($0.leaf, mapped[$0.value]!, $0.mode) }
  result.requirements = graph.requirements.map { mapped[$0]! }
  return result
}

/// A contraction in one of the forms that loops are made for: operand B is [k, n] row major for register tiles, or [n, k] for a gemm call.
struct NormalContraction: Operator {
  static let name = "matmul"
  static let operandNames = ["a", "b"]
  static let formula = "c[m, n] = sum over k of a[m, k] b[k, n]"
  static let examples: [OperatorExample] = []
  var transposeA: Bool
  var transposeB: Bool
  var batchedB: Bool
  var result: TensorType

  func resultTypes(_ operands: [TensorType]) throws -> [TensorType] { [result] }

  func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    .contraction(Contraction(transposeA: transposeA, transposeB: transposeB, batchedB: batchedB))
  }
}

/// A contraction over a single term: pointwise.
struct OuterProduct: Operator {
  static let name = "matmul"
  static let operandNames = ["a", "b"]
  static let formula = "c[m, n] = a[m] b[n]"
  static let examples: [OperatorExample] = []
  var transposeA: Bool
  var transposeB: Bool
  var batchedB: Bool
  var result: TensorType

  init(contraction: Contraction, result: TensorType) {
    transposeA = contraction.transposeA
    transposeB = contraction.transposeB
    batchedB = contraction.batchedB
    self.result = result
  }

  func resultTypes(_ operands: [TensorType]) throws -> [TensorType] { [result] }

  func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    let rank = result.rank
    let batch = (0..<(rank - 2)).map { Index.variable("i\($0)") }
    let (m, n) = (Index.variable("i\(rank - 2)"), Index.variable("i\(rank - 1)"))
    let zero = Index.constant(0)
    let a = Scalar.element(0, batch + (transposeA ? [zero, m] : [m, zero]))
    let b = Scalar.element(1, (batchedB ? batch : []) + (transposeB ? [n, zero] : [zero, n]))
    return .map(a * b)
  }
}

/// The last two axes exchanged, as a buffer of its own.
struct TransposedCopy: Operator {
  static let name = "transpose"
  static let operandNames = ["x"]
  static let formula = "y[j, i] = x[i, j]"
  static let examples: [OperatorExample] = []

  func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    var type = operands[0]
    type.shape.swapAt(type.rank - 1, type.rank - 2)
    return [type]
  }

  func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    var indices = (0..<results[0].rank).map { Index.variable("i\($0)") }
    indices.swapAt(indices.count - 1, indices.count - 2)
    return .map(.element(0, indices))
  }
}

/// Products of the rows of a matrix with one vector: sums along memory.
struct RowDots: Operator {
  static let name = "matmul"
  static let operandNames = ["a", "b"]
  static let formula = "c[m] = sum over k of a[m, k] b[k]"
  static let examples: [OperatorExample] = []
  var terms: Dimension
  var transposeB: Bool
  var result: TensorType

  func resultTypes(_ operands: [TensorType]) throws -> [TensorType] { [result] }

  func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    let k = Index.variable("r0")
    let rows = (0..<(result.rank - 1)).map { Index.variable("i\($0)") }
    return .reduction(
      Reduction(.sum, extents: [terms], body: .element(0, rows + [k]) * .element(1, transposeB ? [.constant(0), k] : [k, .constant(0)])))
  }
}

/// A combination of no terms: the neutral element everywhere.
struct Fill: Operator {
  static let name = "fill"
  static let operandNames: [String] = []
  static let formula = "y = the neutral element"
  static let examples: [OperatorExample] = []
  var combiner: Reduction.Combiner
  var type: TensorType

  func resultTypes(_ operands: [TensorType]) throws -> [TensorType] { [type] }

  func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering { .map(combiner.neutral(type.element)) }
}

/// The same values in a buffer of their own.
struct Copy: Operator {
  static let name = "copy"
  static let operandNames = ["x"]
  static let formula = "y = x"
  static let examples: [OperatorExample] = []
  /// Keeps copies for different outputs apart.
  var number: Int

  func resultTypes(_ operands: [TensorType]) throws -> [TensorType] { operands }

  func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering { .map(.operand(0, rank: results[0].rank)) }
}
