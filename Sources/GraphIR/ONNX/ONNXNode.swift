import Basics

/// What a rule may ask of the one who reads the graph.
public protocol ONNXReading: AnyObject {
  /// The graph being built.
  var graph: GraphBuilder { get set }
  /// Whether the graph is built for training: dropout and batch normalisation differ.
  var isTraining: Bool { get }
  /// The float type that ONNX's FLOAT is read as: f64 where a whole model is computed in double precision.
  var float: ElementType { get }

  /// The value in the graph: a float initialiser becomes a parameter, or with `isState` a running statistic; another one a constant.
  func place(_ value: ONNXValue, isState: Bool) throws -> ValueID
  /// The value at compile time; nil where it depends on what is known only at run time.
  func evaluate(_ value: ONNXValue) throws -> HostTensor?
  /// Whole numbers at compile time that may be multiples of a symbol, row major; nil where they depend on anything else.
  func dimensions(_ value: ONNXValue) throws -> [Dimension]?
  /// The value at compile time were the batch of this size; nil where it depends on anything else that is known only at run time.
  func evaluate(_ value: ONNXValue, batch: Int) throws -> HostTensor?
  /// What a name of the ONNX graph stands for at this place.
  func named(_ name: String) throws -> ONNXValue
  /// The outputs of a subgraph (an attribute's number) for the given inputs; names of the enclosing graph are visible in it.
  func read(subgraph: Int, inputs: [ONNXValue]) throws -> [ONNXValue]
  /// A loop whose round is a subgraph: `round` builds one by `read(subgraph:inputs:)` while the graph is that of the loop's body, in which
  /// what the subgraph reads from outside is captured too. Throws where the round cannot be a graph of its own; then nothing has changed.
  func loop(
    subgraph: Int, rounds: Int, captured: [ValueID], carried: [ValueID], round: (LoopBuilder) throws -> LoopRound
  ) throws -> (last: [ValueID], stacks: [ValueID])
  /// The new value of a running statistic, given the operand that holds it.
  func update(state operand: ONNXValue, to value: ValueID) throws
}

extension ONNXReading {
  public func evaluate(_ value: ONNXValue, batch: Int) throws -> HostTensor? { try evaluate(value) }
}

/// A node of an ONNX graph as its rule sees it: operands, attributes, and the graph that the rule builds in.
public struct ONNXNode {
  /// The node's name, or the name of its first output.
  public let name: String
  /// The operator's type: `Conv`.
  public let type: String
  /// The version of the operator set that the file asks for.
  public let version: Int
  public let attributes: [String: ONNXAttribute]
  public let inputs: [ONNXValue]
  /// Which outputs are named, and so may be used.
  public let usedOutputs: [Bool]
  public let reader: any ONNXReading

  public init(
    name: String, type: String, version: Int, attributes: [String: ONNXAttribute], inputs: [ONNXValue], usedOutputs: [Bool],
    reader: any ONNXReading
  ) {
    self.name = name
    self.type = type
    self.version = version
    self.attributes = attributes
    self.inputs = inputs
    self.usedOutputs = usedOutputs
    self.reader = reader
  }

  /// The graph being built.
  public var graph: GraphBuilder {
    get { reader.graph }
    nonmutating _modify { yield &reader.graph }
  }

  /// Whether the graph is built for training.
  public var isTraining: Bool { reader.isTraining }

  /// An operator applied to values.
  public func add(_ op: any Operator, _ operands: ValueID...) throws -> ValueID { try graph.add(op, operands) }

  /// A pointwise operator applied to all operands, broadcast to their common shape.
  public func pointwise(_ op: any Operator) throws -> [ValueID] { [try graph.pointwise(op, values())] }

  // MARK: Operands

  /// Whether operand `k` is given.
  public func has(_ k: Int) -> Bool { if k < inputs.count, case .absent = inputs[k] { false } else { k < inputs.count } }

  /// Whether operand `k` is known without what depends on the model's inputs or parameters.
  public func isConstant(_ k: Int) -> Bool {
    guard has(k) else { return false }
    return switch inputs[k] {
    case .constant, .initializer: true
    case .absent, .value: false
    }
  }

