import GraphIR
import Operators

extension LossEntry {
  /// (ŷ - y)², mean over the row.
  static let meanSquared = LossEntry(
    "mean_squared", aliases: ["mse", "mean_squared_error", "l2"], "(prediction - target)²"
  ) { builder, prediction, target, _ in
    try builder.rowMean(builder.graph.square(builder.graph.subtract(prediction, target)))
  }
}
