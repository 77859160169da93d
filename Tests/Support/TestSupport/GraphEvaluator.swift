import Basics
import GraphIR
import LoopIR

/// Evaluates graphs by the lowerings of their operators, one node after the other: slow, and without any pass of the compiler.
struct GraphEvaluator {
  /// The values of symbols.
  var symbols: [String: Int] = [:]

  /// The values of an operator applied to tensors whose sizes are all known.
  func apply(_ op: any Operator, _ operands: [Tensor]) throws -> [Tensor] {
    let types = operands.map(\.type)
    return try apply(op, operands, types, op.resultTypes(types))
  }

  /// The value of each node, given those of the leaves.
  func run(_ graph: Graph, leaves: [Leaf: Tensor]) throws -> [ValueID: [Tensor]] {
    var values: [ValueID: [Tensor]] = [:]
    for id in graph.ids {
      switch graph[id].kind {
      case .leaf(let leaf):
        if case .table(let tensor) = leaf.role {
          values[id] = [Tensor(tensor.element, tensor.shape, bytes: tensor.bytes)]
          continue
        }
        guard let value = leaves[leaf] else { throw EvaluationError("no value for \(leaf)") }
        values[id] = [value]
      case .apply(let op, let operands):
        if let element = op as? Element {
          values[id] = [values[operands[0]]![element.index]]
        } else {
          values[id] = try apply(op, operands.map { values[$0]![0] }, operands.map { graph.type($0) }, graph[id].types)
        }
      }
    }
    return values
  }

  private func size(_ dimension: Dimension) throws -> Int {
    guard let symbol = dimension.symbol else { return dimension.coefficient }
    guard let value = symbols[symbol] else { throw EvaluationError("no value for symbol \(symbol)") }
    return value * dimension.coefficient
  }

  private func apply(_ op: any Operator, _ operands: [Tensor], _ types: [TensorType], _ results: [TensorType]) throws -> [Tensor] {
    var evaluator = ScalarEvaluator(operands: operands, indices: symbols)
    let shape = try results[0].shape.map(size)
    switch op.lowering(types, results) {
    case .map(let scalar):
      return [
        try tensor(results[0], shape, &evaluator) { try $0.value(scalar) }
      ]
    case .reduction(let reduction):
      let inner = positions(try reduction.extents.map(size))
      return [
        try tensor(results[0], shape, &evaluator) { evaluator in
          var total = reduction.combiner.start(results[0].element)
          for position in inner {
            for (axis, value) in position.enumerated() { evaluator.indices["r\(axis)"] = value }
            total = try evaluator.binary(reduction.combiner.operation, total, evaluator.value(reduction.body))
          }
          return total
        }
      ]
    case .contraction(let contraction): return [try contract(contraction, operands[0], operands[1], results[0].element, shape)]
    case .convolution(let convolution): return [convolve(convolution, operands[0], operands[1], results[0].element, shape)]
    case .composite(let build): return try expand(build, operands, types)
    case .custom(let loops): return try run(loops, operands, results, &evaluator)
    case .loop(let scan): return try run(scan, operands, results)
    }
  }

  /// Round after round; slices are put together at the end.
  private func run(_ scan: Scan, _ operands: [Tensor], _ results: [TensorType]) throws -> [Tensor] {
    let body = scan.body.graph
    let stackedNodes =
      body.updates.compactMap { update -> (Int, ValueID)? in
        if case .stacked(let number) = update.leaf.role { (number, update.value) } else { nil }
      }.sorted { $0.0 < $1.0 }.map(\.1) + scan.saved.map { ValueID($0) }
    var carried = Array(operands.dropFirst(scan.captured))
    var slices: [[Tensor]] = Array(repeating: [], count: stackedNodes.count)
    for round in 1...scan.rounds {
      var evaluator = self
      evaluator.symbols[scan.body.counter!.name] = round
      var leaves: [Leaf: Tensor] = [:]
      for node in body.nodes {
        switch node.leaf?.role {
        case .captured(let number)?: leaves[node.leaf!] = operands[number]
        case .carried(let number)?: leaves[node.leaf!] = carried[number]
        default: break
        }
      }
      let values = try evaluator.run(body, leaves: leaves)
      for update in body.updates { if case .carried(let number) = update.leaf.role { carried[number] = values[update.value]![0] } }
      for (number, node) in stackedNodes.enumerated() { slices[number].append(values[node]![0]) }
    }
    let stacks = zip(slices, stackedNodes).enumerated().map { number, pair -> Tensor in
      let (slices, axis) = (scan.reversed.contains(number) ? pair.0.reversed() : pair.0, body.type(pair.1).stackingAxis)
      let outer = slices[0].shape[..<axis].reduce(1, *), inner = slices[0].values.count / max(1, outer)
      var shape = slices[0].shape
      shape.insert(slices.count, at: axis)
      let values = (0..<outer).flatMap { row in slices.flatMap { $0.values[(row * inner)..<((row + 1) * inner)] } }
      return Tensor(slices[0].element, shape, values)
    }
    return carried + stacks
  }

