import GraphIR
import Operators

extension LossEntry {
  /// -(y ln p + (1 - y) ln(1 - p)), mean over the row. Where p is the sigmoid of something known it is computed from that, exact at all
  /// sizes; otherwise p is first clipped to [ε, 1 - ε].
  static let binaryCrossEntropy = LossEntry(
    "binary_cross_entropy", aliases: ["binary_crossentropy", "bce", "log_loss"], "-(y ln p + (1 - y) ln(1 - p)) for probabilities p",
    [.fromLogits], task: .probability
  ) { builder, prediction, target, arguments in
    if let logits = builder.logits(of: prediction, arguments, of: .sigmoid) {
      return try builder.rowMean(builder.graph.sigmoidCrossEntropy(logits, target))
    }
    let p = try builder.clippedProbability(prediction)
    let yes = try builder.graph.multiply(target, builder.graph.log(p))
    let no = try builder.graph.multiply(builder.graph.subtract(1, target), builder.graph.log(builder.graph.subtract(1, p)))
    return try builder.rowMean(builder.graph.negate(builder.graph.add(yes, no)))
  }
}
