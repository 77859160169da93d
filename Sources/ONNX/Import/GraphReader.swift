import Basics
import GraphIR
import Layers
import LoopIR
import Lowering
import Operators

/// Reads an ONNX graph node by node into a builder: names to values, each node by its operator's rule.
final class GraphReader: ONNXReading {
  var builder: ModelBuilder
  let model: ONNXModel
  /// Names in sight, innermost last. A function's body sees none of its caller's.
  var scopes: [Scope] = [Scope()]
  /// Subgraphs that attributes hold, by number.
  var subgraphs: [GraphMessage] = []
  private var functions: [FunctionKey: FunctionMessage] = [:]
  private var calls: [FunctionKey] = []
  /// What `evaluate` found; nil where a value depends on what is not known.
  var values: [ValueID: HostTensor?] = [:]
  /// Layers that may be given another number of outputs, by node.
  private let search: HeadSearch
  /// The one that is.
  private var replaced: HeadSearch.Found?
  /// Whether the node being read belongs to a layer that training leaves as it is.
  private var isFrozen = false
  /// Where errors of nodes are gathered instead of ending the reading; nil: they end it.
  var problems: [Diagnostic]?
  /// Names whose nodes could not be read.
  private var broken: Set<String> = []
  /// The graph's nodes that each node of the file became, in the file's order: up to which one.
  private(set) var origins: [(end: Int, name: String, type: String)] = []

  /// More nodes than any model has: what a file with loops of billions of rounds would become.
  private static let largestGraph = 2_000_000
  /// Calls of functions and subgraphs in one another: further ones would use up the stack.
  private static let deepestScope = 100
  /// As many nodes of a file are read, each round of a loop and each call of a function anew.
  private static let largestStepCount = 500_000
  /// So many were read: constants make no nodes of the graph, and cost time all the same.
  private var steps = 0

  struct Scope {
    var values: [String: ONNXValue] = [:]
    /// Whether names of the scope before are not in sight.
    var isClosed = false
    var versions: [String: Int] = [:]
    /// A function call's attributes.
    var attributes: [String: ONNXAttribute] = [:]
  }

  private struct FunctionKey: Hashable {
    var domain: String
    var name: String
    var overload: String
  }

  init(_ model: ONNXModel, _ builder: ModelBuilder) {
    self.model = model
    self.builder = builder
    search = HeadSearch(model.message.graph, model.tensors)
    if let head = builder.replacedHead {
      replaced = search.heads.first { Set($0.value.tensors) == Set(head.tensors ?? []) }?.value
    }
  }

  /// Thrown where a node reads what a broken node should have computed.
  private struct BrokenOperand: Error {}

  // MARK: ONNXReading

  var graph: GraphBuilder {
    get { builder.graph }
    _modify { yield &builder.graph }
  }

  var isTraining: Bool { builder.mode == .training && !isFrozen }
  var float: ElementType { builder.element }

  func place(_ value: ONNXValue, isState: Bool) throws -> ValueID {
    switch value {
    case .absent: throw Diagnostic("an input that is needed is left out")
    case .value(let id): return id
    case .constant(let tensor): return try graph.constant(tensor.type.element == .f32 ? tensor.converted(to: float) : tensor)
    case .initializer(let name, let type):
      // Scalars among the initialisers are constants of formulas; what is learned has an axis.
      guard type.element == float, type.rank > 0, type.shape.allSatisfy({ $0.coefficient > 0 }) else {
        return try place(.constant(try initializer(name)), isState: false)
      }
      let path = graph.path
      graph.path = ""
      defer { graph.path = path }
      let first = replaced?.axis(of: name) == nil ? .zeros : replaced!.initializer(of: name)
      return try builder.parameter(
        name, shape: type.shape.map(\.coefficient), initializer: first, isState: isState, decays: type.rank > 1)
    }
  }

  func evaluate(_ value: ONNXValue) throws -> HostTensor? {
    switch value {
    case .absent: return nil
    case .constant(let tensor): return tensor
    case .initializer(let name, _): return try initializer(name)
    case .value(let id):
      if let known = values[id] { return known }
      let found = try graph.graph.evaluate(id, known: knownValue)
      values[id] = .some(found)
      return found
    }
  }

