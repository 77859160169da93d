import Basics
import LoopIR

/// Builds a graph node by node: infers and checks types, and gives the node that is already there when it is asked for an equal one.
public struct GraphBuilder {
  public private(set) var graph: Graph
  /// The layer path given to new nodes.
  public var path = ""
  /// Whether new nodes are marked as made by reverse mode.
  public var isBackward = false
  private var known: [Key: ValueID] = [:]

  private struct Key: Hashable {
    var op: AnyHashable
    var operands: [ValueID]
  }

  public init(name: String, symbols: [Symbol]) { graph = Graph(name: name, symbols: symbols) }

  /// The type of a single-valued node.
  public func type(_ id: ValueID) -> TensorType { graph.type(id) }

  /// A leaf; asked twice, the same node.
  public mutating func leaf(_ leaf: Leaf, _ type: TensorType) -> ValueID {
    let key = Key(op: AnyHashable(leaf), operands: [])
    if let id = known[key] { return id }
    return append(Node(.leaf(leaf), types: [type], path: path, isBackward: isBackward), key)
  }

  /// An operator applied to operands. Throws a diagnostic that names the layer when the types do not fit.
  ///
  /// Operands of f16 and bf16 are converted to f32, and an f32 result back where all float operands were of that type: the operator
  /// computes in f32 and its result is rounded once.
  public mutating func add(_ op: any Operator, _ operands: [ValueID]) throws -> ValueID {
    let reals = Set(operands.compactMap { type($0).element.isReal ? type($0).element : nil })
    if reals.contains(where: \.isStoredFloat), !(op is Cast), !(op is Element) {
      let wide = try operands.map { type($0).element.isStoredFloat ? try cast($0, to: .f32) : $0 }
      let result = try add(op, wide)
      guard reals.count == 1, graph[result].types.count == 1, type(result).element == .f32 else { return result }
      return try cast(result, to: reals.first!)
    }
    let key = Key(op: AnyHashable(op), operands: operands)
    if let id = known[key] { return id }
    let types: [TensorType]
    do {
      types = try op.resultTypes(operands.map { type($0) })
      try types.forEach(Self.requireSize)
    } catch let error as TypeError {
      throw located(error)
    }
    return append(Node(.apply(op, operands), types: types, path: path, isBackward: isBackward), key)
  }

  /// Throws where a tensor has so many elements, or would have them without its empty axes, that positions in bytes could overflow.
  private static func requireSize(_ type: TensorType) throws {
    let elements = type.shape.reduce(1.0) { $0 * Double(max(1, $1.coefficient)) }
    guard elements <= 0x1p40, type.shape.allSatisfy({ $0.coefficient >= 0 }) else { throw TypeError("\(type) has more than 2^40 elements") }
  }

  /// The error with the layer that it is in.
  func located(_ error: TypeError) -> Diagnostic { Diagnostic((path.isEmpty ? "" : "layer '\(path)': ") + error.description) }

  /// A named result.
  public mutating func output(_ name: String, _ value: ValueID) { graph.outputs.append(GraphOutput(name, value)) }

  /// A state change.
  public mutating func update(_ leaf: Leaf, _ value: ValueID, _ mode: Update.Mode = .assign) {
    graph.updates.append(Update(leaf, value, mode))
  }

  /// A scalar that must be finite, or nothing is committed.
  public mutating func require(finite value: ValueID) { graph.requirements.append(value) }

  /// Builds inside a layer: `name` is appended to the path.
  public mutating func scope<Result>(_ name: String, _ body: (inout GraphBuilder) throws -> Result) rethrows -> Result {
    let outer = path
    path = outer.isEmpty ? name : "\(outer).\(name)"
    defer { path = outer }
    return try body(&self)
  }

  private mutating func append(_ node: Node, _ key: Key) -> ValueID {
    let id = ValueID(graph.nodes.count)
    graph.nodes.append(node)
    known[key] = id
    return id
  }
}

extension GraphBuilder {
  /// A constant scalar.
  public mutating func constant(_ value: Double, _ element: ElementType) throws -> ValueID { try add(Constant(value, element), []) }