  private func tensor(
    _ type: TensorType, _ shape: [Int], _ evaluator: inout ScalarEvaluator, _ element: (inout ScalarEvaluator) throws -> Literal
  ) throws -> Tensor {
    let values = try positions(shape).map { position -> UInt64 in
      for (axis, value) in position.enumerated() { evaluator.indices["i\(axis)"] = value }
      let value = try element(&evaluator)
      guard value.element == type.element else { throw EvaluationError("an element is \(value.element) in \(type)") }
      return value.bits
    }
    return Tensor(type.element, shape, values)
  }

  private func contract(
    _ contraction: Contraction, _ a: Tensor, _ b: Tensor, _ element: ElementType, _ shape: [Int]
  ) throws -> Tensor {
    let terms = a.shape[a.shape.count - (contraction.transposeA ? 2 : 1)]
    let evaluator = ScalarEvaluator()
    let values = try positions(shape).map { position -> UInt64 in
      let batch = Array(position.dropLast(2))
      let (m, n) = (position[position.count - 2], position[position.count - 1])
      var total = Reduction.Combiner.sum.start(element)
      for k in 0..<terms {
        let x = a.values[try a.offset(batch + (contraction.transposeA ? [k, m] : [m, k]))]
        let y = b.values[try b.offset((contraction.batchedB ? batch : []) + (contraction.transposeB ? [n, k] : [k, n]))]
        total = try evaluator.binary(.add, total, evaluator.binary(.mul, Literal(bits: x, element), Literal(bits: y, element)))
      }
      return total.bits
    }
    return Tensor(element, shape, values)
  }

  /// Summed in double precision and rounded once.
  private func convolve(_ convolution: Convolution, _ a: Tensor, _ b: Tensor, _ element: ElementType, _ shape: [Int]) -> Tensor {
    let (left, right) = (a.doubles, b.doubles)
    var sums = Array(repeating: 0.0, count: shape.reduce(1, *))
    switch convolution.direction {
    case .forward: forEachTerm(of: convolution, x: a.shape, w: b.shape, y: shape) { sums[$2] += left[$0] * right[$1] }
    case .inputGradient: forEachTerm(of: convolution, x: shape, w: b.shape, y: a.shape) { sums[$0] += left[$2] * right[$1] }
    case .filterGradient: forEachTerm(of: convolution, x: a.shape, w: shape, y: b.shape) { sums[$1] += left[$0] * right[$2] }
    }
    return Tensor(element, shape, sums.map { Scalar.constant($0, element).literalBits })
  }

  private func expand(
    _ build: (inout GraphBuilder, [ValueID]) throws -> [ValueID], _ operands: [Tensor], _ types: [TensorType]
  ) throws -> [Tensor] {
    var builder = GraphBuilder(name: "expansion", symbols: symbols.map { Symbol(name: $0.key, maximum: $0.value) })
    let leaves = operands.indices.map { Leaf("x\($0)", .input($0)) }
    let inputs = zip(leaves, types).map { builder.leaf($0, $1) }
    let results = try build(&builder, inputs)
    let values = try run(builder.graph, leaves: Dictionary(uniqueKeysWithValues: zip(leaves, operands)))
    return results.map { values[$0]![0] }
  }

  private func run(
    _ loops: CustomLoops, _ operands: [Tensor], _ results: [TensorType], _ evaluator: inout ScalarEvaluator
  ) throws -> [Tensor] {
    let shapes = try results.map { try $0.shape.map(size) }
    for (k, operand) in operands.enumerated() {
      evaluator.buffers["x\(k)"] = Tensor(operand.element, [operand.count], operand.values)
    }
    for (k, shape) in shapes.enumerated() {
      let count = shape.reduce(1, *)
      // What a body forgets to write shows.
      evaluator.buffers["y\(k)"] = Tensor(results[k].element, [count], Array(repeating: 0x7F, count: count))
    }
    for position in positions(try loops.outer(results).map(size)) {
      for (axis, value) in position.enumerated() { evaluator.indices["i\(axis)"] = value }
      try evaluator.run(loops.body)
    }
    return results.indices.map { Tensor(results[$0].element, shapes[$0], evaluator.buffers["y\($0)"]!.values) }
  }
}

extension Reduction.Combiner {
  var operation: BinaryOperation {
    switch self {
    case .sum: .add
    case .product: .mul
    case .max: .max
    case .min: .min
    }
  }

  /// What changes nothing.
  func start(_ element: ElementType) -> Literal {
    let value =
      switch self {
      case .sum: 0.0
      case .product: 1.0
      case .max: -Double.infinity
      case .min: Double.infinity
      }
    return Literal(bits: Arithmetic.cast(value.bitPattern, from: .f64, to: element), element)
  }
}