  func evaluate(_ value: ONNXValue, batch: Int) throws -> HostTensor? {
    guard case .value(let id) = value, let symbol = graph.graph.symbols.first else { return try evaluate(value) }
    return try graph.graph.evaluate(id, symbols: [symbol.name: batch], known: knownValue)
  }

  func dimensions(_ value: ONNXValue) throws -> [Dimension]? {
    if let known = try evaluate(value) { return known.integers.map { Dimension($0) } }
    guard case .value(let id) = value, let symbol = graph.graph.symbols.first else { return nil }
    // A size is a multiple of the batch when it is so for three batches that have many divisors and none of them in common.
    let batches = [60, 132, 1092]
    let found = try batches.compactMap { try graph.graph.evaluate(id, symbols: [symbol.name: $0], known: knownValue)?.integers }
    guard found.count == batches.count else { return nil }
    return try found[0].indices.map { index in
      let sizes = found.map { $0[index] }
      if sizes.allSatisfy({ $0 == sizes[0] }) { return Dimension(sizes[0]) }
      let factor = sizes[0] / batches[0]
      guard zip(sizes, batches).allSatisfy({ $0 == factor * $1 }) else {
        throw Diagnostic(
          "a size is \(sizes[0]) for a batch of \(batches[0]) and \(sizes[1]) for \(batches[1]): only multiples are supported",
          kind: .unsupported)
      }
      return Dimension(factor, symbol: symbol.name)
    }
  }

  func read(subgraph: Int, inputs: [ONNXValue]) throws -> [ONNXValue] {
    let message = subgraphs[subgraph]
    guard inputs.count == message.input.count else {
      throw Diagnostic("subgraph '\(message.name)' takes \(message.input.count) inputs, not \(inputs.count)")
    }
    try open(Scope(versions: scopes.last!.versions, attributes: scopes.last!.attributes))
    defer { scopes.removeLast() }
    for tensor in message.initializer { bind(tensor.name, .constant(try tensor.hostTensor())) }
    for (info, value) in zip(message.input, inputs) { bind(info.name, value) }
    for node in message.node { try read(node) }
    return try message.output.map { try named($0.name) }
  }

  func update(state operand: ONNXValue, to value: ValueID) throws {
    guard isTraining, case .initializer(let name, _) = operand else { return }
    builder.graph.update(Leaf(name, .state), value)
  }

  // MARK: Values

  private func initializer(_ name: String) throws -> HostTensor {
    guard let tensor = try model.tensor(name) else { throw Diagnostic("there is no initializer '\(name)'") }
    return tensor.element == .f32 ? tensor.converted(to: float) : tensor
  }

  /// What is known of a leaf, or was found of a node before.
  private func knownValue(_ id: ValueID) throws -> HostTensor? {
    if let known = values[id], let tensor = known { return tensor }
    guard let leaf = graph.graph[id].leaf else { return nil }
    switch leaf.role {
    case .input: return model.inputs[leaf.name].map { $0.element == .f32 ? $0.converted(to: float) : $0 }
    case .parameter, .state:
      return builder.mode == .training || replaced?.axis(of: leaf.name) != nil ? nil : try initializer(leaf.name)
    default: return nil
    }
  }

  func bind(_ name: String, _ value: ONNXValue) { scopes[scopes.count - 1].values[name] = value }

  func named(_ name: String) throws -> ONNXValue {
    if name.isEmpty { return .absent }
    for scope in scopes.reversed() {
      if let value = scope.values[name] { return value }
      if scope.isClosed { break }
    }
    if broken.contains(name) { throw BrokenOperand() }
    throw Diagnostic("'\(name)' is used before anything computes it")
  }

  // MARK: The model

  /// Reads the whole graph: declares inputs, parameters and outputs in the builder.
  func readModel() throws {
    do {
      try readGraph()
    } catch let error as Diagnostic {
      var printable = error
      printable.message = escaped(error.message)
      throw printable.prefixed("\(model.path): ")
    } catch let error as TypeError {
      throw Diagnostic("\(model.path): \(escaped(error.description))")
    }
  }

