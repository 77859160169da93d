import Basics
import LoopIR

/// A node of a graph; operands always have smaller ids.
public struct ValueID: Hashable, Sendable, Comparable, CustomStringConvertible {
  public var rawValue: Int

  public init(_ rawValue: Int) { self.rawValue = rawValue }

  public static func < (a: ValueID, b: ValueID) -> Bool { a.rawValue < b.rawValue }
  public var description: String { "%\(rawValue)" }
}

/// A value that a graph is given: an input, a parameter, a scalar of the controls.
public struct Leaf: Hashable, Sendable {
  /// Where it lives.
  public enum Role: Hashable, Sendable {
    case input(Int), target(Int)
    /// One factor a row in the loss.
    case weights
    /// A tensor of the parameter or state block, by name.
    case parameter, state
    /// The gradient of the parameter of that name.
    case gradient
    /// A tensor known at compile time, part of the code.
    case table(HostTensor)
    /// What inference computes once from the weights, by name: a filter in another order, a normalisation's scale.
    case prepared
    /// What a generation keeps from one token to the next, by name: a recurrent state, keys and values. In the caller's memory.
    case memory
    /// A stretch of a flat block: elements from `offset` on.
    case segment(Segment, offset: Int)
    /// A scalar at a byte offset of the controls.
    case control(Int)
    /// In the body of a loop: an operand, what rounds hand on, what is handed out a slice a round.
    case captured(Int), carried(Int), stacked(Int)
  }

  /// The flat blocks that optimizers work on.
  public enum Segment: String, Hashable, Sendable, CaseIterable { case parameters, gradients, moments }

  public var name: String
  public var role: Role

  public init(_ name: String, _ role: Role) {
    self.name = name
    self.role = role
  }

  /// The number of tokens that a generation has seen, an i64: the first of what is kept in memory.
  public static let position = Leaf("position", .memory)

  /// Whether it stays what it is from call to call of inference: a parameter, state, a table.
  public var isWeight: Bool {
    switch role {
    case .parameter, .state, .table: true
    case .input, .target, .weights, .gradient, .prepared, .memory, .segment, .control, .captured, .carried, .stacked: false
    }
  }
}

/// What a node is.
public enum NodeKind: Sendable {
  case leaf(Leaf)
  case apply(any Operator, [ValueID])
}

/// A value of a graph with the layer that it belongs to.
public struct Node: Sendable {
  public var kind: NodeKind
  /// One type; several for a tuple, which only `element` nodes read.
  public var types: [TensorType]
  /// The layer path, `encoder.dense1`; empty outside layers.
  public var path: String
  /// Whether it was made by reverse mode.
  public var isBackward: Bool

  public init(_ kind: NodeKind, types: [TensorType], path: String = "", isBackward: Bool = false) {
    self.kind = kind
    self.types = types
    self.path = path
    self.isBackward = isBackward
  }

  public var operands: [ValueID] { if case .apply(_, let operands) = kind { operands } else { [] } }
  public var op: (any Operator)? { if case .apply(let op, _) = kind { op } else { nil } }
  public var leaf: Leaf? { if case .leaf(let leaf) = kind { leaf } else { nil } }
}

/// A state change: all are read before and committed together.
public struct Update: Hashable, Sendable {
  /// How the value enters the leaf's memory.
  public enum Mode: String, Hashable, Sendable, CaseIterable {
    case assign
    /// Added when backward passes since the last update (`controls.micro`) are not zero, else assigned.
    case accumulate
  }

  public var leaf: Leaf
  public var value: ValueID
  public var mode: Mode

  public init(_ leaf: Leaf, _ value: ValueID, _ mode: Mode = .assign) {
    self.leaf = leaf
    self.value = value
    self.mode = mode
  }
}

/// A named result.
public struct GraphOutput: Hashable, Sendable {
  public var name: String
  public var value: ValueID

  public init(_ name: String, _ value: ValueID) {
    self.name = name
    self.value = value
  }
}

/// A function from leaves to outputs and state changes. Storage order is a topological order.
public struct Graph: Sendable {
  /// `run`, `evaluate`, `generate`, `backward`, `update`, `initialize`.
  public var name: String
  public var symbols: [Symbol]
  public var nodes: [Node]
  public var outputs: [GraphOutput]
  public var updates: [Update]
  /// Scalars that must be finite, or nothing is committed.
  public var requirements: [ValueID]

  public init(name: String, symbols: [Symbol]) {
    self.name = name
    self.symbols = symbols
    nodes = []
    outputs = []
    updates = []
    requirements = []
  }

  public subscript(id: ValueID) -> Node { nodes[id.rawValue] }

  /// The type of a single-valued node.
  public func type(_ id: ValueID) -> TensorType { nodes[id.rawValue].types[0] }

  /// All ids in order.
  public var ids: [ValueID] { nodes.indices.map(ValueID.init) }

  /// What must be computed: outputs, updates, requirements.
  public var roots: [ValueID] { outputs.map(\.value) + updates.map(\.value) + requirements }

  /// For each node, the nodes that read it.
  public func users() -> [[ValueID]] {
    var users: [[ValueID]] = Array(repeating: [], count: nodes.count)
    for (index, node) in nodes.enumerated() { for operand in Set(node.operands) { users[operand.rawValue].append(ValueID(index)) } }
    return users
  }
}
