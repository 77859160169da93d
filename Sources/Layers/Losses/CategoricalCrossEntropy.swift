import Basics
import GraphIR
import Operators

extension LossEntry {
  /// -Σ y ln p over the classes (last axis), mean over the row's other axes; targets are probabilities of the same shape. Where p is the
  /// softmax of something known it is computed from that; otherwise p is first clipped to [ε, 1 - ε].
  static let categoricalCrossEntropy = LossEntry(
    "categorical_cross_entropy", aliases: ["categorical_crossentropy"], "-Σ y ln p over classes, targets as probabilities",
    [.fromLogits, .labelSmoothing], task: .classes,
    targetType: {
      _ = try classCount($0); return $0
    }
  ) { builder, prediction, target, arguments in
    let smoothing = try smoothing(arguments)
    var target = target
    if smoothing > 0 {
      let share = smoothing / Double(try classCount(builder.type(prediction)))
      target = try builder.graph.add(builder.graph.multiply(target, 1 - smoothing), share)
    }
    if let logits = builder.logits(of: prediction, arguments, of: .softmax) {
      return try builder.rowMean(builder.graph.softmaxCrossEntropy(logits, target))
    }
    let terms = try builder.graph.multiply(target, builder.graph.log(builder.clippedProbability(prediction)))
    return try builder.rowMean(builder.graph.negate(builder.graph.sum(terms, axes: [-1])))
  }

  /// -ln p of the class that a row has (i32 index), mean over the row's other axes. Otherwise as the categorical cross-entropy.
  static let sparseCategoricalCrossEntropy = LossEntry(
    "sparse_categorical_cross_entropy", aliases: ["sparse_categorical_crossentropy", "cross_entropy", "crossentropy"],
    "-ln p of the class, targets as class numbers", [.fromLogits, .labelSmoothing, .ignored], task: .classes,
    targetType: {
      _ = try classCount($0); return TensorType(.i32, $0.shape.dropLast())
    }
  ) { builder, prediction, target, arguments in
    let smoothing = try smoothing(arguments)
    var losses: ValueID
    if let logits = builder.logits(of: prediction, arguments, of: .softmax) {
      losses = try builder.graph.softmaxCrossEntropy(logits, target)
      if smoothing > 0 { losses = try builder.smoothed(losses, logits, target, smoothing) }
    } else {
      let logs = try builder.graph.log(builder.clippedProbability(prediction))
      losses = try builder.graph.negate(builder.graph.pick(logs, target))
      if smoothing > 0 { losses = try builder.smoothed(losses, logs, target, smoothing) }
    }
    guard let ignored = arguments.integer("ignore") else { return try builder.rowMean(losses) }
    return try builder.rowShares(losses, target, without: ignored)
  }

  private static func smoothing(_ arguments: Arguments) throws -> Double {
    let smoothing = arguments.number("label_smoothing")!
    guard smoothing >= 0, smoothing < 1 else { throw Diagnostic("label_smoothing must be at least 0 and below 1, got \(smoothing)") }
    return smoothing
  }

  private static func classCount(_ prediction: TensorType) throws -> Int {
    guard prediction.rank >= 2, let classes = prediction.shape.last?.constant else {
      throw Diagnostic("a loss over classes needs predictions with the classes in the last axis, got \(prediction)")
    }
    return classes
  }
}

extension ArgumentDescription {
  /// How much of a target's probability is shared among all classes.
  static let labelSmoothing = ArgumentDescription(
    "label_smoothing", .number, default: .number(0),
    "share of the target's probability that goes to all classes alike (Szegedy et al. 2016)")

  /// The class number that marks positions without a target.
  static let ignored = ArgumentDescription("ignore", .integer, optional: true, "class number of positions that do not count, such as -1")
}

extension ModelBuilder {
  /// (1 - ε) ce + ε times the mean of the cross-entropies against all classes: that is ce + ε (z of the class - mean z).
  fileprivate mutating func smoothed(_ losses: ValueID, _ scores: ValueID, _ target: ValueID, _ smoothing: Double) throws -> ValueID {
    let distance = try graph.subtract(graph.pick(scores, target), graph.mean(scores, axes: [type(scores).rank - 1]))
    return try graph.add(losses, graph.multiply(distance, smoothing))
  }

  /// What each row adds to the mean over all positions of the batch whose target is not `ignored`, times the number of rows: the mean over
  /// the rows is then that mean. Without any such position it is 0.
  fileprivate mutating func rowShares(_ losses: ValueID, _ target: ValueID, without ignored: Int) throws -> ValueID {
    let counts = try graph.notEqual(target, Double(ignored))
    let kept = try graph.select(counts, losses, 0)
    let (shape, element) = (type(losses).shape, type(losses).element)
    let total = try graph.sum(graph.cast(counts, to: element), axes: Array(shape.indices))
    let share = try graph.divide(graph.size(of: [shape[0]], element), graph.maximum(total, 1))
    let rows = shape.count > 1 ? try graph.sum(kept, axes: Array(1..<shape.count)) : kept
    return try graph.multiply(rows, share)
  }
}
