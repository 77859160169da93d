import Basics

/// A tensor of the ONNX graph that is being written.
public struct ONNXTensor: Hashable, Sendable {
  public var name: String
  public var element: ElementType
  /// The shape that it has in the file. It broadcasts to the shape of the value that it stands for: ONNX's pointwise operators repeat by
  /// themselves, so a broadcast is written only where somebody needs the whole tensor.
  public var shape: Shape

  public init(name: String, element: ElementType, shape: Shape) {
    self.name = name
    self.element = element
    self.shape = shape
  }

  public var rank: Int { shape.count }
}

/// Attributes of an ONNX node in the order in which they are written.
public typealias ONNXAttributes = KeyValuePairs<String, ONNXAttribute>

/// Collects the nodes and constants of an ONNX graph. Operators write themselves through it (`Operator.exportONNX`), in words of the
/// operator set `ONNXWriter.operatorSet`.
public struct ONNXWriter: Sendable {
  /// A node that was written.
  public struct Node: Hashable, Sendable {
    public var type: String
    /// The layer that it belongs to.
    public var path: String
    /// An operand that is left out has an empty name.
    public var inputs: [String]
    public var outputs: [String]
    public var attributes: [Attribute]

    public init(type: String, path: String, inputs: [String], outputs: [String], attributes: [Attribute]) {
      self.type = type
      self.path = path
      self.inputs = inputs
      self.outputs = outputs
      self.attributes = attributes
    }
  }

  /// A named constant of a node.
  public struct Attribute: Hashable, Sendable {
    public var name: String
    public var value: ONNXAttribute

    public init(name: String, value: ONNXAttribute) {
      self.name = name
      self.value = value
    }
  }

  /// A graph that is a node's attribute. It sees the names around it.
  public struct Subgraph: Hashable, Sendable {
    public var name: String
    public var inputs: [ONNXTensor]
    public var outputs: [ONNXTensor]
    public var nodes: [Node]
  }

  /// The version of ONNX's operators that rules write.
  public static let operatorSet = 20

  /// The layer that new nodes belong to.
  public var path = ""
  public private(set) var nodes: [Node] = []
  /// Graphs that attributes hold, by the numbers that these have.
  public private(set) var subgraphs: [Subgraph] = []
  /// Tensors known at compile time, in the order of their first use.
  public private(set) var constants: [(name: String, tensor: HostTensor)] = []

  /// Types of the nodes' results, by name.
  public private(set) var results: [String: TensorType] = [:]

  private var taken: Set<String>
  private var uses: [String: Int] = [:]
  private var constantNumbers: [HostTensor: Int] = [:]
  private var constantNames: [String: Int] = [:]
  /// The inputs, whose axes tell the values of symbols.
  private let inputs: [ONNXTensor]
  private var sizes: [Shape: ONNXTensor] = [:]

  /// A graph with these inputs. No node will have one of the names in `reserved` or that of an input.
  public init(inputs: [ONNXTensor], reserved: some Sequence<String>) {
    self.inputs = inputs
    taken = Set(reserved).union(inputs.map(\.name))
  }

  /// A name that nothing has: `base`, or `base_2` …
  public mutating func name(_ base: String) -> String {
    var candidate = base
    while !taken.insert(candidate).inserted {
      uses[base, default: 1] += 1
      candidate = "\(base)_\(uses[base]!)"
    }
    return candidate
  }

  /// Gives values other names, wherever they stand.
  public mutating func rename(_ names: [String: String]) {
    func renamed(_ node: Node) -> Node {
      var node = node
      node.inputs = node.inputs.map { names[$0] ?? $0 }
      node.outputs = node.outputs.map { names[$0] ?? $0 }
      return node
    }
    nodes = nodes.map(renamed)
    for index in subgraphs.indices { subgraphs[index].nodes = subgraphs[index].nodes.map(renamed) }
    for (old, new) in names { results[new] = results.removeValue(forKey: old) }
  }

  // MARK: Nodes