  /// A constant tensor: a scalar operator where all of its elements are one number, else a table that is part of the code.
  public mutating func constant(_ tensor: HostTensor) throws -> ValueID {
    let values = tensor.doubles
    let isExact = tensor.element.size < 8 || tensor.element == .f64 || values.allSatisfy { abs($0) <= 0x1p53 }
    if let first = values.first, isExact, tensor.element.isFloat || tensor.element == .bool || tensor.element.isInteger,
      values.allSatisfy({ $0.bitPattern == first.bitPattern })
    {
      return try broadcast(constant(first, tensor.element), to: tensor.type.shape)
    }
    return leaf(Leaf("table", .table(tensor)), tensor.type)
  }

  /// `value` repeated to `shape` under NumPy's rules (missing leading axes and axes of size 1 are repeated).
  public mutating func broadcast(_ value: ValueID, to shape: Shape) throws -> ValueID {
    type(value).shape == shape ? value : try add(Broadcast(shape: shape), [value])
  }

  /// The same elements in another shape. Around a symbolic axis that is not outermost, which exists only as a view, the axes before and
  /// after it may change: it is turned to the front first and back afterwards.
  public mutating func reshape(_ value: ValueID, _ shape: Shape) throws -> ValueID {
    let given = type(value).shape
    if given == shape { return value }
    guard let from = given.firstIndex(where: { $0.symbol != nil }), let to = shape.firstIndex(of: given[from]), from > 0 || to > 0,
      Dimension.product(given[..<from]) == Dimension.product(shape[..<to]), Dimension.product(given) == Dimension.product(shape),
      Dimension.product(given[(from + 1)...]) == Dimension.product(shape[(to + 1)...])
    else {
      if let axis = given.firstIndex(where: { $0.symbol != nil }), Dimension.product(given[..<axis]) != 1 {
        throw located(
          TypeError("cannot reshape \(type(value)) to \(shape): its symbolic axis \(axis) is not outermost, and the new shape mixes it"))
      }
      return try add(Reshape(shape: shape), [value])
    }
    func others(_ axis: Int, _ rank: Int) -> [Int] { (0..<rank).filter { $0 != axis } }
    let front = try transpose(value, [from] + others(from, given.count))
    let order = others(to, shape.count)
    let reshaped = try reshape(front, [shape[to]] + order.map { shape[$0] })
    return try transpose(reshaped, shape.indices.map { $0 == to ? 0 : $0 < to ? $0 + 1 : $0 })
  }

  /// Two axes: all before `axis`, and all from it on.
  public mutating func flattened(_ value: ValueID, from axis: Int) throws -> ValueID {
    let shape = type(value).shape
    guard let rows = Dimension.product(shape[..<axis]), let columns = Dimension.product(shape[axis...]) else {
      throw located(TypeError("\(type(value)) has two symbolic axes on one side of axis \(axis)"))
    }
    return try reshape(value, [rows, columns])
  }

  /// The sum over `axes` (negative ones count from the end).
  public mutating func sum(_ value: ValueID, axes: [Int]? = nil, keepDims: Bool = false) throws -> ValueID {
    let axes = axes ?? Array(0..<type(value).rank)
    return axes.isEmpty ? value : try add(Sum(axes: axes, keepDims: keepDims), [value])
  }

  /// Another element type.
  public mutating func cast(_ value: ValueID, to element: ElementType) throws -> ValueID {
    type(value).element == element ? value : try add(Cast(to: element), [value])
  }

  /// A pointwise operator on operands that are first broadcast to their common shape.
  public mutating func pointwise(_ op: any Operator, _ operands: [ValueID]) throws -> ValueID {
    let shape: Shape
    do {
      guard !operands.isEmpty else { throw TypeError("\(Swift.type(of: op).name) needs an operand") }
      shape = try operands.dropFirst().reduce(type(operands[0]).shape) { try broadcastShape($0, type($1).shape) }
    } catch let error as TypeError {
      throw located(error)
    }
    return try add(op, operands.map { try broadcast($0, to: shape) })
  }
}

/// The common shape of two tensors under NumPy's broadcasting rules.
public func broadcastShape(_ a: Shape, _ b: Shape) throws -> Shape {
  let rank = max(a.count, b.count)
  let a = Array(repeating: Dimension(1), count: rank - a.count) + a
  let b = Array(repeating: Dimension(1), count: rank - b.count) + b
  return try zip(a, b).map { x, y in
    if x == y || y == 1 { return x }
    if x == 1 { return y }
    throw TypeError(
      "shapes [\(a.map(\.description).joined(separator: ", "))] and [\(b.map(\.description).joined(separator: ", "))] do not fit")
  }
}
