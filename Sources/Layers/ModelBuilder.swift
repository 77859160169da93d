import Basics
import GraphIR
import LoopIR
import Operators

/// What a model is being built for. Dropout and batch normalisation differ in training; in generation there is one token a row, and layers
/// that look at other positions keep what they need of them in memory.
public enum Mode: String, Sendable { case inference, training, generation }

/// The order of an image's axes in a model, as its author writes shapes: [N, C, H, W] or [N, H, W, C]. Weights do not depend on it.
public enum ImageLayout: String, CaseIterable, Sendable {
  case channelsFirst = "channels_first"
  case channelsLast = "channels_last"
}

/// A penalty on weights that a layer asked for, added to the training loss.
public struct Penalty: Sendable {
  public var parameter: String
  /// λ₁ Σ |w|.
  public var l1: Double
  /// λ₂ / 2 Σ w².
  public var l2: Double

  public init(parameter: String, l1: Double, l2: Double) {
    self.parameter = parameter
    self.l1 = l1
    self.l2 = l2
  }
}

/// Builds one entry graph of a model layer by layer: layers are its methods (`dense`, `dropout`, …, one a file), operators those of
/// `graph`. Parameters are declared with shape and initializer under the layer's path.
public struct ModelBuilder {
  public var graph: GraphBuilder
  public let mode: Mode
  /// The floating point type of parameters and activations.
  public let element: ElementType
  /// Where layers of images find the channels.
  public var imageLayout = ImageLayout.channelsFirst
  public private(set) var parameters: [Parameter] = []
  /// How each parameter begins, by name.
  public private(set) var initializers: [String: Initializer] = [:]
  public private(set) var inputs: [Port] = []
  public private(set) var outputs: [GraphOutput] = []
  public private(set) var penalties: [Penalty] = []
  /// Pre-activation scores of values that ended in sigmoid or softmax: losses use the stable form on these.
  public var logits: [ValueID: Logits] = [:]
  /// Layers that the training leaves as they are: a batch normalisation among them keeps to its running statistics.
  public var frozen = LayerPatterns([])
  /// The layer whose number of outputs is another one than the model says.
  public var replacedHead: Head?
  /// Layers whose number of outputs is their own choice, in the order of their use: what `replacedHead` may name.
  public private(set) var heads: [Head] = []
  /// Values after relu, by layer path: for the share of dead units.
  public private(set) var activations: [(path: String, value: ValueID)] = []
  /// In generation the tokens of one text that the model's input has room for: its second axis, which is built as 1.
  public private(set) var contextLength = 0
  /// Whether a layer asked for the position, so that `contextLength` bounds a text.
  public private(set) var boundsContext = false
  /// The types of what is kept in memory, by the names of the leaves.
  var memories: [String: TensorType] = [:]
  /// Called where a layer reads the position.
  mutating func boundContext() { boundsContext = true }

  /// The type of each layer's result, by its path.
  public private(set) var layerResults: [(path: String, type: TensorType)] = []
  /// How often each layer was used, by its path.
  private(set) var layerUses: [String: Int] = [:]
  private var layerCounts: [String: Int] = [:]
  private var randomUses: [String: Int] = [:]

  /// Elements of a parameter beyond which sizes in bytes would be in danger of overflow.
  private static let largestParameter = 0x1p40

  private static let largestRow = 0x1p31

  /// What a probability was computed from.
  public enum Logits: Sendable {
    case sigmoid(ValueID), softmax(ValueID)
    /// The value is the logarithm of a probability.
    case logSoftmax(ValueID)
  }

  public init(name: String, mode: Mode, element: ElementType, symbols: [Symbol]) {
    graph = GraphBuilder(name: name, symbols: symbols)
    self.mode = mode
    self.element = element
  }

  /// The type of a value.
  public func type(_ value: ValueID) -> TensorType { graph.type(value) }

  /// A model input with the given axes after the batch.
  public mutating func input(_ name: String, dims: [Int], element: ElementType? = nil, isBatched: Bool = true) throws -> ValueID {
    guard !inputs.contains(where: { $0.name == name }) else { throw Diagnostic("input '\(name)' is declared twice") }
    guard dims.reduce(1.0, { $0 * Double(max(1, $1)) }) <= Self.largestRow else {
      throw Diagnostic("input '\(name)' has more than 2^31 elements a row: \(dims.map(String.init).joined(separator: " x "))")
    }
    var port = Port(name: name, element: element ?? self.element, dims: dims, isBatched: isBatched)
    if mode == .generation {
      contextLength = try requireTokens(port)
      port.dims = [1]
    }
    inputs.append(port)
    return graph.leaf(Leaf(name, .input(inputs.count - 1)), port.type)
  }

  /// A model output.
  public mutating func output(_ name: String, _ value: ValueID) throws {
    guard !outputs.contains(where: { $0.name == name }) else { throw Diagnostic("output '\(name)' is declared twice") }
    // A model whose inputs have no batch has none in its outputs either.
    guard type(value).shape.first == .batch || !inputs.contains(where: \.isBatched) else {
      throw Diagnostic("output '\(name)' has type \(type(value)): the first axis of an output must be the batch N")
    }
    outputs.append(GraphOutput(name, value))
    graph.output(name, value)
  }

