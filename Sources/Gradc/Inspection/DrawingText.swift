extension GraphDrawing {
  private static let lineHeight = 15.0
  private static let layerGap = 34.0
  private static let margin = 20.0
  /// Across a joint.
  private static let circle = 22.0

  /// The drawing as an SVG file.
  public var svg: String {
    let widths = boxes.map { max($0.join == nil ? 0 : Self.circle, 16 + 6.6 * Double($0.cells.joined().map(\.count).max() ?? 0)) }
    let layout = LayeredLayout(operands: boxes.map(\.operands), widths: widths)
    let heights = layout.layers.map { layer in
      layer.compactMap { layout.places[$0].box }.map { height(boxes[$0]) }.max() ?? Self.lineHeight
    }
    var tops: [Double] = []
    for index in heights.indices { tops.append(index == 0 ? Self.margin : tops[index - 1] + heights[index - 1] + Self.layerGap) }
    let size = (layout.width + 2 * Self.margin, (tops.last ?? 0) + (heights.last ?? 0) + Self.margin)
    var text = """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(size.0.coordinate) \(size.1.coordinate)" \
      width="\(size.0.coordinate)" height="\(size.1.coordinate)">
      <title>\(title.markup)</title>
      <defs><marker id="tip" viewBox="0 0 6 6" refX="6" refY="3" markerWidth="6" markerHeight="6" orient="auto">
      <path class="tip" d="M0 0L6 3L0 6Z"/></marker></defs>
      <style>
      svg { background: #fff; } text { font: 11px ui-monospace, monospace; fill: #1b1f24; text-anchor: middle; } .name { font-weight: 600; }
      .leaf rect { fill: #fff; stroke: #8a949e; } .backward rect { fill: #fdf1e7; stroke: #c2803f; }
      rect, circle { fill: #eef4fa; stroke: #5d7f9c; } circle { fill: #fff; } path { fill: none; stroke: #8a949e; }
      path.tip { fill: #8a949e; stroke: none; }
      @media (prefers-color-scheme: dark) { svg { background: #14181d; } text { fill: #e6e9ec; } rect { fill: #1d2b38; } circle { fill: #14181d; }
        .leaf rect { fill: #14181d; } .backward rect { fill: #33261a; } }
      </style>

      """
    for place in layout.places {
      for upper in place.above {
        let from = layout.places[upper]
        let y1 = tops[from.layer] + (from.box.map { height(boxes[$0]) } ?? heights[from.layer])
        let y2 = tops[place.layer]
        let x1 = (from.x + Self.margin).coordinate
        let x2 = (place.x + Self.margin).coordinate
        let middle = ((y1 + y2) / 2).coordinate
        text += "<path d=\"M\(x1) \(y1.coordinate)C\(x1) \(middle) \(x2) \(middle) \(x2) \(y2.coordinate)"
        // An edge that only passes goes straight through its layer.
        text += place.box == nil ? "V\((y2 + heights[place.layer]).coordinate)\"/>\n" : "\" marker-end=\"url(#tip)\"/>\n"
      }
    }
    for place in layout.places { if let box = place.box { text += svg(boxes[box], place.x + Self.margin, tops[place.layer], place.width) } }
    return text + "</svg>\n"
  }

  private func height(_ box: Box) -> Double {
    (box.join == nil ? 0 : Self.circle) + box.cells.reduce(0) { $0 + height($1) }
  }

  private func height(_ cell: [String]) -> Double { 10 + Self.lineHeight * Double(cell.count) }

  private func svg(_ box: Box, _ x: Double, _ y: Double, _ width: Double) -> String {
    var y = y
    var text = box.kind == .forward ? "<g>" : "<g class=\"\(box.kind.rawValue)\">"
    if let join = box.join {
      let radius = Self.circle / 2
      text +=
        "<circle cx=\"\(x.coordinate)\" cy=\"\((y + radius).coordinate)\" r=\"\(radius.coordinate)\"/>"
        + "<text class=\"name\" x=\"\(x.coordinate)\" y=\"\((y + radius + 4).coordinate)\">\(join.markup)</text>"
      y += Self.circle
    }
    for cell in box.cells {
      text +=
        "<rect x=\"\((x - width / 2).coordinate)\" y=\"\(y.coordinate)\" width=\"\(width.coordinate)\" "
        + "height=\"\(height(cell).coordinate)\" rx=\"\(box.kind == .leaf ? 10 : 3)\"/>"
      for (index, line) in cell.enumerated() {
        let base = y + 5 + Self.lineHeight * (Double(index) + 0.75)
        text += "<text\(index == 0 ? " class=\"name\"" : "") x=\"\(x.coordinate)\" y=\"\(base.coordinate)\">\(line.markup)</text>"
      }
      y += height(cell)
    }
    return text + "</g>\n"
  }
}

extension Double {
  fileprivate var coordinate: String { NumberText.fixed(self, 1) }
}
