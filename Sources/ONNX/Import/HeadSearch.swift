import Basics
import GraphIR
import Layers

/// Nodes whose initialisers decide how many numbers they give: dense layers and convolutions, which a model may get anew for other classes.
struct HeadSearch {
  /// By the node's name, or that of its first output.
  private(set) var heads: [String: Found] = [:]

  /// A dense layer or a convolution.
  struct Found {
    var weight: Place
    var bias: Place?
    var outputs: Int
    /// Numbers that one output is a sum of.
    var terms: Int
  }

  /// An initialiser, and its axis of outputs.
  struct Place {
    var name: String
    var axis: Int
  }

  private let tensors: [String: TensorMessage]
  private var producers: [String: NodeMessage] = [:]
  private var uses: [String: [NodeMessage]] = [:]

  init(_ graph: GraphMessage, _ tensors: [String: TensorMessage]) {
    self.tensors = tensors
    for node in graph.node {
      for output in node.output { producers[output] = node }
      for input in node.input { uses[input, default: []].append(node) }
    }
    for node in graph.node where canonicalDomain(node.domain).isEmpty {
      guard let found = found(node) else { continue }
      heads[node.name.isEmpty ? node.output.first ?? "" : node.name] = found
    }
  }

  private func found(_ node: NodeMessage) -> Found? {
    guard node.input.count >= 2, let weight = initializer(node.input[1]), uses[weight.name]?.count == 1 else { return nil }
    let dims = shape(weight.name)
    var axis: Int
    switch node.opType {
    case "Gemm" where dims.count == 2: axis = node.integer("transB") == 1 ? 0 : 1
    case "MatMul" where dims.count == 2: axis = 1
    case "Conv" where dims.count >= 3 && (node.integer("group") ?? 1) == 1: axis = 0
    default: return nil
    }
    let outputs: Int
    if weight.isTransposed {
      guard dims.count == 2 else { return nil }
      axis = 1 - axis
    }
    outputs = dims[axis]
    guard outputs > 0 else { return nil }
    let terms = dims.reduce(1, *) / outputs
    return Found(weight: Place(name: weight.name, axis: axis), bias: bias(of: node, outputs), outputs: outputs, terms: max(1, terms))
  }

  /// The initialiser that an operand is, straight or turned around.
  private func initializer(_ operand: String) -> (name: String, isTransposed: Bool)? {
    if tensors[operand] != nil { return (operand, false) }
    guard let node = producers[operand], ["Transpose", "Identity"].contains(node.opType), uses[operand]?.count == 1,
      let source = node.input.first, tensors[source] != nil
    else { return nil }
    return (source, node.opType == "Transpose")
  }

  /// The bias: an operand of the node, or what is added to its result.
  private func bias(of node: NodeMessage, _ outputs: Int) -> Place? {
    var name = node.input.count > 2 ? node.input[2] : ""
    if node.opType == "MatMul", let result = node.output.first, let users = uses[result], users.count == 1, users[0].opType == "Add" {
      name = users[0].input.first { $0 != result } ?? ""
    }
    guard tensors[name] != nil, uses[name]?.count == 1 else { return nil }
    let dims = shape(name)
    guard dims.last == outputs, dims.reduce(1, *) == outputs else { return nil }
    return Place(name: name, axis: dims.count - 1)
  }

  private func shape(_ name: String) -> [Int] { (try? tensors[name]?.shape()) ?? [] }
}

extension HeadSearch.Found {
  /// Its tensors by name.
  var tensors: [String] { [weight.name] + (bias.map { [$0.name] } ?? []) }

  /// Whether a tensor of the head takes other first values than the file's, and which: weights uniform within sqrt(6 / terms), a bias of zeros.
  func initializer(of tensor: String) -> Initializer {
    guard tensor == weight.name else { return .zeros }
    let limit = (6 / Double(terms)).squareRoot()
    return .uniform(low: -limit, high: limit)
  }

  /// The axis of outputs of one of the tensors.
  func axis(of tensor: String) -> Int? {
    if tensor == weight.name { return weight.axis }
    return bias?.name == tensor ? bias?.axis : nil
  }
}

extension NodeMessage {
  /// A whole number among the attributes.
  func integer(_ name: String) -> Int? {
    guard case .int(let value)? = attribute.first(where: { $0.name == name })?.value else { return nil }
    return Int(value)
  }
}
