/// Curves as two lines of block characters a series, all on one scale.
public struct TerminalCurve: Hashable, Sendable {
  /// A named curve; values that are nil or not finite leave a gap.
  public struct Series: Hashable, Sendable {
    public var name: String
    public var values: [Double?]

    public init(_ name: String, _ values: [Double?]) {
      self.name = name
      self.values = values
    }
  }

  public var series: [Series]
  /// Position of the best epoch in the values, marked below.
  public var best: Int?

  public init(_ series: [Series], best: Int? = nil) {
    self.series = series
    self.best = best
  }

  private static let blocks = Array("▁▂▃▄▅▆▇█")
  private static let letters = Array("_.,-=+*#")

  /// The lines, no wider than `columns`: name, first value, curve, last value; the best epoch below. Plain ASCII unless `isUnicode`.
  public func text(columns: Int, isUnicode: Bool) -> String {
    let finite = series.flatMap(\.values).compactMap { $0 }.filter(\.isFinite)
    guard let low = finite.min(), let high = finite.max() else { return "" }
    let names = series.map(\.name.count).max() ?? 0
    let first = series.map { Self.figure($0.values.first { $0 != nil } ?? nil) }
    let last = series.map { Self.figure($0.values.last { $0 != nil } ?? nil) }
    let margin = (first.map(\.count).max() ?? 0, last.map(\.count).max() ?? 0)
    let count = series.map(\.values.count).max() ?? 0
    let width = max(1, min(count, columns - names - margin.0 - margin.1 - 6))
    var lines: [String] = []
    for (index, one) in series.enumerated() {
      let levels = Self.binned(one.values, into: width, of: count).map { $0.map { Self.level($0, low, high) } }
      let (upper, lower) = Self.characters(levels, isUnicode)
      lines.append(String(repeating: " ", count: names + margin.0 + 4) + upper)
      lines.append(Self.padded(one.name, names) + "  " + Self.padded(first[index], -margin.0) + "  " + lower + "  " + last[index])
    }
    if let best, best < count {
      let position = min(width - 1, best * width / count)
      let label = "\(isUnicode ? "▲" : "^") best: epoch \(best + 1)"
      let left = names + margin.0 + 4 + position
      // The label goes to the left of its mark where it would not fit at the right.
      if left + label.count <= columns {
        lines.append(String(repeating: " ", count: left) + label)
      } else {
        let mirrored = "best: epoch \(best + 1) \(isUnicode ? "▲" : "^")"
        lines.append(String(repeating: " ", count: max(0, left + 1 - mirrored.count)) + mirrored)
      }
    }
    return lines.joined(separator: "\n")
  }

  /// The mean of the values in each of `width` bins of equal size.
  private static func binned(_ values: [Double?], into width: Int, of count: Int) -> [Double?] {
    (0..<width).map { bin in
      let range = (bin * count / width)..<max(bin * count / width + 1, (bin + 1) * count / width)
      let inside = range.filter { $0 < values.count }.compactMap { values[$0] }.filter(\.isFinite)
      return inside.isEmpty ? nil : inside.reduce(0, +) / Double(inside.count)
    }
  }

  /// How many of the sixteen steps of two lines a value fills, at least one.
  private static func level(_ value: Double, _ low: Double, _ high: Double) -> Int {
    high > low ? 1 + min(2 * blocks.count - 1, Int((value - low) / (high - low) * Double(2 * blocks.count))) : 1
  }

  /// The two lines of a curve.
  private static func characters(_ levels: [Int?], _ isUnicode: Bool) -> (upper: String, lower: String) {
    let characters = isUnicode ? blocks : letters
    func character(_ level: Int) -> Character { level <= 0 ? " " : characters[min(level, characters.count) - 1] }
    let upper = String(levels.map { character(($0 ?? 0) - characters.count) })
    return (upper, String(levels.map { character($0 ?? 0) }))
  }

  private static func figure(_ value: Double?) -> String { value.map { $0.isFinite ? NumberText.significant($0, 3) : "-" } ?? "-" }

  /// Padded with blanks at the right, or at the left for a negative width.
  private static func padded(_ text: String, _ width: Int) -> String {
    let blanks = String(repeating: " ", count: max(0, abs(width) - text.count))
    return width < 0 ? blanks + text : text + blanks
  }
}

extension TrainingHistory {
  /// Loss and validation loss, for a terminal; empty when there are fewer than two epochs.
  public func curve(columns: Int, isUnicode: Bool) -> String {
    guard epochs.count >= 2 else { return "" }
    var series = [TerminalCurve.Series("loss", epochs.map(\.loss))]
    if epochs.contains(where: { $0.validationLoss != nil }) { series.append(.init("val_loss", epochs.map(\.validationLoss))) }
    let best = bestEpoch.flatMap { number in epochs.firstIndex { $0.number == number } }
    return TerminalCurve(series, best: best).text(columns: columns, isUnicode: isUnicode)
  }
}
