import Basics
import GraphIR
import Layers
import LoopIR
import Operators
import Training

/// What a person should think about in a model that compiles: warnings, each with what to do.
public func doubtfulChoices(_ definition: ModelDefinition, training: TrainingSpecification?) throws -> [Diagnostic] {
  var builder = ModelBuilder(name: "check", mode: .inference, element: .f32, symbols: [Symbol(name: "n", maximum: 1)])
  try definition.build(&builder)
  let graph = builder.graph.graph
  var doubts = graph.denseWithoutActivation() + graph.softmaxOfOneUnit() + builder.unusedInputs()
  for loss in training?.losses ?? [] { doubts += try builder.doubts(about: loss) }
  return doubts
}

/// Nodes whose operators have no gradient although a parameter before them and the loss after them need one, and parameters that no gradient
/// reaches.
public func missingGradients(_ definition: ModelDefinition, training: TrainingSpecification) throws -> [Diagnostic] {
  let model = try buildModel(definition: definition, training: training, element: .f32, maxBatch: 1)
  guard let graph = model.graph("backward") else { return [] }
  var found: [Diagnostic] = []
  for update in graph.updates {
    guard case .gradient = update.leaf.role, graph.isZero(update.value) else { continue }
    let blocked = graph.ids.filter { id in
      guard let op = graph[id].op, !graph[id].isBackward, !type(of: op).isDifferentiable else { return false }
      return graph.depends(id, on: update.leaf.name)
    }
    let names = Set(blocked.compactMap { graph[$0].op.map { type(of: $0).name } }).sorted()
    let reason = names.isEmpty ? "the loss does not depend on it" : "\(names.joined(separator: ", ")) has no gradient"
    found.append(Diagnostic("parameter '\(update.leaf.name)' is never learned: \(reason)", severity: .warning))
  }
  return found
}

extension Graph {
  /// Matrix products with a parameter that read the result of another one with at most a bias between.
  fileprivate func denseWithoutActivation() -> [Diagnostic] {
    ids.compactMap { id in
      guard isDense(id), let before = affineSource(self[id].operands[0]) else { return nil }
      return Diagnostic(
        "dense layers '\(self[before].path)' and '\(self[id].path)' have nothing between them: two linear maps are one; put an activation "
          + "between them, or drop one", severity: .warning)
    }
  }

  private func isDense(_ id: ValueID) -> Bool {
    guard self[id].op is MatMul else { return false }
    return isParameter(self[id].operands[1])
  }

  private func isParameter(_ id: ValueID) -> Bool {
    if case .parameter? = self[id].leaf?.role { return true }
    return self[id].op is Broadcast && isParameter(self[id].operands[0])
  }

  /// The dense product that a value comes from through nothing but a bias and changes of shape.
  private func affineSource(_ id: ValueID) -> ValueID? {
    var id = id
    while true {
      if isDense(id) { return id }
      let node = self[id]
      if node.op is Reshape || node.op is Identity {
        id = node.operands[0]
      } else if node.op is Add, node.operands.count == 2, isParameter(node.operands[1]) {
        id = node.operands[0]
      } else {
        return nil
      }
    }
  }

  fileprivate func softmaxOfOneUnit() -> [Diagnostic] {
    ids.compactMap { id in
      guard let softmax = self[id].op as? Softmax else { return nil }
      let shape = type(id).shape
      let axis = softmax.axis < 0 ? shape.count + softmax.axis : softmax.axis
      guard shape.indices.contains(axis), shape[axis] == 1 else { return nil }
      return Diagnostic(
        "softmax '\(self[id].path)' over one unit is always 1: use sigmoid for two classes, or a unit for each class", severity: .warning)
    }
  }

  /// Whether a value is a constant zero, perhaps repeated.
  fileprivate func isZero(_ id: ValueID) -> Bool {
    if let constant = self[id].op as? Constant { return constant.value == 0 }
    return self[id].op is Broadcast && isZero(self[id].operands[0])
  }

  fileprivate func depends(_ id: ValueID, on parameter: String) -> Bool {
    var pending = [id]
    var seen = Set<ValueID>()
    while let next = pending.popLast() {
      guard seen.insert(next).inserted else { continue }
      if self[next].leaf?.name == parameter { return true }
      pending += self[next].operands
    }
    return false
  }
}

extension ModelBuilder {
  fileprivate func unusedInputs() -> [Diagnostic] {
    let graph = self.graph.graph
    var reached = Set<ValueID>()
    var pending = graph.roots
    while let id = pending.popLast() { if reached.insert(id).inserted { pending += graph[id].operands } }
    return inputs.enumerated().compactMap { index, port in
      let isRead = reached.contains { graph[$0].leaf?.role == .input(index) }
      return isRead ? nil : Diagnostic("no output depends on the input '\(port.name)'", severity: .warning)
    }
  }

  fileprivate func doubts(about loss: LossChoice) throws -> [Diagnostic] {
    guard let output = outputs.first(where: { loss.output == nil || $0.name == loss.output }) else { return [] }
    let entry = try LossCatalog.entry(loss.name)
    let ending = logits[output.value]
    if try Arguments(loss.arguments, to: entry.parameters, of: loss.name).bool("from_logits") {
      guard ending != nil else { return [] }
      return [
        Diagnostic(
          "\(entry.name) is told that '\(output.name)' is a score (from_logits), but the output ends in sigmoid or softmax already",
          severity: .warning)
      ]
    }
    switch (entry.task, ending) {
    case (.numbers, .sigmoid?):
      return [
        Diagnostic(
          "\(entry.name) on the sigmoid output '\(output.name)' learns slowly where it is wrong: a classifier wants binary_cross_entropy",
          severity: .warning)
      ]
    case (.numbers, .softmax?), (.numbers, .logSoftmax?):
      return [
        Diagnostic(
          "\(entry.name) on the softmax output '\(output.name)' learns slowly where it is wrong: a classifier wants "
            + "sparse_categorical_cross_entropy", severity: .warning)
      ]
    case (.probability, nil):
      return [
        Diagnostic(
          "\(entry.name) needs probabilities, but the output '\(output.name)' does not end in sigmoid; say from_logits: true where it is a score",
          severity: .warning)
      ]
    case (.classes, nil):
      return [
        Diagnostic(
          "\(entry.name) needs probabilities, but the output '\(output.name)' does not end in softmax; say from_logits: true where it is a score",
          severity: .warning)
      ]
    default: return []
    }
  }
}
