/// What a person should conclude from a training, in words.
public struct Verdict: Hashable, Sendable {
  /// What the curves show.
  public enum Kind: String, Hashable, Sendable {
    /// Validation turned up while training went down.
    case overfitting
    /// Neither loss got far below what no learning at all gives.
    case underfitting
    /// The best epoch is the last one.
    case stillImproving
    /// Nothing is amiss.
    case fitting
    /// Loss or gradients were no longer finite.
    case diverged
    /// Too little to judge by.
    case unknown
  }

  public var kind: Kind
  /// What was seen, with figures.
  public var finding: String
  /// What usually helps.
  public var remedies: [String]
  /// Further things to know: gradients, dead units, the end of the training.
  public var notes: [String]
}

extension TrainingHistory {
  /// Validation is taken to have turned up when it ends this much above its best.
  private static let rise = 0.05
  /// A loss within this factor of a constant prediction's is called high.
  private static let high = 0.95

  /// What the curves show.
  public var verdict: Verdict {
    var verdict = judged
    if !health.isEmpty { verdict.notes.append(health) }
    if let note = deadUnitsNote { verdict.notes.append(note) }
    return verdict
  }

  /// One sentence on all layers, the worst first.
  private var deadUnitsNote: String? {
    let dead = deadUnits.filter { $0.share > 0 }.sorted { $0.share > $1.share }
    guard let worst = dead.first else { return nil }
    let shares = dead.prefix(6).map { "\($0.layer) \(NumberText.percent($0.share, 0))" }.joined(separator: ", ")
    let rest = dead.count > 6 ? ", and \(dead.count - 6) layers less" : ""
    let advice = worst.share >= 0.3 ? ". A smaller rate, he initial weights or leaky_relu keeps units alive" : ""
    return "Dead relu units, zero on every training row: \(shares)\(rest)\(advice)."
  }

  private var judged: Verdict {
    if stop == .notFinite {
      return Verdict(
        kind: .diverged, finding: "The loss or the gradients were no longer finite.",
        remedies: ["a smaller learning rate", "clip_norm 1", "standardised inputs", "a warm-up"], notes: [])
    }
    if epochs.isEmpty {
      return Verdict(kind: .unknown, finding: "Nothing was trained: the weights are those that it began with.", remedies: [], notes: [])
    }
    guard epochs.count >= 2, let last = epochs.last else {
      return Verdict(kind: .unknown, finding: "One epoch says little: train for more to see where the curves go.", remedies: [], notes: [])
    }
    return overfitting ?? underfitting ?? stillImproving(last) ?? fitting
  }

  /// The mean of a figure over the last few epochs, against noise.
  private func tail(_ figure: (Epoch) -> Double?) -> Double? {
    let values = epochs.suffix(max(1, min(5, epochs.count / 4))).compactMap(figure)
    return values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
  }

  private var lowestValidation: Epoch? {
    epochs.filter { $0.validationLoss != nil }.min { $0.validationLoss! < $1.validationLoss! }
  }

  private var overfitting: Verdict? {
    guard let best = lowestValidation, let lowest = best.validationLoss, let end = tail(\.validationLoss), let training = tail(\.loss)
    else { return nil }
    guard end > lowest + Self.rise * abs(lowest), training < best.loss, best.number < epochs[epochs.count - 1].number else { return nil }
    let text = { NumberText.significant($0) }
    return Verdict(
      kind: .overfitting,
      finding:
        "Overfitting: validation loss was lowest at epoch \(best.number) (\(text(lowest))) and rose to \(text(end)) by the end, while "
        + "training loss went on falling from \(text(best.loss)) to \(text(training))."
        + (stop == .early ? " Early stopping ended it there; the best weights are kept." : ""),
      remedies: (stop == .early ? [] : ["early_stopping (the weights of the best epoch are kept in any case)"]) + [
        "dropout, or more of it", "l2 on the dense layers", "fewer or smaller layers", "more rows",
      ], notes: [])
  }

  private var underfitting: Verdict? {
    guard let training = epochs.map(\.loss).min() else { return nil }
    let text = { NumberText.significant($0) }
    let evaluation = validation ?? test
    let finding: String
    if let constant = evaluation?.constantPredictionLoss, isCrossEntropy {
      let validation = lowestValidation?.validationLoss ?? training
      guard training > Self.high * constant, validation > Self.high * constant else { return nil }
      finding =
        "Underfitting: both losses stayed high (training \(text(training)), validation \(text(validation))): always predicting the shares "
        + "of the classes costs \(text(constant))."
    } else if let score = evaluation?.metric("r2") {
      guard score < 0.1 else { return nil }
      finding = "Underfitting: R² is \(text(score)): the model hardly does better than always predicting the mean."
    } else {
      let first = epochs[0].loss
      guard training > Self.high * first, first > 0 else { return nil }
      finding = "Underfitting: training loss hardly moved, from \(text(first)) to \(text(training))."
    }
    return Verdict(
      kind: .underfitting, finding: finding,
      remedies: [
        "more or wider layers", "a larger learning rate", "more epochs", "less dropout and l2", "inputs that say more, standardised",
      ],
      notes: [])
  }

  private func stillImproving(_ last: Epoch) -> Verdict? {
    guard stop == .epochs, let bestEpoch, bestEpoch >= last.number - max(0, epochs.count / 50) else { return nil }
    return Verdict(
      kind: .stillImproving, finding: "Still improving: the best epoch is at the end (\(bestEpoch) of \(last.number)).",
      remedies: ["more epochs (--epochs \(last.number * 2), or go on with --resume)", "a larger learning rate"], notes: [])
  }

  private var fitting: Verdict {
    let best =
      bestEpoch.map { " The best epoch was \($0)" + (bestValue.map { " (\(monitor) \(NumberText.significant($0)))" } ?? "") + "." } ?? ""
    let compared =
      lowestValidation == nil
      ? "Training loss went down; without validation rows nothing can be said of overfitting."
      : "Training and validation loss went down together."
    return Verdict(kind: .fitting, finding: compared + best, remedies: [], notes: [])
  }

  /// The verdict as lines for a terminal.
  public var verdictText: String {
    let verdict = verdict
    var text = verdict.finding
    if let bestEpoch, verdict.kind != .fitting {
      text += " Best epoch: \(bestEpoch)" + (bestValue.map { " (\(monitor) \(NumberText.significant($0)))" } ?? "") + "."
    }
    if !verdict.remedies.isEmpty { text += "\nUsual remedies: " + verdict.remedies.joined(separator: "; ") + "." }
    for note in verdict.notes { text += "\n" + note }
    return text
  }
}
