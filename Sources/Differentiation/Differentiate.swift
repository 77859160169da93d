import Basics
import GraphIR

extension GraphBuilder {
  /// The gradients of a float scalar with respect to some values, as new nodes; nil where the loss does not depend on the value.
  ///
  /// Operators whose gradient is that of their expansion are expanded on the way; the expansion's nodes are those that the forward
  /// expansion builds, so hash-consing shares them between both directions. New nodes get the path of the node that they belong to.
  public mutating func gradients(of loss: ValueID, withRespectTo wanted: [ValueID]) throws -> [ValueID?] {
    guard type(loss).rank == 0, type(loss).element.isFloat else {
      throw Diagnostic("gradients need a scalar loss, got \(type(loss))")
    }
    return try gradients(of: [loss], cotangents: [constant(1, type(loss).element)], withRespectTo: wanted)
  }

  /// The vector-Jacobian product: sum over results k of cotangents[k] times the derivative of results[k], for each wanted value.
  public mutating func gradients(
    of results: [ValueID], cotangents: [ValueID], withRespectTo wanted: [ValueID]
  ) throws -> [ValueID?] {
    for (result, cotangent) in zip(results, cotangents) where type(result) != type(cotangent) {
      throw Diagnostic.bug("cotangent of type \(type(cotangent)) for a value of type \(type(result))")
    }
    let outer = (path, isBackward)
    defer { (path, isBackward) = outer }
    var pass = ReversePass(builder: self, wanted: Set(wanted))
    _ = try pass.run(from: results, cotangents: cotangents, boundary: [])
    self = pass.builder
    return wanted.map { pass.found[$0] }
  }
}

/// Reverse sweeps over one builder: cotangents grow from the results towards the wanted values.
struct ReversePass {
  var builder: GraphBuilder
  let wanted: Set<ValueID>
  /// Finished cotangents of wanted values.
  var found: [ValueID: ValueID] = [:]
  /// Whether a node depends on a wanted value, for all nodes seen so far.
  private(set) var depends: [Bool] = []
  /// Cotangents of the sweep under way, one for each value of a node.
  private var cotangents: [ValueID: [ValueID?]] = [:]

  init(builder: GraphBuilder, wanted: Set<ValueID>) {
    self.builder = builder
    self.wanted = wanted
  }

  /// Sweeps from `results` back to the values in `boundary` and gives the cotangents of these. A sweep through an expansion runs inside
  /// that of the graph around it, with cotangents of its own: a node that both contain is stepped once for each.
  mutating func run(from results: [ValueID], cotangents given: [ValueID], boundary: Set<ValueID>) throws -> [(ValueID, ValueID)] {
    let outer = cotangents
    defer { cotangents = outer }
    cotangents = [:]
    noteDependencies()
    for (result, cotangent) in zip(results, given) { try accumulate(cotangent, into: result, index: 0) }
    for id in region(of: results, boundary: boundary).reversed() where cotangents[id] != nil {
      if wanted.contains(id), let cotangent = cotangents[id]?[0] {
        builder.isBackward = true
        found[id] = try found[id].map { try builder.add(Add(), [$0, cotangent]) } ?? cotangent
      }
      try step(id)
    }
    return boundary.sorted().compactMap { id in cotangents[id]?[0].map { (id, $0) } }
  }

  /// The nodes between the boundary and the results that depend on a wanted value, in order.
  private func region(of results: [ValueID], boundary: Set<ValueID>) -> [ValueID] {
    var seen = boundary
    var stack = results
    var nodes: [ValueID] = []
    while let id = stack.popLast() {
      guard depends[id.rawValue], seen.insert(id).inserted else { continue }
      nodes.append(id)
      stack += builder.graph[id].operands
    }
    return nodes.sorted()
  }

  private mutating func noteDependencies() {
    for index in depends.count..<builder.graph.nodes.count {
      depends.append(wanted.contains(ValueID(index)) || builder.graph.nodes[index].operands.contains { depends[$0.rawValue] })
    }
  }

  /// Hands the cotangents of a node to its operands.
  private mutating func step(_ id: ValueID) throws {
    let node = builder.graph[id]
    guard case .apply(let op, let operands) = node.kind, let own = cotangents[id] else { return }
    guard operands.contains(where: { depends[$0.rawValue] }) else { return }
    builder.path = node.path
    if let element = op as? Element {
      if let cotangent = own[0] { try accumulate(cotangent, into: operands[0], index: element.index) }
      return
    }
    if let scan = op as? Scan { return try stepThrough(scan, operands, own, path: node.path) }
    builder.isBackward = false
    let results = try builder.elements(id)
    builder.isBackward = true
    let request = GradientRequest(operands: operands, results: results, cotangents: own)
    do {
      if let gradient = try op.gradient(request, &builder) {
        try distribute(gradient, to: operands, of: op, path: node.path)
      } else {
        try expand(op, request, node)
      }
    } catch let error as TypeError {
      throw Diagnostic.bug("gradient of operator '\(type(of: op).name)'\(place(node.path)): \(error.description)")
    }
  }

  private mutating func distribute(_ gradient: [ValueID?], to operands: [ValueID], of op: any Operator, path: String) throws {
    guard gradient.count == operands.count else {
      throw Diagnostic.bug("operator '\(type(of: op).name)' gives \(gradient.count) cotangents for \(operands.count) operands")
    }
    for (operand, cotangent) in zip(operands, gradient) where depends[operand.rawValue] {
      guard let cotangent else { continue }
      guard builder.type(cotangent) == builder.type(operand) else {
        throw Diagnostic.bug(
          "operator '\(type(of: op).name)'\(place(path)) gives a cotangent of type \(builder.type(cotangent)) for an operand of type "
            + "\(builder.type(operand))")
      }
      try accumulate(cotangent, into: operand, index: 0)
    }
  }

  /// Differentiates through the expansion of a composite, which is built in place.
  private mutating func expand(_ op: any Operator, _ request: GradientRequest, _ node: Node) throws {
    let types = request.operands.map { builder.type($0) }
    guard case .composite(let build) = op.lowering(types, node.types) else {
      throw Diagnostic(
        "operator '\(type(of: op).name)'\(place(node.path)) has no gradient, and the loss depends on a parameter through it",
        kind: .unsupported)
    }
    builder.isBackward = node.isBackward
    let results = try build(&builder, request.operands)
    let reached = zip(results, request.cotangents).filter { $0.1 != nil }
    for (operand, cotangent) in try run(
      from: reached.map(\.0), cotangents: reached.map { $0.1! }, boundary: Set(request.operands))
    { try accumulate(cotangent, into: operand, index: 0) }
  }

  /// Adds to the cotangent of value `index` of a node.
  mutating func accumulate(_ cotangent: ValueID, into value: ValueID, index: Int) throws {
    guard depends[value.rawValue] else { return }
    var slots = cotangents[value] ?? Array(repeating: nil, count: builder.graph[value].types.count)
    builder.isBackward = true
    slots[index] = try slots[index].map { try builder.add(Add(), [$0, cotangent]) } ?? cotangent
    cotangents[value] = slots
  }

  private func place(_ path: String) -> String { path.isEmpty ? "" : " in layer '\(path)'" }
}
