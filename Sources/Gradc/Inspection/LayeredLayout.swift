/// Boxes in layers with few crossings (Sugiyama, Tagawa and Toda, Methods for visual understanding of hierarchical system structures, 1981):
/// longest paths give the layers, edges over several layers pass through placeholders, medians order the layers.
struct LayeredLayout {
  /// A box, or the place where an edge passes a layer.
  struct Place {
    /// The box's number; nil for a passing edge.
    var box: Int?
    var layer: Int
    var width: Double
    var x = 0.0
    /// Places of the layer above.
    var above: [Int] = []
  }

  private(set) var places: [Place] = []
  /// Places of each layer, from left to right.
  private(set) var layers: [[Int]] = []
  private(set) var width = 0.0

  private static let gap = 16.0
  private static let passing = 8.0

  init(operands: [[Int]], widths: [Double]) {
    assign(operands, widths)
    for sweep in 0..<8 { order(downwards: sweep % 2 == 0) }
    position()
  }

  private mutating func assign(_ operands: [[Int]], _ widths: [Double]) {
    var depth: [Int] = []
    for (box, reads) in operands.enumerated() {
      depth.append((reads.map { depth[$0] }.max() ?? -1) + 1)
      places.append(Place(box: box, layer: depth[box], width: widths[box]))
    }
    for (box, reads) in operands.enumerated() {
      for read in reads {
        var upper = read
        for layer in stride(from: depth[read] + 1, to: depth[box], by: 1) {
          places.append(Place(box: nil, layer: layer, width: Self.passing, above: [upper]))
          upper = places.count - 1
        }
        places[box].above.append(upper)
      }
    }
    layers = Array(repeating: [], count: (places.map(\.layer).max() ?? -1) + 1)
    for (index, place) in places.enumerated() { layers[place.layer].append(index) }
  }

  /// Sorts each layer by the mean position of its neighbours in the layer before.
  private mutating func order(downwards: Bool) {
    var neighbours = places.map(\.above)
    if !downwards {
      neighbours = Array(repeating: [], count: places.count)
      for (index, place) in places.enumerated() { for upper in place.above { neighbours[upper].append(index) } }
    }
    var rank = [Double](repeating: 0, count: places.count)
    for layer in layers { for (position, place) in layer.enumerated() { rank[place] = Double(position) } }
    for index in downwards ? Array(layers.indices) : layers.indices.reversed() {
      let keys = layers[index].map { place -> Double in
        let near = neighbours[place]
        return near.isEmpty ? rank[place] : near.reduce(0) { $0 + rank[$1] } / Double(near.count)
      }
      let sorted = layers[index].indices.sorted { (keys[$0], $0) < (keys[$1], $1) }
      layers[index] = sorted.map { layers[index][$0] }
      for (position, place) in layers[index].enumerated() { rank[place] = Double(position) }
    }
  }

  /// Puts every place below the mean of what it reads, as far as its neighbours leave room; then moves upwards to what reads it.
  private mutating func position() {
    for layer in layers { pack(layer, wanted: layer.map { _ in 0 }) }
    var below: [[Int]] = Array(repeating: [], count: places.count)
    for (index, place) in places.enumerated() { for upper in place.above { below[upper].append(index) } }
    for sweep in 0..<6 {
      for layer in sweep % 2 == 0 ? layers : layers.reversed() {
        pack(
          layer,
          wanted: layer.map { place in
            let near = sweep % 2 == 0 ? places[place].above : below[place]
            return near.isEmpty ? places[place].x : near.reduce(0) { $0 + places[$1].x } / Double(near.count)
          })
      }
    }
    let left = places.map { $0.x - $0.width / 2 }.min() ?? 0
    for index in places.indices { places[index].x -= left }
    width = places.map { $0.x + $0.width / 2 }.max() ?? 0
  }

  /// The centres nearest to those wanted that keep order and gaps: from the left and from the right, and the mean of both.
  private mutating func pack(_ layer: [Int], wanted: [Double]) {
    guard !layer.isEmpty else { return }
    func distance(_ a: Int, _ b: Int) -> Double { (places[layer[a]].width + places[layer[b]].width) / 2 + Self.gap }
    var fromLeft = wanted
    for i in layer.indices.dropFirst() { fromLeft[i] = max(wanted[i], fromLeft[i - 1] + distance(i - 1, i)) }
    var fromRight = wanted
    for i in layer.indices.dropLast().reversed() { fromRight[i] = min(wanted[i], fromRight[i + 1] - distance(i, i + 1)) }
    for i in layer.indices { places[layer[i]].x = (fromLeft[i] + fromRight[i]) / 2 }
  }
}

extension GraphDrawing {
  private static let lineHeight = 15.0
  private static let layerGap = 34.0
  private static let margin = 20.0

  /// The drawing as an SVG file.
  public var svg: String {
    let widths = boxes.map { 16 + 6.6 * Double($0.lines.map(\.count).max() ?? 0) }
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
      <style>
      svg { background: #fff; } text { font: 11px ui-monospace, monospace; fill: #1b1f24; text-anchor: middle; } .name { font-weight: 600; }
      rect { fill: #eef4fa; stroke: #5d7f9c; } .leaf rect { fill: #fff; stroke: #8a949e; } .backward rect { fill: #fdf1e7; stroke: #c2803f; }
      path { fill: none; stroke: #8a949e; }
      @media (prefers-color-scheme: dark) { svg { background: #14181d; } text { fill: #e6e9ec; } rect { fill: #1d2b38; }
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
        text += (place.box == nil ? "V\((y2 + heights[place.layer]).coordinate)" : "") + "\"/>\n"
      }
    }
    for place in layout.places { if let box = place.box { text += svg(boxes[box], place.x + Self.margin, tops[place.layer], place.width) } }
    return text + "</svg>\n"
  }

  private func height(_ box: Box) -> Double { 10 + Self.lineHeight * Double(box.lines.count) }

  private func svg(_ box: Box, _ x: Double, _ y: Double, _ width: Double) -> String {
    let kind = box.isLeaf ? " class=\"leaf\"" : box.isBackward ? " class=\"backward\"" : ""
    var text =
      "<g\(kind)><rect x=\"\((x - width / 2).coordinate)\" y=\"\(y.coordinate)\" width=\"\(width.coordinate)\" "
      + "height=\"\(height(box).coordinate)\" rx=\"\(box.isLeaf ? 10 : 3)\"/>"
    for (index, line) in box.lines.enumerated() {
      let base = y + 5 + Self.lineHeight * (Double(index) + 0.75)
      text += "<text\(index == 0 ? " class=\"name\"" : "") x=\"\(x.coordinate)\" y=\"\(base.coordinate)\">\(line.markup)</text>"
    }
    return text + "</g>\n"
  }
}

extension Double {
  fileprivate var coordinate: String { NumberText.fixed(self, 1) }
}
