/// How an ONNX operator becomes graph nodes. It stands in the file of the operator that it maps to, or in a file of its own where an ONNX
/// operator is a composition of several.
public struct ONNXRule: Sendable {
  /// The operator's type: `Conv`.
  public var name: String
  /// The operator set that defines it; empty for ONNX's own.
  public var domain: String
  /// The first version of the operator set whose meaning this is; a rule of the same name with a later one supersedes it from there on.
  public var since: Int
  /// The node's outputs; fewer than the node names where the rest are unused.
  ///
  /// Operands of f16 and bf16 come to a rule in the model's float type, and its results go back into the type of the node's first float
  /// operand, unless the rule `keepsTypes`: so each node rounds once.
  public var read: @Sendable (ONNXNode) throws -> [ONNXValue]

  /// A rule whose outputs are values of the graph.
  public init(
    _ name: String, domain: String = "", since: Int = 1, keepsTypes: Bool = false,
    _ read: @escaping @Sendable (ONNXNode) throws -> [ValueID]
  ) {
    self.init(name, domain: domain, since: since, keepsTypes: keepsTypes, values: { try read($0).map { .value($0) } })
  }

  /// A rule whose outputs may be known already.
  public init(
    _ name: String, domain: String = "", since: Int = 1, keepsTypes: Bool = false,
    values read: @escaping @Sendable (ONNXNode) throws -> [ONNXValue]
  ) {
    self.name = name
    self.domain = domain
    self.since = since
    self.read = { node in
      let results = try read(node)
      return keepsTypes ? results : try node.rounded(results)
    }
  }
}

/// What a name of an ONNX graph stands for while the graph is read.
public enum ONNXValue: Sendable {
  /// An optional input that is not given.
  case absent
  /// A value of the graph.
  case value(ValueID)
  /// Known, and not (yet) in the graph: a `Constant`, a shape.
  case constant(HostTensor)
  /// An initialiser by its name, not (yet) in the graph.
  case initializer(String, TensorType)
}

/// The value of an attribute.
public enum ONNXAttribute: Hashable, Sendable {
  case int(Int), float(Double), string(String)
  case ints([Int]), floats([Double]), strings([String])
  case tensor(HostTensor)
  /// A subgraph, by its number among those that the file's reader has met.
  case graph(Int)
}
