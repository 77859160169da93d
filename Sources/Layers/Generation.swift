import Basics
import GraphIR
import LoopIR
import Operators

/// Generation of text: a model is built for one token a row, [N, 1], and knows the tokens before it by what its layers keep in memory.
extension ModelBuilder {
  /// What the current layer keeps from one token to the next; zeros at the beginning of a text. The batch is the first axis of `type`.
  public mutating func memory(_ name: String, _ type: TensorType) throws -> ValueID {
    guard mode == .generation else { throw Diagnostic.bug("layer '\(graph.path)' keeps '\(name)' in memory outside generation") }
    guard type.shape.first == .batch else { throw Diagnostic.bug("layer '\(graph.path)' keeps '\(name)' of type \(type) in memory") }
    let leaf = memoryLeaf(name)
    if let known = memories.updateValue(type, forKey: leaf.name), known != type {
      throw Diagnostic("layer '\(graph.path)' keeps \(name) of type \(type) in memory, but its first use gave it type \(known)")
    }
    return graph.leaf(leaf, type)
  }

  /// Its value for the next token, committed with the step.
  public mutating func updateMemory(_ name: String, _ value: ValueID) { graph.update(memoryLeaf(name), value) }

  /// The number of tokens before this one, an i64 scalar. A model that asks for it sees at most `contextLength` tokens of a text.
  public var position: ValueID {
    mutating get {
      boundContext()
      return graph.leaf(.position, TensorType(.i64, []))
    }
  }

  /// Each use of a layer keeps its own.
  private func memoryLeaf(_ name: String) -> Leaf {
    let use = layerUses[graph.path, default: 1]
    let path = use == 1 ? graph.path : "\(graph.path)#\(use)"
    return Leaf(path.isEmpty ? name : "\(path).\(name)", .memory)
  }

  /// Throws in generation: the current layer reads positions of a sequence that are not there, and keeps no memory of them.
  func requireWholeSequence() throws {
    guard mode == .generation else { return }
    throw Diagnostic(
      "layer '\(graph.path)' reads all positions of a sequence at once: text cannot be generated token by token with it", kind: .unsupported
    )
  }

  /// The length of the sequence of tokens that an input takes; throws for any other input, and for a second one.
  func requireTokens(_ port: Port) throws -> Int {
    guard inputs.isEmpty else {
      throw Diagnostic(
        "text is generated from tokens alone, but the model has a second input, '\(port.name)'", kind: .unsupported)
    }
    guard port.isBatched, port.element.isInteger, port.dims.count == 1, port.dims[0] >= 1 else {
      throw Diagnostic(
        "text is generated from tokens, an input of whole numbers such as i32[N, 64], but '\(port.name)' is \(port.type)",
        kind: .unsupported)
    }
    return port.dims[0]
  }

  /// Throws unless each layer gives for one token what it gives, in `run`, for each of a sequence: what lies on the second axis of a layer's
  /// result are the positions, or nothing depends on their number.
  public func requireSameLayers(as run: ModelBuilder) throws {
    let sequences = Dictionary(run.layerResults, uniquingKeysWith: { $1 })
    for (path, type) in layerResults {
      guard let sequence = sequences[path], sequence != type else { continue }
      var one = sequence
      if one.shape.count >= 2, one.shape[1] == Dimension(contextLength) { one.shape[1] = 1 }
      guard one != type else { continue }
      throw Diagnostic(
        "layer '\(path)' gives \(sequence) for a sequence and \(type) for one token: text cannot be generated token by token with it",
        kind: .unsupported)
    }
    for (own, other) in zip(parameters, run.parameters) where own.name != other.name || own.shape != other.shape {
      throw Diagnostic(
        "'\(other.name)' has the shape \(other.shape), but '\(own.name)' \(own.shape) for one token: text cannot be generated token by token",
        kind: .unsupported)
    }
    guard parameters.count == run.parameters.count else {
      throw Diagnostic.bug("the model has \(parameters.count) parameters in generation, \(run.parameters.count) otherwise")
    }
  }
}