  /// Runs `body` as a layer: under the given name, or `kind` with a running number a kind (`dense1`, `dense2`). Giving a name that was
  /// used before shares that layer's parameters.
  public mutating func layer(_ kind: String, name: String? = nil, _ body: (inout ModelBuilder) throws -> ValueID) throws -> ValueID {
    let outer = graph.path
    let prefix = outer.isEmpty ? "" : outer + "."
    if let name {
      graph.path = prefix + name
      // Layers inside count from one again, so that a second use finds the parameters of the first.
      let inside = graph.path + "."
      layerCounts = layerCounts.filter { !$0.key.hasPrefix(inside) }
    } else {
      layerCounts[prefix + kind, default: 0] += 1
      graph.path = prefix + "\(kind)\(layerCounts[prefix + kind]!)"
    }
    defer { graph.path = outer }
    layerUses[graph.path, default: 0] += 1
    do {
      let value = try body(&self)
      try requireRow(value)
      layerResults.append((graph.path, type(value)))
      return value
    } catch let error as TypeError {
      throw Diagnostic("layer '\(graph.path)': \(error.description)")
    }
  }

  /// Throws where a row of a layer's result has so many elements that sizes in bytes would be in danger of overflow.
  private func requireRow(_ value: ValueID) throws {
    let elements = type(value).shape.reduce(1.0) { $0 * Double($1.coefficient) }
    guard elements <= Self.largestRow else {
      throw Diagnostic("layer '\(graph.path)': a row of its result \(type(value)) has more than 2^31 elements")
    }
  }

  /// The path that a random stream of the current layer is keyed by: another one each time the layer is used.
  mutating func randomPath() -> String {
    randomUses[graph.path, default: 0] += 1
    let use = randomUses[graph.path]!
    return use == 1 ? graph.path : "\(graph.path)#\(use)"
  }

  /// A tensor of the current layer: declared on first use, shared when the layer is used again (the shape must be the same).
  public mutating func parameter(
    _ name: String, shape: [Int], initializer: Initializer, isState: Bool = false, trainable: Bool = true, decays: Bool = true
  ) throws -> ValueID {
    let path = graph.path.isEmpty ? name : "\(graph.path).\(name)"
    if let known = parameters.first(where: { $0.name == path }) {
      guard known.shape == shape else {
        throw Diagnostic(
          "layer '\(graph.path)' is used again with \(name) of shape \(shape), but its first use gave it shape \(known.shape)")
      }
      guard known.isState == isState else {
        throw Diagnostic("'\(path)' is a parameter in one place and a running statistic in another: it can only be one of them")
      }
    } else {
      guard shape.reduce(into: Double(1), { $0 *= Double($1) }) <= Self.largestParameter else {
        throw Diagnostic("layer '\(graph.path)': \(name) of shape \(shape) has more than 2^40 elements")
      }
      parameters.append(Parameter(name: path, shape: shape, isState: isState, trainable: trainable, decays: decays))
      initializers[path] = initializer
    }
    return graph.leaf(Leaf(path, isState ? .state : .parameter), TensorType(element, shape.map { Dimension($0) }))
  }

  /// Whether the current layer works as in training: not in inference, and not when it is frozen.
  var adaptsToBatch: Bool { mode == .training && !frozen.contains(graph.path) }

  /// Notes a layer whose number of outputs is its own choice.
  public mutating func note(_ head: Head) { if !heads.contains(where: { $0.path == head.path }) { heads.append(head) } }

  /// The number of outputs of the current layer: `declared`, unless the layer is the replaced head. Layers with weights whose result has
  /// as many features or channels as they are told ask this.
  mutating func outputs(declared: Int) -> Int {
    note(Head(path: graph.path, outputs: declared))
    guard let replacedHead, replacedHead.path == graph.path else { return declared }
    return replacedHead.outputs
  }

  /// A new value of a state tensor of the current layer, committed with the step.
  public mutating func updateState(_ name: String, _ value: ValueID) {
    graph.update(Leaf(graph.path.isEmpty ? name : "\(graph.path).\(name)", .state), value)
  }

  /// Adds a penalty on a tensor of the current layer to the training loss; once, however often the layer is used.
  public mutating func penalize(_ name: String, l1: Double, l2: Double) {
    let path = graph.path.isEmpty ? name : "\(graph.path).\(name)"
    guard l1 != 0 || l2 != 0, !penalties.contains(where: { $0.parameter == path }) else { return }
    penalties.append(Penalty(parameter: path, l1: l1, l2: l2))
  }

  /// Remembers the output of a relu for the share of dead units.
  public mutating func noteActivation(_ value: ValueID) { activations.append((graph.path, value)) }

  /// The port that an output is.
  public func port(of output: GraphOutput) throws -> Port {
    let type = type(output.value)
    let isBatched = type.shape.first?.symbol != nil
    let row = isBatched ? Array(type.shape.dropFirst()) : type.shape
    let dims = try row.map { dimension in
      guard let size = dimension.constant else {
        throw Diagnostic("output '\(output.name)' has type \(type): only its first axis may be the batch")
      }
      return size
    }
    return Port(name: output.name, element: type.element, dims: dims, isBatched: isBatched)
  }

  /// The axes of one row of `value` as whole numbers; throws where an axis is symbolic.
  public func rowDims(_ value: ValueID) throws -> [Int] {
    try type(value).shape.dropFirst().map { dimension in
      guard let size = dimension.constant else {
        throw Diagnostic("layer '\(graph.path)': axis of size \(dimension) in \(type(value)) must be known at compile time")
      }
      return size
    }
  }
}

/// A model as a function from a builder: run once for each entry graph. The language and the Swift API both make these.
public struct ModelDefinition {
  public var name: String
  public var build: (inout ModelBuilder) throws -> Void

  public init(name: String, build: @escaping (inout ModelBuilder) throws -> Void) {
    self.name = name
    self.build = build
  }
}

extension Port {
  /// The type of the tensor of all rows.
  public var type: TensorType { TensorType(element, (isBatched ? [.batch] : []) + dims.map { Dimension($0) }) }
}
