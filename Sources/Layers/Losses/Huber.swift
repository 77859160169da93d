import Basics
import GraphIR
import Operators

extension LossEntry {
  /// ½ e² where |e| ≤ δ, else δ (|e| - ½ δ), mean over the row (Huber 1964).
  static let huber = LossEntry(
    "huber", aliases: ["huber_loss"], "squared below delta, linear above",
    [ArgumentDescription("delta", .number, default: .number(1), "where the square becomes a line")]
  ) { builder, prediction, target, arguments in
    let delta = arguments.number("delta")!
    guard delta > 0, delta.isFinite else { throw Diagnostic("delta of huber must be positive, got \(delta)") }
    return try builder.rowMean(builder.graph.huber(prediction, target, delta: delta))
  }
}
