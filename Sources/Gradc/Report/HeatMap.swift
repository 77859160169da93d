/// A confusion matrix as a picture: what was right in one colour, what was wrong in another, the stronger the larger its share of its row.
struct HeatMap {
  let counts: [[Int]]
  let labels: [String]

  private static let width = 760.0
  private static let right = 56.0
  private static let bottom = 34.0

  private let left: Double
  private let top: Double
  /// The side of a cell.
  private let cell: Double
  /// Labels of columns are turned where they are wider than a cell.
  private let isTurned: Bool
  /// Every so many labels, where there is no room for all.
  private let labelStep: Int
  private let hasNumbers: Bool

  init(counts: [[Int]], labels: [String]) {
    self.counts = counts
    self.labels = labels
    // About 6.4 units a character at this size.
    let labelWidth = min(130, 6.4 * Double(labels.map(\.count).max() ?? 1) + 8)
    left = 24 + max(labelWidth, 50)
    cell = max(5, min(64, (Self.width - left - Self.right) / Double(counts.count)))
    isTurned = labelWidth - 8 > cell
    top = 26 + (isTurned ? 0.75 * labelWidth + 8 : 18)
    labelStep = max(1, Int((11 / cell).rounded(.up)))
    hasNumbers = cell >= 7 * Double("\(counts.joined().max() ?? 0)".count) + 4
  }

  /// The `<svg>` element.
  func svg() -> String {
    let size = cell * Double(counts.count)
    var text =
      "<svg viewBox=\"0 0 \(Self.width.point) \((top + size + Self.bottom).point)\" role=\"img\" aria-label=\"confusion matrix\">\n"
      + "<text class=\"tick\" x=\"\((left + size / 2).point)\" y=\"14\" text-anchor=\"middle\">predicted</text>\n"
      + "<text class=\"tick\" x=\"14\" y=\"\((top + size / 2).point)\" text-anchor=\"middle\" "
      + "transform=\"rotate(-90 14 \((top + size / 2).point))\">actual</text>\n"
    text += heads()
    for (row, counts) in counts.enumerated() { text += cells(row, counts) }
    return text + margins() + "</svg>\n"
  }

  private func centre(_ index: Int) -> Double { (Double(index) + 0.5) * cell }

  private func heads() -> String {
    var text = ""
    for index in stride(from: 0, to: labels.count, by: labelStep) {
      let name = shortened(labels[index])
      let (x, y) = (left + centre(index), top - 8)
      let turn = isTurned ? " transform=\"rotate(-45 \(x.point) \(y.point))\"" : ""
      text +=
        "<text class=\"label\" x=\"\(x.point)\" y=\"\(y.point)\"\(isTurned ? "" : " text-anchor=\"middle\"")\(turn)>\(name)</text>"
        + "<text class=\"label\" x=\"\((left - 8).point)\" y=\"\((top + centre(index)).point)\" dy=\"0.35em\" text-anchor=\"end\">"
        + "\(name)</text>\n"
    }
    return text
  }

  private func shortened(_ label: String) -> String { (label.count > 19 ? label.prefix(18) + "…" : label).markup }

  private func cells(_ row: Int, _ counts: [Int]) -> String {
    let total = counts.reduce(0, +)
    var text = ""
    for (column, count) in counts.enumerated() {
      let share = total > 0 ? Double(count) / Double(total) : 0
      // A root: one error in a hundred shall still be seen.
      let strength = count == 0 ? 0 : row == column ? 0.08 + 0.8 * share : 0.08 + 0.8 * share.squareRoot()
      let (x, y) = (left + Double(column) * cell, top + Double(row) * cell)
      text +=
        "<rect class=\"\(row == column ? "hit" : "miss")\" x=\"\(x.point)\" y=\"\(y.point)\" width=\"\((cell - 1).point)\" "
        + "height=\"\((cell - 1).point)\" fill-opacity=\"\(NumberText.fixed(strength, 2))\"><title>\(labels[row].markup) as "
        + "\(labels[column].markup): \(count) of \(total)</title></rect>"
      guard hasNumbers, count > 0 else { continue }
      text +=
        "<text\(strength > 0.55 ? " class=\"strong\"" : "") x=\"\((x + (cell - 1) / 2).point)\" y=\"\((y + cell / 2).point)\" "
        + "dy=\"0.35em\" text-anchor=\"middle\">\(count)</text>"
    }
    return text + "\n"
  }

  /// Recall at the right, precision below.
  private func margins() -> String {
    let size = cell * Double(counts.count)
    let isRoomy = cell >= 40
    var text =
      "<text class=\"tick\" x=\"\((left + size + 6).point)\" y=\"\((top - 8).point)\">recall</text>"
      + "<text class=\"tick\" x=\"\((left - 8).point)\" y=\"\((top + size + 16).point)\" text-anchor=\"end\">precision</text>\n"
    for index in stride(from: 0, to: counts.count, by: labelStep) {
      let row = counts[index].reduce(0, +)
      let column = counts.reduce(0) { $0 + $1[index] }
      func share(_ total: Int) -> String {
        total == 0 ? "" : NumberText.percent(Double(counts[index][index]) / Double(total), isRoomy ? 1 : 0)
      }
      text +=
        "<text class=\"tick\" x=\"\((left + size + 6).point)\" y=\"\((top + centre(index)).point)\" dy=\"0.35em\">\(share(row))</text>"
      guard cell >= 30 || (index / labelStep) % 2 == 0 else { continue }
      text +=
        "<text class=\"tick\" x=\"\((left + centre(index)).point)\" y=\"\((top + size + 16).point)\" text-anchor=\"middle\">"
        + "\(share(column))</text>\n"
    }
    return text
  }

  /// The pairs that are most often taken for each other, in words; empty when nothing was wrong.
  func confusions() -> String {
    let pairs = counts.indices.flatMap { row in
      counts.indices.filter { $0 != row && counts[row][$0] > 0 }.map { (row, $0, counts[row][$0]) }
    }
    guard counts.count > 2, !pairs.isEmpty else { return "" }
    let worst = pairs.sorted { ($0.2, $1.0, $1.1) > ($1.2, $0.0, $0.1) }.prefix(5).map { row, column, count in
      "\(labels[row].markup) as \(labels[column].markup) (\(count) of \(counts[row].reduce(0, +)))"
    }
    return "<p>Most often taken for another: \(worst.joined(separator: ", ")).</p>\n"
  }
}

extension Double {
  fileprivate var point: String { NumberText.fixed(self, 1) }
}
