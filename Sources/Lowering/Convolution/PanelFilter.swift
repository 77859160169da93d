import Basics
import GraphIR
import LoopIR

/// The columns of a packed filter in panels of neighbouring columns, each as wide as a register tile: all rows of a panel lie one after the
/// other, so that a product reads it as one stream.
struct ColumnPanels {
  /// Columns of a whole panel.
  let wide: Int
  let columns: Int
  /// The columns that are left over, in panels of powers of two; less than eight are a panel with nothing in its last lanes.
  let rest: [(first: Int, kept: Int, width: Int)]

  init(columns: Int, element: ElementType) {
    wide = element == .f32 ? 32 : 16
    self.columns = columns
    var rest: [(first: Int, kept: Int, width: Int)] = []
    var first = columns / wide * wide
    while first < columns {
      let left = columns - first
      var width = wide / 2
      while width > max(left, 8) { width /= 2 }
      if left <= 4 { width = 4 }
      rest.append((first, min(left, width), width))
      first += width
    }
    self.rest = rest
  }

  /// Columns with the lanes that have nothing.
  var padded: Int { whole + rest.reduce(0) { $0 + $1.width } }

  /// Columns in whole panels.
  var whole: Int { columns / wide * wide }

  /// The element of a packed filter with `rows` rows at a row and a lane of the panel from column `first` on.
  func offset(rows: Int, row: Index, first: Index, width: Int, lane: Index) -> Index { first * rows + row * width + lane }
}

/// A filter [O, C/groups, K…] as the matrices that rows of patches are multiplied with, one for each group: rows [K…, C/groups] and
/// columns O/groups, or for the input's gradient rows [K…, O/groups] and columns C/groups, in panels of columns.
struct PanelFilter: Operator {
  static let name = "pack"
  static let operandNames = ["filter"]
  static let formula = "y[group, panel, t, c, lane] = filter[o, c, t] with o = panel + lane"
  static let examples: [OperatorExample] = []
  var groups: Int
  var isTurned: Bool

  /// Rows are matrices of one form: panels where all are whole, else groups.
  func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    let shape = operands[0].shape.map(\.coefficient)
    let panels = ColumnPanels(columns: isTurned ? shape[1] : shape[0] / groups, element: operands[0].element)
    let rows = panels.rest.isEmpty ? groups * panels.columns / panels.wide : groups
    let size = panels.rest.isEmpty ? shape.reduce(1, *) / rows : shape.reduce(1, *) / rows / panels.columns * panels.padded
    return [TensorType(operands[0].element, [Dimension(rows), Dimension(size)])]
  }

  func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    let shape = operands[0].shape.map(\.coefficient)
    let (outputs, inputs, taps) = (shape[0] / groups, shape[1], shape[2...].reduce(1, *))
    let panels = ColumnPanels(columns: isTurned ? inputs : outputs, element: operands[0].element)
    let panelCount = panels.columns / panels.wide
    let depth = isTurned ? outputs : inputs
    let size = outputs * inputs * taps
    let isWhole = panels.rest.isEmpty
    let group: Index = groups == 1 ? .constant(0) : isWhole && panelCount > 1 ? .divide(.variable("i0"), panelCount) : .variable("i0")
    let (tap, lane, channel) = (Index.variable("t"), Index.variable("lane"), Index.variable("c"))
    func loop(_ name: String, _ count: Int, _ body: [Statement]) -> Statement { .loop(Loop(name, to: .constant(count), body)) }
    func lanes(_ count: Int, _ body: [Statement]) -> Statement { .loop(Loop("lane", to: .constant(count), kind: .lanes, body)) }
    func panel(_ first: Index, _ width: Int, kept: Int) -> [Statement] {
      func to(_ tap: Index, _ channel: Index) -> Index {
        group * (size / panels.columns * panels.padded)
          + panels.offset(rows: depth * taps, row: tap * depth + channel, first: first, width: width, lane: lane)
      }
      guard !isTurned else {
        let from = group * size + (channel * inputs + first + lane) * taps + tap
        return [loop("c", depth, [loop("t", taps, [lanes(kept, [.store("y0", to(tap, channel), .load("x0", from))])])])]
      }
      return turning(panels: kept, element: operands[0].element, depth: depth, taps: taps) { lane, run in
        .load("x0", group * size + (first + lane) * (depth * taps) + run)
      } to: {
        .store("y0", to($0, $1), $2)
      }
    }
    var body: [Statement] = []
    if isWhole {
      let number: Index = panelCount == 1 ? .constant(0) : groups == 1 ? .variable("i0") : .remainder(.variable("i0"), panelCount)
      return .custom(CustomLoops(outerRank: 1, body: panel(number * panels.wide, panels.wide, kept: panels.wide)))
    }
    if panels.whole > 0 {
      body.append(
        .loop(Loop("panel", to: .constant(panels.whole), step: panels.wide, panel(.variable("panel"), panels.wide, kept: panels.wide))))
    }
    for rest in panels.rest {
      let count = depth * taps * rest.width
      let at = group * (size / panels.columns * panels.padded) + rest.first * (depth * taps) + .variable("z")
      body.append(loop("z", count, [.store("y0", at, .constant(0, operands[0].element))]))
      body += panel(.constant(rest.first), rest.width, kept: rest.kept)
    }
    return .custom(CustomLoops(outerRank: 1, body: body))
  }

  /// Runs of `depth` x `taps` elements, one for each lane, brought beside each other in pieces that the first-level cache holds: rows of
  /// filters are apart by much, often by a power of two, so that neither side can be walked through alone.
  private func turning(
    panels width: Int, element: ElementType, depth: Int, taps: Int, from load: (_ lane: Index, _ run: Index) -> Scalar,
    to store: (_ tap: Index, _ channel: Index, Scalar) -> Statement
  ) -> [Statement] {
    let together = max(1, min(depth, Self.pieceBytes / (width * taps * element.size)))
    let whole = depth / together * together
    func piece(_ first: Index, _ count: Int) -> [Statement] {
      let (lane, tap, channel) = (Index.variable("lane"), Index.variable("t"), Index.variable("c"))
      let run = Index.variable("e")
      guard count * taps * width * element.size <= 2 * Self.pieceBytes else {
        // Filters of so many taps are runs of a cache's size by themselves.
        return [
          .loop(
            Loop(
              "t", to: .constant(taps),
              [.loop(Loop("lane", to: .constant(width), kind: .lanes, [store(tap, first, load(lane, first * taps + tap))]))]))
        ]
      }
      return [
        .array("piece", element, count: count * taps * width),
        .loop(
          Loop(
            "row", to: .constant(width),
            [
              .loop(
                Loop(
                  "e", to: .constant(count * taps),
                  [.store("piece", run * width + .variable("row"), load(.variable("row"), first * taps + run))]))
            ])),
        .loop(
          Loop(
            "t", to: .constant(taps),
            [
              .loop(
                Loop(
                  "c", to: .constant(count),
                  [
                    .loop(
                      Loop(
                        "lane", to: .constant(width), kind: .lanes,
                        [store(tap, first + channel, .load("piece", (channel * taps + tap) * width + lane))]))
                  ]))
            ])),
      ]
    }
    return [.loop(Loop("first", to: .constant(whole), step: together, piece(.variable("first"), together)))]
      + (whole < depth
        ? [
          .loop(Loop("first", from: .constant(whole), to: .constant(depth), step: depth - whole, piece(.variable("first"), depth - whole)))
        ] : [])
  }

  private static let pieceBytes = 1 << 13
}
