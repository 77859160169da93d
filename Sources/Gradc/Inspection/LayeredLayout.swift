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