  /// Operand `k` as a value of the graph; f16 and bf16 converted to the model's float type.
  public func value(_ k: Int) throws -> ValueID {
    let value = try stored(k)
    return graph.type(value).element.isStoredFloat ? try graph.cast(value, to: reader.float) : value
  }

  /// Operand `k` as a value of the graph in its own type, which may be f16 or bf16.
  public func stored(_ k: Int) throws -> ValueID {
    guard has(k) else { throw Diagnostic("input \(k) is missing") }
    return try reader.place(inputs[k], isState: false)
  }

  /// The element type of operand `k`, which may be f16 or bf16.
  public func storedElement(_ k: Int) throws -> ElementType {
    guard has(k) else { throw Diagnostic("input \(k) is missing") }
    switch inputs[k] {
    case .constant(let tensor): return tensor.element
    case .initializer(_, let type): return type.element
    default:
      let placed = try stored(k)
      return reader.graph.type(placed).element
    }
  }

  /// Results of a rule, those of the model's float type rounded to f16 or bf16 where the node's first float operand is of that type.
  func rounded(_ results: [ONNXValue]) throws -> [ONNXValue] {
    let elements = try inputs.indices.lazy.filter { has($0) }.map { try storedElement($0) }
    guard let element = elements.first(where: \.isReal), element.isStoredFloat else { return results }
    return try results.map { result in
      guard case .value(let value) = result, graph.graph[value].types.count == 1, graph.type(value).element == reader.float else {
        return result
      }
      return .value(try graph.cast(value, to: element))
    }
  }

  /// Operand `k` as a value of the graph, nil where it is not given.
  public func optional(_ k: Int) throws -> ValueID? { has(k) ? try value(k) : nil }

  /// All operands as values of the graph.
  public func values() throws -> [ValueID] { try inputs.indices.map { try value($0) } }

  /// Operand `k`, a running statistic.
  public func state(_ k: Int) throws -> ValueID {
    guard has(k) else { throw Diagnostic("input \(k) is missing") }
    return try reader.place(inputs[k], isState: true)
  }

  /// Commits a new value of the running statistic that operand `k` is.
  public func updateState(_ k: Int, to value: ValueID) throws { try reader.update(state: inputs[k], to: value) }

  /// The type of operand `k`.
  public func type(_ k: Int) throws -> TensorType {
    guard has(k) else { throw Diagnostic("input \(k) is missing") }
    switch inputs[k] {
    case .constant(let tensor) where !tensor.element.isStoredFloat: return tensor.type
    case .initializer(_, let type) where !type.element.isStoredFloat: return type
    default:
      let placed = try value(k)
      return reader.graph.type(placed)
    }
  }

  /// The type of a value.
  public func type(_ value: ValueID) -> TensorType { reader.graph.type(value) }

  /// The value of operand `k`, which must be known at compile time.
  public func constant(_ k: Int) throws -> HostTensor {
    guard has(k) else { throw Diagnostic("input \(k) is missing") }
    guard let tensor = try reader.evaluate(inputs[k]) else {
      throw Diagnostic("input \(k) must be known when the model is compiled, but depends on the model's inputs", kind: .unsupported)
    }
    return tensor
  }

  /// The value of operand `k` where the file itself has it; nil where it is computed, or an input of the model, which may have a gradient.
  public func written(_ k: Int) throws -> HostTensor? {
    guard has(k) else { return nil }
    if case .value = inputs[k] { return nil }
    return try reader.evaluate(inputs[k])
  }

  /// The value of operand `k` at compile time; nil where it is known only at run time or not given.
  public func known(_ k: Int) throws -> HostTensor? { has(k) ? try reader.evaluate(inputs[k]) : nil }

  /// Whole numbers of operand `k`, which must be known at compile time: axes, pads, repeats.
  public func integers(_ k: Int) throws -> [Int] {
    // What is taken from a shape with the batch in it need not depend on the batch.
    if has(k), try known(k) == nil, let sizes = try reader.dimensions(inputs[k]), sizes.allSatisfy({ $0.symbol == nil }) {
      return sizes.map(\.coefficient)
    }
    return try constant(k).integers
  }