  /// A node with results of the given types; nil stands for an operand that is left out.
  public mutating func node(
    _ type: String, _ operands: [ONNXTensor?], _ attributes: ONNXAttributes = [:], types: [TensorType]
  ) -> [ONNXTensor] {
    let outputs = types.map { _ in name("value") }
    nodes.append(
      Node(
        type: type, path: path, inputs: operands.map { $0?.name ?? "" }, outputs: outputs,
        attributes: attributes.map { Attribute(name: $0.key, value: $0.value) }))
    for (name, type) in zip(outputs, types) { results[name] = type }
    return zip(outputs, types).map { ONNXTensor(name: $0, element: $1.element, shape: $1.shape) }
  }

  /// A node with one result and a list of attributes that is put together.
  public mutating func node(
    _ type: String, _ operands: [ONNXTensor?], attributes: [(String, ONNXAttribute)], shape: Shape, element: ElementType? = nil
  ) -> ONNXTensor {
    let result = node(type, operands, shape: shape, element: element)
    nodes[nodes.count - 1].attributes = attributes.map { Attribute(name: $0.0, value: $0.1) }
    return result
  }

  /// A node with one result: of the first operand's element type unless another is given.
  public mutating func node(
    _ type: String, _ operands: [ONNXTensor?], _ attributes: ONNXAttributes = [:], shape: Shape, element: ElementType? = nil
  ) -> ONNXTensor {
    node(type, operands, attributes, types: [TensorType(element ?? operands[0]!.element, shape)])[0]
  }

  /// A node that works element by element and broadcasts its operands.
  public mutating func pointwise(
    _ type: String, _ operands: [ONNXTensor], _ attributes: ONNXAttributes = [:], element: ElementType? = nil
  ) throws -> ONNXTensor {
    let shape = try operands.dropFirst().reduce(operands[0].shape) { try broadcastShape($0, $1.shape) }
    return node(type, operands, attributes, shape: shape, element: element)
  }

  /// The same with a number as its second operand.
  public mutating func pointwise(_ type: String, _ x: ONNXTensor, _ number: Double) throws -> ONNXTensor {
    try pointwise(type, [x, self.number(number, x.element)])
  }

  // MARK: Subgraphs

  /// What was written before a subgraph.
  public struct Mark: Sendable {
    fileprivate var nodes: [Node]
    fileprivate var sizes: [Shape: ONNXTensor]
  }

  /// Nodes from here on belong to a subgraph.
  public mutating func beginSubgraph() -> Mark {
    defer { nodes = [] }
    return Mark(nodes: nodes, sizes: sizes)
  }

  /// Nodes since the mark are a graph with these inputs and outputs, the value of an attribute. Constants stand outside.
  public mutating func endSubgraph(_ mark: Mark, name: String, inputs: [ONNXTensor], outputs: [ONNXTensor]) -> ONNXAttribute {
    var free = Set(nodes.flatMap(\.outputs))
    let own = outputs.map { free.remove($0.name) == nil ? node("Identity", [$0], shape: $0.shape) : $0 }
    var needed = Set(own.map(\.name))
    var kept: [Node] = []
    for node in nodes.reversed() where node.outputs.contains(where: needed.contains) {
      needed.formUnion(reads(node))
      kept.append(node)
    }
    subgraphs.append(Subgraph(name: name, inputs: inputs, outputs: own, nodes: kept.reversed()))
    (nodes, sizes) = (mark.nodes, mark.sizes)
    return .graph(subgraphs.count - 1)
  }

  /// The names that a node reads, in its subgraphs as well.
  public func reads(_ node: Node) -> [String] {
    node.inputs
      + node.attributes.flatMap { attribute -> [String] in
        guard case .graph(let number) = attribute.value else { return [] }
        return subgraphs[number].nodes.flatMap(reads)
      }
  }

  // MARK: Constants

