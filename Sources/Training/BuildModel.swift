import Basics
import Differentiation
import GraphIR
import Layers
import LoopIR
import Operators
import Optimizers

/// Compiles a definition to a model with its entry graphs: `run` and `initialize`, and with training also `evaluate` (inference form,
/// outputs, and the mean data loss in the controls), `backward` (training form, gradients added into their block, running statistics, both losses)
/// and `update`. `maxBatch` bounds the rows of one call. A model that `generates` also has `generate`, which goes on by one token.
public func buildModel(
  definition: ModelDefinition, training: TrainingSpecification?, element: ElementType, maxBatch: Int, generates: Bool = false
) throws -> Model {
  guard element.isFloat else { throw Diagnostic("a model computes in f32 or f64, not in \(element.rawValue)") }
  guard (1...Int(Int32.max)).contains(maxBatch) else { throw Diagnostic("the largest batch must be at least 1, got \(maxBatch)") }
  let symbols = [Symbol(name: "n", maximum: maxBatch)]
  let run = try definition.built("run", .inference, element, symbols, frozen: training?.freeze ?? [])
  var model = Model(name: definition.name, element: element, symbols: symbols)
  model.inputs = run.inputs
  model.outputs = try run.outputs.map { try run.port(of: $0) }
  model.parameters = try frozen(run.parameters, by: training?.freeze ?? [])
  model.task = try task(of: run, training)
  model.graphs = [run.graph.graph]
  if generates { model.graphs.append(try buildGenerateGraph(definition, run, &model)) }
  if let training {
    model.momentsPerParameter = training.optimizer.optimizer.momentsPerParameter
    let evaluate = try buildEvaluateGraph(definition, training, &model)
    let backward = try buildBackwardGraph(definition, training, model)
    let update = try buildUpdateGraph(
      model: model, optimizer: training.optimizer, clipNorm: training.clipNorm, clipValue: training.clipValue)
    model.graphs += [evaluate, backward, update]
  }
  model.graphs.append(try buildInitializeGraph(model: model, initializers: run.initializers))
  return model
}

extension ModelDefinition {
  /// Runs the definition for one entry graph.
  public func built(
    _ graph: String, _ mode: Mode, _ element: ElementType, _ symbols: [Symbol], frozen: [String] = []
  ) throws -> ModelBuilder {
    var builder = ModelBuilder(name: graph, mode: mode, element: element, symbols: symbols)
    builder.frozen = LayerPatterns(frozen)
    do {
      try build(&builder)
    } catch let error as TypeError {
      throw Diagnostic(error.description)
    }
    guard !builder.outputs.isEmpty else { throw Diagnostic("model '\(name)' has no output") }
    return builder
  }
}

/// The parameters with those of the given layers not trainable.
private func frozen(_ parameters: [Parameter], by names: [String]) throws -> [Parameter] {
  let patterns = LayerPatterns(names)
  try patterns.requireMatches(among: parameters.map(\.name))
  return parameters.map { parameter in
    var parameter = parameter
    if patterns.contains(parameter.name) { parameter.trainable = false }
    return parameter
  }
}

/// How the first output is read: from its loss, or without training from the activation that it ends in.
private func task(of run: ModelBuilder, _ training: TrainingSpecification?) throws -> Task {
  let first = run.outputs[0]
  let isSingle = try run.rowDims(first.value).reduce(1, *) == 1
  guard let training else {
    return switch run.logits[first.value] {
    case .sigmoid?: isSingle ? .binary : .regression
    case .softmax?, .logSoftmax?: .classes
    case nil: .regression
    }
  }
  guard let loss = training.losses.first(where: { $0.output == nil || $0.output == first.name }) else { return .regression }
  return switch try LossCatalog.entry(loss.name).task {
  case .numbers: .regression
  case .probability: isSingle ? .binary : .regression
  case .classes: .classes
  }
}

