/// Columns of text under headings, for terminals.
struct TextTable {
  /// Headings; a column of numbers is aligned at the right.
  var headings: [(text: String, isNumber: Bool)]
  var rows: [[String]] = []
  /// The widest that the last column may become; longer text is wrapped.
  var columns = 100

  init(_ headings: [(String, Bool)]) { self.headings = headings.map { ($0.0, $0.1) } }

  func text() -> String {
    var widths = headings.map(\.text.count)
    for row in rows { for (index, cell) in row.enumerated() { widths[index] = max(widths[index], cell.count) } }
    let last = headings.count - 1
    let before = widths.dropLast().reduce(0) { $0 + $1 + 2 }
    widths[last] = min(widths[last], max(20, columns - before))
    var text = line(headings.map(\.text), widths) + widths.map { String(repeating: "-", count: $0) }.joined(separator: "  ") + "\n"
    for row in rows {
      let pieces = headings[last].isNumber ? [row[last]] : wrapped(row[last], columns: widths[last]).split(separator: "\n").map(String.init)
      text += line(row.dropLast() + [pieces.first ?? ""], widths)
      for piece in pieces.dropFirst() { text += String(repeating: " ", count: before) + piece + "\n" }
    }
    return text
  }

  private func line(_ cells: [String], _ widths: [Int]) -> String {
    var text = zip(zip(cells, headings), widths).map { pair, width in pair.0.padded(pair.1.isNumber ? -width : width) }
      .joined(separator: "  ")
    while text.hasSuffix(" ") { text.removeLast() }
    return text + "\n"
  }
}
