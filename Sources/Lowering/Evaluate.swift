import Basics
import GraphIR
import LoopIR

extension Graph {
  /// Elements that `evaluate` computes at most, those on the way included.
  private static let largestEvaluation = 0x1p24

  /// The value of a node at compile time, by the interpreter: nil where it depends on a leaf that `known` does not tell. Shapes with symbols
  /// take the given values. Meant for shape arithmetic and small constants; `known` is asked for leaves other than tables, and may tell
  /// values of inner nodes too, which are then not computed again.
  public func evaluate(
    _ value: ValueID, symbols values: [String: Int] = [:], known: (ValueID) throws -> HostTensor?
  ) throws -> HostTensor? {
    guard let cone = try cone(of: value, symbols: values, known: known) else { return nil }
    // What is larger stays a computation: the interpreter is slow, and a file of a few bytes may ask for terabytes.
    guard cone.elements(values) <= Self.largestEvaluation else { return nil }
    let type = cone.type(cone.outputs[0].value)
    let shape = type.shape.map { $0.coefficient * ($0.symbol.map { values[$0]! } ?? 1) }
    let bytes = shape.reduce(type.element.size, *)
    if bytes == 0 { return HostTensor(type.element, shape, bytes: []) }
    if case .table(let tensor)? = cone[cone.outputs[0].value].leaf?.role { return tensor }
    var model = Model(name: "constant", element: .f32, symbols: cone.symbols)
    model.outputs = [Port(name: "value", element: type.element, dims: shape, isBatched: false)]
    model.graphs = [cone]
    let program = try lower(model, options: LoweringOptions(usesBLAS: false))
    var memory: [Block: [UInt8]] = [.output(0): [UInt8](repeating: 0, count: bytes)]
    guard try Interpreter(program).run("constant", memory: &memory, symbols: values) == 0 else { return nil }
    return HostTensor(type.element, shape, bytes: memory[.output(0)]!)
  }

  /// The elements that the nodes compute, in each round of a loop.
  private func elements(_ symbols: [String: Int]) -> Double {
    nodes.filter { $0.leaf == nil }.reduce(0) { sum, node in
      let own = node.types.reduce(0.0) { sum, type in
        sum + type.shape.reduce(1.0) { $0 * Double($1.coefficient * ($1.symbol.flatMap { symbols[$0] } ?? 1)) }
      }
      let loop = (node.op as? Scan).map { Double($0.rounds) * $0.body.graph.elements(symbols) } ?? 0
      return sum + own + loop
    }
  }

  /// What `root` is computed from, as a graph of its own with known values as tables; nil where something in it is not known.
  private func cone(of root: ValueID, symbols values: [String: Int], known: (ValueID) throws -> HostTensor?) throws -> Graph? {
    var tables: [ValueID: HostTensor] = [:]
    var live = Set<ValueID>()
    var pending = [root]
    while let id = pending.popLast() {
      guard live.insert(id).inserted else { continue }
      if case .table? = self[id].leaf?.role { continue }
      if let tensor = try known(id) {
        tables[id] = tensor
      } else if self[id].leaf != nil {
        return nil
      } else {
        guard try self[id].symbols().isSubset(of: values.keys) else { return nil }
        pending += self[id].operands
      }
    }
    var result = Graph(name: "constant", symbols: values.map { Symbol(name: $0.key, maximum: $0.value) })
    var mapped: [ValueID: ValueID] = [:]
    for id in live.sorted() {
      var node = self[id]
      if let tensor = tables[id] {
        // One leaf for each value: equal tables of different nodes are told apart by their names.
        node = Node(.leaf(Leaf("value\(id.rawValue)", .table(tensor))), types: [tensor.type])
      } else if case .apply(let op, let operands) = node.kind {
        node.kind = .apply(op, operands.map { mapped[$0]! })
      }
      mapped[id] = ValueID(result.nodes.count)
      result.nodes.append(node)
    }
    result.outputs = [GraphOutput("value", mapped[root]!)]
    return result
  }
}

extension Node {
  /// The symbols that its types and its operator's attributes name.
  fileprivate func symbols() throws -> Set<String> {
    var symbols = Set(types.flatMap(\.shape).compactMap(\.symbol))
    func collect(_ attribute: Attribute) {
      switch attribute {
      case .dimension(let dimension): if let symbol = dimension.symbol { symbols.insert(symbol) }
      case .type(let type): symbols.formUnion(type.shape.compactMap(\.symbol))
      case .list(let items): items.forEach(collect)
      case .graph(let body): symbols.formUnion(body.graph.symbols.filter { !$0.isCounter }.map(\.name))
      case .integer, .unsigned, .number, .bool, .word: break
      }
    }
    try op?.attributes().forEach { collect($0.value) }
    return symbols
  }
}
