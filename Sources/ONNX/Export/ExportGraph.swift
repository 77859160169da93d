import Basics
import GraphIR
import LoopIR
import Lowering

/// A graph as ONNX nodes, node by node by its operators' own rules (`Operator.exportONNX`); an operator without one is expanded first.
struct GraphExport {
  private let graph: Graph
  var call: ONNXCall
  private var values: [ValueID: [ONNXTensor]] = [:]
  /// Tensors whose names are given: inputs, parameters and running statistics.
  private var leaves: Set<String> = []
  /// The numbers of the rounds of loops around, by their counters.
  var rounds: [String: ONNXTensor] = [:]
  /// The names of the outputs, in the graph's order. One differs from the model's where an input or a parameter has it.
  private(set) var outputNames: [String] = []

  /// What was written.
  var writer: ONNXWriter { call.writer }
  /// The types of inputs, parameters and running statistics that are used, by name.
  private(set) var leafTypes: [String: TensorType] = [:]

  /// Writes what the outputs of the graph depend on.
  init(_ graph: Graph, inputs: [Port]) throws {
    self.graph = graph
    let ports = inputs.map { ONNXTensor(name: $0.name, element: $0.element, shape: Self.shape(of: $0)) }
    let parameters = graph.nodes.compactMap { $0.leaf.flatMap { Self.isParameter($0) ? $0.name : nil } }
    leaves = Set(ports.map(\.name) + parameters)
    call = ONNXCall(writer: ONNXWriter(inputs: ports, reserved: parameters + graph.outputs.map(\.name)))
    var live = Set<ValueID>()
    var pending = graph.outputs.map(\.value)
    while let id = pending.popLast() { if live.insert(id).inserted { pending += graph[id].operands } }
    for id in graph.ids where live.contains(id) { values[id] = try export(id) }
    try nameOutputs()
  }

  /// The shape of a port's tensor.
  static func shape(of port: Port) -> Shape { (port.isBatched ? [.batch] : []) + port.dims.map { Dimension($0) } }

  private static func isParameter(_ leaf: Leaf) -> Bool {
    switch leaf.role {
    case .parameter, .state: true
    default: false
    }
  }

  // MARK: Nodes

  private mutating func export(_ id: ValueID) throws -> [ONNXTensor] {
    let node = graph[id]
    call.writer.path = node.path
    switch node.kind {
    case .leaf(let leaf): return [try export(leaf, node.types[0])]
    case .apply(let op, let operands):
      return try export(op, operands.map { values[$0]! }, operands.map { graph[$0].types }, node.types)
    }
  }

  mutating func export(_ leaf: Leaf, _ type: TensorType) throws -> ONNXTensor {
    switch leaf.role {
    case .table(let tensor): return call.writer.constant(tensor)
    case .input, .parameter, .state:
      leafTypes[leaf.name] = type
      return ONNXTensor(name: leaf.name, element: type.element, shape: type.shape)
    case .target, .weights, .gradient, .prepared, .memory, .segment, .control, .captured, .carried, .stacked:
      throw Diagnostic("'\(leaf.name)' is no tensor of an ONNX graph", kind: .unsupported)
    }
  }

  mutating func export(
    _ op: any Operator, _ operands: [[ONNXTensor]], _ types: [[TensorType]], _ results: [TensorType]
  ) throws -> [ONNXTensor] {
    if let element = op as? Element { return [operands[0][element.index]] }
    if let slice = op as? StepSlice { return try export(slice, call.writer.expand(operands[0][0], to: types[0][0].shape), results[0]) }
    if let scan = op as? Scan {
      return try export(scan, zip(operands, types).map { try call.writer.expand($0[0], to: $1[0].shape) })
    }
    let path = call.writer.path
    call.inputs = operands.map { $0[0] }
    call.operands = types.map { $0[0] }
    call.results = results
    do {
      if let written = try op.exportONNX(&call) { return written }
    } catch var error as Diagnostic {
      error.message = "\(Self.place(path, op)): \(error.message)"
      throw error
    } catch let error as TypeError {
      throw Diagnostic.bug("\(Self.place(path, op)): \(error.description)")
    }
    let operandTypes = types.map { $0[0] }
    if case .composite(let expansion) = op.lowering(operandTypes, results) { return try expand(expansion, operands, operandTypes) }
    if let constant = try evaluate(op, operands.map { $0[0] }, operandTypes) { return [constant] }
    throw Diagnostic("\(Self.place(path, op)) cannot be written as ONNX", kind: .unsupported)
  }

  private static func place(_ path: String, _ op: any Operator) -> String {
    (path.isEmpty ? "" : "layer '\(path)': ") + "operator '\(type(of: op).name)'"
  }

  /// A composite: its parts one by one, which may be composites themselves.
  private mutating func expand(
    _ expansion: (inout GraphBuilder, [ValueID]) throws -> [ValueID], _ operands: [[ONNXTensor]], _ types: [TensorType]
  ) throws -> [ONNXTensor] {
    var inner = GraphBuilder(name: graph.name, symbols: graph.symbols)
    let leaves = types.enumerated().map { inner.leaf(Leaf("x\($0.offset)", .input($0.offset)), $0.element) }
    let results = try expansion(&inner, leaves)
    var parts = Dictionary(zip(leaves, operands), uniquingKeysWith: { first, _ in first })
    var live = Set<ValueID>()
    var pending = results
    while let id = pending.popLast() { if live.insert(id).inserted { pending += inner.graph[id].operands } }
    for id in inner.graph.ids where live.contains(id) && parts[id] == nil {
      let node = inner.graph[id]
      switch node.kind {
      case .leaf(let leaf): parts[id] = [try export(leaf, node.types[0])]
      case .apply(let op, let operands):
        parts[id] = try export(op, operands.map { parts[$0]! }, operands.map { inner.graph[$0].types }, node.types)
      }
    }
    return results.map { parts[$0]![0] }
  }

  /// The value of an operator whose operands are known at compile time.
  private mutating func evaluate(_ op: any Operator, _ operands: [ONNXTensor], _ types: [TensorType]) throws -> ONNXTensor? {
    let known = operands.compactMap { call.writer.known($0) }
    guard known.count == operands.count, zip(known, types).allSatisfy({ $0.type == $1 }) else { return nil }
    var builder = GraphBuilder(name: graph.name, symbols: [])
    let leaves = known.enumerated().map { builder.leaf(Leaf("x\($0.offset)", .table($0.element)), $0.element.type) }
    let value = try builder.add(op, leaves)
    return try builder.graph.evaluate(value, known: { _ in nil }).map { call.writer.constant($0) }
  }

  // MARK: Outputs

  /// Gives each output its name: to the value itself where it is a node's and no other output, else to a copy.
  private mutating func nameOutputs() throws {
    var renamed: [String: String] = [:]
    call.writer.path = ""
    for output in graph.outputs {
      let type = graph.type(output.value)
      let value = try call.writer.expand(values[output.value]![0], to: type.shape)
      let name = leaves.contains(output.name) ? call.writer.name(output.name) : output.name
      outputNames.append(name)
      let isFree = renamed[value.name] == nil && !leaves.contains(value.name) && call.writer.known(value) == nil
      renamed[isFree ? value.name : call.writer.node("Identity", [value], shape: type.shape).name] = name
    }
    call.writer.rename(renamed)
  }
}
