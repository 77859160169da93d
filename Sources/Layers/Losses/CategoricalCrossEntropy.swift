import Basics
import GraphIR
import Operators

extension LossEntry {
  /// -Σ y ln p over the classes (last axis), mean over the row's other axes; targets are probabilities of the same shape. Where p is the
  /// softmax of something known it is computed from that; otherwise p is first clipped to [ε, 1 - ε].
  static let categoricalCrossEntropy = LossEntry(
    "categorical_cross_entropy", aliases: ["categorical_crossentropy"], "-Σ y ln p over classes, targets as probabilities",
    [.fromLogits], task: .classes,
    targetType: {
      _ = try classCount($0); return $0
    }
  ) { builder, prediction, target, arguments in
    if let logits = builder.logits(of: prediction, arguments, of: .softmax) {
      return try builder.rowMean(builder.graph.softmaxCrossEntropy(logits, target))
    }
    let terms = try builder.graph.multiply(target, builder.graph.log(builder.clippedProbability(prediction)))
    return try builder.rowMean(builder.graph.negate(builder.graph.sum(terms, axes: [-1])))
  }

  /// -ln p of the class that a row has (i32 index), mean over the row's other axes. Otherwise as the categorical cross-entropy.
  static let sparseCategoricalCrossEntropy = LossEntry(
    "sparse_categorical_cross_entropy", aliases: ["sparse_categorical_crossentropy", "cross_entropy", "crossentropy"],
    "-ln p of the class, targets as class numbers", [.fromLogits], task: .classes,
    targetType: {
      _ = try classCount($0); return TensorType(.i32, $0.shape.dropLast())
    }
  ) { builder, prediction, target, arguments in
    if let logits = builder.logits(of: prediction, arguments, of: .softmax) {
      return try builder.rowMean(builder.graph.softmaxCrossEntropy(logits, target))
    }
    let chosen = try builder.clippedProbability(builder.graph.pick(prediction, target))
    return try builder.rowMean(builder.graph.negate(builder.graph.log(chosen)))
  }

  private static func classCount(_ prediction: TensorType) throws -> Int {
    guard prediction.rank >= 2, let classes = prediction.shape.last?.constant else {
      throw Diagnostic("a loss over classes needs predictions with the classes in the last axis, got \(prediction)")
    }
    return classes
  }
}