  /// Whole numbers of operand `k` that may be multiples of the batch: a shape.
  public func dimensions(_ k: Int) throws -> [Dimension] {
    guard has(k) else { throw Diagnostic("input \(k) is missing") }
    guard let dimensions = try reader.dimensions(inputs[k]) else {
      throw Diagnostic(
        "input \(k), a shape, must be known when the model is compiled, but depends on the model's inputs", kind: .unsupported)
    }
    return dimensions
  }

  // MARK: Attributes

  /// A whole number.
  public func int(_ name: String, _ missing: Int) throws -> Int { try int(name) ?? missing }

  /// A whole number; nil where it is not given.
  public func int(_ name: String) throws -> Int? {
    guard let attribute = attributes[name] else { return nil }
    guard case .int(let value) = attribute else { throw wrong(name, "an int") }
    return value
  }

  /// A number.
  public func float(_ name: String, _ missing: Double) throws -> Double { try float(name) ?? missing }

  /// A number; nil where it is not given.
  public func float(_ name: String) throws -> Double? {
    guard let attribute = attributes[name] else { return nil }
    guard case .float(let value) = attribute else { throw wrong(name, "a float") }
    return value
  }

  /// A word; nil where it is not given.
  public func string(_ name: String) throws -> String? {
    guard let attribute = attributes[name] else { return nil }
    guard case .string(let value) = attribute else { throw wrong(name, "a string") }
    return value
  }

  /// A word.
  public func string(_ name: String, _ missing: String) throws -> String { try string(name) ?? missing }

  /// Whole numbers; nil where they are not given.
  public func ints(_ name: String) throws -> [Int]? {
    guard let attribute = attributes[name] else { return nil }
    guard case .ints(let values) = attribute else { throw wrong(name, "a list of ints") }
    return values
  }

  /// Numbers; nil where they are not given.
  public func floats(_ name: String) throws -> [Double]? {
    guard let attribute = attributes[name] else { return nil }
    guard case .floats(let values) = attribute else { throw wrong(name, "a list of floats") }
    return values
  }

  /// Words; nil where they are not given.
  public func strings(_ name: String) throws -> [String]? {
    guard let attribute = attributes[name] else { return nil }
    guard case .strings(let values) = attribute else { throw wrong(name, "a list of strings") }
    return values
  }

  /// A tensor; nil where it is not given.
  public func tensor(_ name: String) throws -> HostTensor? {
    guard let attribute = attributes[name] else { return nil }
    guard case .tensor(let value) = attribute else { throw wrong(name, "a tensor") }
    return value
  }

  /// The outputs of the subgraph `name` for the given inputs.
  public func subgraph(_ name: String, inputs: [ONNXValue] = []) throws -> [ONNXValue] {
    try reader.read(subgraph: subgraphNumber(name), inputs: inputs)
  }

  /// The number of the subgraph that is an attribute.
  public func subgraphNumber(_ name: String) throws -> Int {
    guard case .graph(let number)? = attributes[name] else { throw wrong(name, "a graph") }
    return number
  }

  /// An axis counted from the front: `axis` may be negative.
  public func axis(_ axis: Int, rank: Int) throws -> Int {
    guard (-rank..<rank).contains(axis) else { throw Diagnostic("axis \(axis) is outside a tensor of \(rank) axes") }
    return axis < 0 ? axis + rank : axis
  }

  /// Axes counted from the front, of attribute `axes` or of operand `k` (newer versions); nil where neither is given.
  public func axes(operand k: Int, rank: Int) throws -> [Int]? {
    try (try ints("axes") ?? (has(k) ? integers(k) : nil))?.map { try axis($0, rank: rank) }
  }

  private func wrong(_ name: String, _ expected: String) -> Diagnostic {
    Diagnostic(attributes[name] == nil ? "attribute '\(name)' is missing" : "attribute '\(name)' must be \(expected)")
  }

  /// What gradc cannot do with this node.
  public func unsupported(_ what: String) -> Diagnostic { Diagnostic(what, kind: .unsupported) }
}