  /// A tensor known at compile time; equal ones are one.
  public mutating func constant(_ tensor: HostTensor) -> ONNXTensor {
    let number = constantNumbers[tensor] ?? constants.count
    if number == constants.count {
      constants.append((name("constant"), tensor))
      constantNumbers[tensor] = number
      constantNames[constants[number].name] = number
    }
    return ONNXTensor(name: constants[number].name, element: tensor.element, shape: tensor.type.shape)
  }

  /// The value of a tensor that is known at compile time.
  public func known(_ tensor: ONNXTensor) -> HostTensor? { constantNames[tensor.name].map { constants[$0].tensor } }

  /// A scalar.
  public mutating func number(_ value: Double, _ element: ElementType) -> ONNXTensor {
    constant(HostTensor([value], shape: [], element: element))
  }

  /// A vector of whole numbers.
  public mutating func integers(_ values: [Int]) -> ONNXTensor { constant(HostTensor(values)) }

  // MARK: Sizes that are known at run time

  /// A vector i64 of sizes, put together from those of the inputs where they are symbolic.
  public mutating func sizes(_ shape: Shape) throws -> ONNXTensor {
    let constants = shape.compactMap(\.constant)
    if constants.count == shape.count { return integers(constants) }
    if let known = sizes[shape] { return known }
    let parts = try shape.map { try size($0) }
    let result = parts.count == 1 ? parts[0] : node("Concat", parts, ["axis": .int(0)], shape: [Dimension(shape.count)])
    sizes[shape] = result
    return result
  }

  /// One size as a vector i64 of one element.
  private mutating func size(_ dimension: Dimension) throws -> ONNXTensor {
    guard let symbol = dimension.symbol else { return integers([dimension.coefficient]) }
    let axes = inputs.flatMap { input in input.shape.indices.map { (input, $0) } }
    guard let (input, axis) = axes.first(where: { $0.0.shape[$0.1] == Dimension(1, symbol: symbol) }) else {
      throw Diagnostic("no input of the model has an axis of size \(symbol.uppercased())", kind: .unsupported)
    }
    let size = node("Shape", [input], ["start": .int(axis), "end": .int(axis + 1)], shape: [1], element: .i64)
    return dimension.coefficient == 1 ? size : try pointwise("Mul", [size, integers([dimension.coefficient])])
  }

  // MARK: Shapes

  /// The tensor repeated to `shape`.
  public mutating func expand(_ x: ONNXTensor, to shape: Shape) throws -> ONNXTensor {
    if x.shape == shape { return x }
    // A 1 keeps what the operand has, so that sizes known at run time need not be asked for.
    let skipped = shape.count - x.rank
    let wanted = shape.indices.map { $0 >= skipped && x.shape[$0 - skipped] == shape[$0] ? 1 : shape[$0] }
    return node("Expand", [x, try sizes(wanted)], shape: shape)
  }

  /// The same elements under another shape.
  public mutating func reshape(_ x: ONNXTensor, _ shape: Shape) throws -> ONNXTensor {
    if x.shape == shape { return x }
    // A 0 copies the operand's size and -1 is what is left; where an axis is empty, neither would be clear.
    if shape.contains(0) { return node("Reshape", [x, try sizes(shape)], ["allowzero": .int(1)], shape: shape) }
    let wanted = shape.indices.map { axis -> Int in
      guard shape[axis].symbol != nil else { return shape[axis].coefficient }
      return axis < x.rank && x.shape[axis] == shape[axis] ? 0 : -1
    }
    return node("Reshape", [x, integers(wanted)], shape: shape)
  }

  /// The axes in another order.
  public mutating func transpose(_ x: ONNXTensor, _ permutation: [Int]) -> ONNXTensor {
    permutation == Array(0..<x.rank)
      ? x : node("Transpose", [x], ["perm": .ints(permutation)], shape: permutation.map { x.shape[$0] })
  }

  /// Another element type.
  public mutating func cast(_ x: ONNXTensor, to element: ElementType) -> ONNXTensor {
    x.element == element ? x : node("Cast", [x], ["to": .int(element.onnx)], shape: x.shape, element: element)
  }
}