  private func readGraph() throws {
    for function in model.message.functions {
      functions[FunctionKey(domain: canonicalDomain(function.domain), name: function.name, overload: function.overload)] = function
    }
    scopes[0].versions = operatorVersions(model.message.opsetImport)
    let message = model.message.graph
    for tensor in message.initializer {
      var type = try tensor.type(float: float)
      if let axis = replaced?.axis(of: tensor.name) { type.shape[axis] = Dimension(builder.replacedHead!.outputs) }
      bind(tensor.name, .initializer(tensor.name, type))
    }
    for sparse in message.sparseInitializer { bind(sparse.values.name, .constant(try sparse.hostTensor())) }
    let shapes = InputShapes(model)
    for info in message.input where model.tensors[info.name] == nil {
      guard case .tensor(let number, _)? = info.type?.kind else {
        throw Diagnostic("input '\(info.name)' is no tensor", kind: .unsupported)
      }
      guard let element = ElementType(onnx: Int(number)) else {
        throw Diagnostic("input '\(info.name)' has element type \(typeName(number)), which is not supported", kind: .unsupported)
      }
      let shape = try shapes.shape(of: info)
      let isBatched = shape.first?.symbol != nil
      let dims = (isBatched ? Array(shape.dropFirst()) : shape).map(\.coefficient)
      bind(info.name, .value(try builder.input(info.name, dims: dims, element: element == .f32 ? float : element, isBatched: isBatched)))
    }
    for node in message.node { try read(node) }
    graph.path = ""
    guard problems?.isEmpty ?? true, broken.isEmpty else { return }
    for info in try model.orderedOutputs() {
      let value = try place(named(info.name), isState: false)
      try builder.output(info.name, value)
    }
  }

  // MARK: Nodes

  private func read(_ message: NodeMessage) throws {
    let name = message.name.isEmpty ? message.output.first { !$0.isEmpty } ?? "" : message.name
    do {
      steps += 1
      guard steps <= Self.largestStepCount, graph.graph.nodes.count <= Self.largestGraph else {
        throw Diagnostic(
          "the graph is too large once its loops and functions are written out: \(steps) nodes were read, \(graph.graph.nodes.count) built")
      }
      let outputs = try outputs(of: message, named: name)
      if scopes.count == 1 { origins.append((graph.graph.nodes.count, name, message.opType)) }
      for (index, output) in message.output.enumerated() where !output.isEmpty {
        bind(output, index < outputs.count ? outputs[index] : .absent)
      }
    } catch is BrokenOperand {
      broken.formUnion(message.output)
    } catch let error as TypeError {
      try gather(Diagnostic("node '\(name)' (\(message.opType)): \(error.description)"), of: message)
    } catch let error as Diagnostic {
      try gather(error.message.hasPrefix("node '") ? error : error.prefixed("node '\(name)' (\(message.opType)): "), of: message)
    }
  }

  /// Keeps an error of a node for later, or throws it.
  private func gather(_ error: Diagnostic, of message: NodeMessage) throws {
    guard problems != nil else { throw error }
    problems!.append(error)
    broken.formUnion(message.output)
  }

  private func outputs(of message: NodeMessage, named name: String) throws -> [ONNXValue] {
    let domain = canonicalDomain(message.domain)
    let attributes = try attributes(of: message.attribute)
    let inputs = try message.input.map { try named($0) }
    let key = FunctionKey(domain: domain, name: message.opType, overload: message.overload)
    if let function = functions[key] { return try call(function, key, inputs, attributes) }
    let version = scopes.last!.versions[domain] ?? 1
    guard let rule = RuleTable.all.rule(message.opType, domain: domain, version: version) else {
      throw Diagnostic(unsupportedText(domain, version), kind: .unsupported)
    }
    let outer = (graph.path, isFrozen)
    graph.path = layerPath(name, message.opType)
    isFrozen = isFrozen || isFrozenLayer(inputs)
    defer { (graph.path, isFrozen) = outer }
    if scopes.count == 1, let head = search.heads[name] {
      let outputs =
        replaced == nil ? head.outputs : replaced!.weight.name == head.weight.name ? builder.replacedHead!.outputs : head.outputs
      builder.note(Head(path: graph.path, outputs: outputs, tensors: head.tensors))
    }
    let outputs = try rule.read(
      ONNXNode(
        name: name, type: message.opType, version: version, attributes: attributes, inputs: inputs,
        usedOutputs: message.output.map { !$0.isEmpty }, reader: self))
    for case .value(let output) in outputs { noteLogits(of: output) }
    return outputs
  }

