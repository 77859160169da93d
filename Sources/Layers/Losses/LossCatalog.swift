import Basics
import GraphIR
import Operators

/// A loss: from predictions and targets to one number a row, the mean over the row's other axes.
public struct LossEntry: CatalogEntry {
  public var name: String
  /// Keras's short names, and others that people type.
  public var aliases: [String]
  public var summary: String
  public var parameters: [ArgumentDescription]
  /// What kind of task a model with this loss on its first output solves.
  public var task: TaskKind
  /// The type of the targets for predictions of some type.
  public var targetType: @Sendable (TensorType) throws -> TensorType
  /// The loss of each row, [N], from predictions, targets of `targetType`, and the loss's own arguments.
  public var rows: @Sendable (inout ModelBuilder, _ prediction: ValueID, _ target: ValueID, Arguments) throws -> ValueID

  /// How predictions are to be read.
  public enum TaskKind: Sendable { case numbers, probability, classes }

  public init(
    _ name: String, aliases: [String] = [], _ summary: String, _ parameters: [ArgumentDescription] = [], task: TaskKind = .numbers,
    targetType: @escaping @Sendable (TensorType) throws -> TensorType = { $0 },
    rows: @escaping @Sendable (inout ModelBuilder, ValueID, ValueID, Arguments) throws -> ValueID
  ) {
    self.name = name
    self.aliases = aliases
    self.summary = summary
    self.parameters = parameters
    self.task = task
    self.targetType = targetType
    self.rows = rows
  }
}

extension ArgumentDescription {
  /// Whether predictions are scores, before sigmoid or softmax, and no probabilities.
  static let fromLogits = ArgumentDescription(
    "from_logits", .bool, default: .bool(false), "whether the output is a score, before sigmoid or softmax, and no probability")
}

/// What makes probabilities of scores.
public enum OutputEnding: Sendable { case sigmoid, softmax }

/// All losses.
public enum LossCatalog {
  public static let entries: [LossEntry] = [
    .meanSquared, .meanAbsolute, .huber, .binaryCrossEntropy, .categoricalCrossEntropy, .sparseCategoricalCrossEntropy,
  ]

  /// The loss of that name or alias; throws a diagnostic with the nearest name.
  public static func entry(_ name: String) throws -> LossEntry { try findEntry(name, in: entries, what: "loss") }

  /// Probabilities are kept this far from 0 and 1 where a loss cannot work on logits.
  public static let epsilon = 1e-7
}

extension ModelBuilder {
  /// The loss of each row, [N]: the loss of that name between predictions and targets.
  public mutating func loss(
    _ name: String, _ prediction: ValueID, _ target: ValueID, _ arguments: [LabelledArgument] = []
  ) throws -> ValueID {
    let entry = try LossCatalog.entry(name)
    return try layer("loss", name: entry.name) { builder in
      let wanted = try entry.targetType(builder.type(prediction))
      guard builder.type(target) == wanted else {
        throw Diagnostic(
          "loss '\(name)' of predictions \(builder.type(prediction)) needs targets \(wanted), got \(builder.type(target))")
      }
      return try entry.rows(&builder, prediction, target, Arguments(arguments, to: entry.parameters, of: name))
    }
  }

  /// The scores that a loss over probabilities is computed from: the predictions themselves where the loss is told so, or what they are the
  /// `ending` of; nil where they are known as probabilities alone.
  func logits(of prediction: ValueID, _ arguments: Arguments, of ending: OutputEnding) -> ValueID? {
    if arguments.bool("from_logits") { return prediction }
    return switch (logits[prediction], ending) {
    case (.sigmoid(let scores)?, .sigmoid), (.softmax(let scores)?, .softmax), (.logSoftmax(let scores)?, .softmax): scores
    default: nil
    }
  }

  /// The mean over all axes but the batch.
  mutating func rowMean(_ x: ValueID) throws -> ValueID {
    let shape = type(x).shape
    // One element a row is its own mean.
    if Dimension.product(shape) == shape[0] { return try graph.reshape(x, [shape[0]]) }
    return try graph.mean(x, axes: Array(1..<shape.count))
  }

  /// A probability moved away from 0 and 1, so that its logarithms are finite.
  mutating func clippedProbability(_ p: ValueID) throws -> ValueID {
    try graph.clip(p, low: LossCatalog.epsilon, high: 1 - LossCatalog.epsilon)
  }
}
