import GraphIR
import Operators

extension LossEntry {
  /// |ŷ - y|, mean over the row; the gradient at zero is zero.
  static let meanAbsolute = LossEntry(
    "mean_absolute", aliases: ["mae", "mean_absolute_error", "l1"], "|prediction - target|"
  ) { builder, prediction, target, _ in
    try builder.rowMean(builder.graph.abs(builder.graph.subtract(prediction, target)))
  }
}