  /// Whether the layer that the training leaves alone is meant by its path or by one of its initialisers.
  private func isFrozenLayer(_ inputs: [ONNXValue]) -> Bool {
    if builder.frozen.patterns.isEmpty { return false }
    return builder.frozen.contains(graph.path)
      || inputs.contains { if case .initializer(let name, _) = $0 { builder.frozen.contains(name) } else { false } }
  }

  /// Remembers what a probability was computed from: losses work on that. A cast, a change of shape or nothing at all may come between.
  private func noteLogits(of value: ValueID) {
    let node = graph.graph[value]
    guard let op = node.op, let x = node.operands.first else { return }
    let last = graph.type(value).rank - 1
    switch op {
    case is Sigmoid: builder.logits[value] = .sigmoid(x)
    case let softmax as Softmax where softmax.axis == -1 || softmax.axis == last: builder.logits[value] = .softmax(x)
    case let softmax as LogSoftmax where softmax.axis == -1 || softmax.axis == last: builder.logits[value] = .logSoftmax(x)
    default: break
    }
  }

  private func open(_ scope: Scope) throws {
    guard scopes.count < Self.deepestScope else {
      throw Diagnostic("subgraphs and functions are nested deeper than \(Self.deepestScope)")
    }
    scopes.append(scope)
  }

  private func call(
    _ function: FunctionMessage, _ key: FunctionKey, _ inputs: [ONNXValue], _ attributes: [String: ONNXAttribute]
  ) throws -> [ONNXValue] {
    guard !calls.contains(key) else { throw Diagnostic("the function '\(function.name)' calls itself") }
    guard inputs.count <= function.input.count else {
      throw Diagnostic("the function '\(function.name)' takes \(function.input.count) inputs, not \(inputs.count)")
    }
    var scope = Scope(isClosed: true, versions: operatorVersions(function.opsetImport))
    scope.attributes = try self.attributes(of: function.attributeProto).merging(attributes) { $1 }
    for (index, formal) in function.input.enumerated() { scope.values[formal] = index < inputs.count ? inputs[index] : .absent }
    try open(scope)
    calls.append(key)
    defer {
      scopes.removeLast()
      calls.removeLast()
    }
    for node in function.node { try read(node) }
    return try function.output.map { try named($0) }
  }

  private func attributes(of messages: [AttributeMessage]) throws -> [String: ONNXAttribute] {
    var attributes: [String: ONNXAttribute] = [:]
    for message in messages { attributes[message.name] = try attribute(message) }
    return attributes
  }

  private func attribute(_ message: AttributeMessage) throws -> ONNXAttribute? {
    switch message.value {
    case .reference(let name, _): return scopes.last!.attributes[name]
    case .float(let value): return .float(Double(value))
    case .int(let value): return .int(Int(value))
    case .string(let bytes): return .string(String(decoding: bytes, as: UTF8.self))
    case .floats(let values): return .floats(values.map(Double.init))
    case .ints(let values): return .ints(values.map(Int.init))
    case .strings(let values): return .strings(values.map { String(decoding: $0, as: UTF8.self) })
    case .tensor(let tensor):
      let host = try tensor.hostTensor()
      return .tensor(host.element == .f32 ? host.converted(to: float) : host)
    case .sparseTensor(let tensor): return .tensor(try tensor.hostTensor())
    case .graph(let graph):
      subgraphs.append(graph)
      return .graph(subgraphs.count - 1)
    case .type, .types, .tensors, .graphs, .sparseTensors:
      throw Diagnostic("attribute '\(message.name)' is of a kind that is not supported", kind: .unsupported)
    }
  }
}

/// FLOAT16 …, or the number of a type that gradc does not know.
func typeName(_ dataType: Int32) -> String { TensorDataType(rawValue: dataType)?.name ?? "\(dataType)" }