/// The graph `evaluate`; declares the model's targets on the way.
private func buildEvaluateGraph(_ definition: ModelDefinition, _ training: TrainingSpecification, _ model: inout Model) throws -> Graph {
  var builder = try definition.built("evaluate", .inference, model.element, model.symbols)
  model.targets = []
  let loss = try builder.dataLoss(training.losses, targets: &model.targets)
  builder.graph.update(Leaf("loss", .control(Controls.loss)), loss)
  let probability = try builder.probability(ofFirstOutput: training.losses)
  var graph = builder.graph.graph
  if let probability { graph.outputs[0].value = probability }
  return graph
}

extension TrainingSpecification {
  /// What makes probabilities of the model's first output, where the loss that judges it takes scores.
  public func scoreEnding(ofFirst output: String) throws -> OutputEnding? { try losses.scoreEnding(ofFirst: output) }
}

extension [LossChoice] {
  fileprivate func scoreEnding(ofFirst output: String) throws -> OutputEnding? {
    guard let loss = first(where: { $0.output == nil || $0.output == output }) else { return nil }
    let entry = try LossCatalog.entry(loss.name)
    guard try Arguments(loss.arguments, to: entry.parameters, of: loss.name).bool("from_logits") else { return nil }
    return entry.task == .classes ? .softmax : .sigmoid
  }
}

extension ModelBuilder {
  /// The first output as metrics read it, where it is a score; nil where it is a probability or a number already.
  fileprivate mutating func probability(ofFirstOutput losses: [LossChoice]) throws -> ValueID? {
    let first = outputs[0]
    graph.path = "probability"
    defer { graph.path = "" }
    switch try losses.scoreEnding(ofFirst: first.name) {
    case .softmax?: return try graph.softmax(first.value, axis: type(first.value).rank - 1)
    case .sigmoid?: return try graph.sigmoid(first.value)
    case nil: break
    }
    if case .logSoftmax? = logits[first.value] { return try graph.exp(first.value) }
    return nil
  }
}

/// The graph `backward`.
private func buildBackwardGraph(_ definition: ModelDefinition, _ training: TrainingSpecification, _ model: Model) throws -> Graph {
  var builder = try definition.built("backward", .training, model.element, model.symbols, frozen: training.freeze)
  guard builder.parameters.map(\.name) == model.parameters.map(\.name), builder.parameters.map(\.shape) == model.parameters.map(\.shape)
  else { throw Diagnostic("model '\(model.name)' declares other parameters for training than for inference") }
  var targets: [Port] = []
  let dataLoss = try builder.dataLoss(training.losses, targets: &targets)
  let trainable = model.parameters.filter(\.trainable)
  let names = Set(trainable.map(\.name))
  let penalty = try builder.penaltyTotal { names.contains($0) }
  let loss = try penalty.map { try builder.graph.add(dataLoss, $0) } ?? dataLoss
  let leaves = trainable.map { parameter in
    builder.graph.leaf(Leaf(parameter.name, .parameter), TensorType(model.element, parameter.shape.map { Dimension($0) }))
  }
  let gradients = try builder.graph.gradients(of: loss, withRespectTo: leaves)
  for ((parameter, leaf), gradient) in zip(zip(trainable, leaves), gradients) {
    // A parameter that the loss does not depend on still has a place in the gradient block, which must be overwritten.
    let zeros = { (graph: inout GraphBuilder) in try graph.broadcast(graph.constant(0, model.element), to: graph.type(leaf).shape) }
    builder.graph.update(Leaf(parameter.name, .gradient), try gradient ?? zeros(&builder.graph), .accumulate)
  }
  builder.graph.update(Leaf("loss", .control(Controls.loss)), loss)
  builder.graph.update(Leaf("data_loss", .control(Controls.dataLoss)), dataLoss)
  builder.graph.require(finite: loss)
  var graph = builder.graph.graph
  graph.outputs = []
  return graph
}
