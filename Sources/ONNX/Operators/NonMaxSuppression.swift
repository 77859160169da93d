import Basics
import GraphIR

/// The best boxes of each class that do not overlap with better ones; boxes and scores must be known when the model is compiled.
let nonMaxSuppressionRules = [
  ONNXRule(
    "NonMaxSuppression", since: 10,
    values: { node in
      let (boxes, scores) = (try node.constant(0), try node.constant(1))
      let most = try node.has(2) ? node.integers(2).first ?? 0 : 0
      let overlap = try node.has(3) ? node.constant(3).doubles.first ?? 0 : 0
      let least = try node.has(4) ? node.constant(4).doubles.first : nil
      guard boxes.shape.count == 3, boxes.shape[2] == 4, scores.shape.count == 3, scores.shape[0] == boxes.shape[0],
        scores.shape[2] == boxes.shape[1]
      else { throw Diagnostic("boxes of shape \(boxes.shape) and scores of shape \(scores.shape) do not fit") }
      let areCentered = try node.int("center_point_box", 0) != 0
      let corners = boxes.doubles
      let all = (0..<boxes.shape[0] * boxes.shape[1]).map { Box(corners[($0 * 4)..<($0 * 4 + 4)], isCentered: areCentered) }
      let values = scores.doubles
      let count = boxes.shape[1]
      var chosen: [Int] = []
      for batch in 0..<scores.shape[0] {
        for kind in 0..<scores.shape[1] {
          let start = (batch * scores.shape[1] + kind) * count
          let kept = best(all[(batch * count)..<(batch * count + count)], values[start..<(start + count)], most, overlap, least)
          chosen += kept.flatMap { [batch, kind, $0] }
        }
      }
      return [.constant(HostTensor(chosen, shape: [chosen.count / 3, 3]))]
    })
]

/// A rectangle by its sides.
private struct Box {
  var (top, left, bottom, right) = (0.0, 0.0, 0.0, 0.0)

  /// From two opposite corners (y, x, y, x), or from the center and the sizes (x, y, width, height).
  init(_ numbers: ArraySlice<Double>, isCentered: Bool) {
    let n = Array(numbers)
    if isCentered {
      (top, left, bottom, right) = (n[1] - n[3] / 2, n[0] - n[2] / 2, n[1] + n[3] / 2, n[0] + n[2] / 2)
    } else {
      (top, left, bottom, right) = (min(n[0], n[2]), min(n[1], n[3]), max(n[0], n[2]), max(n[1], n[3]))
    }
  }

  var area: Double { (bottom - top) * (right - left) }

  /// The common area divided by the joint one.
  func overlap(_ other: Box) -> Double {
    let height = min(bottom, other.bottom) - max(top, other.top)
    let width = min(right, other.right) - max(left, other.left)
    guard height > 0, width > 0 else { return 0 }
    return height * width / (area + other.area - height * width)
  }
}

/// Numbers of the boxes that stay, by falling score.
private func best(_ boxes: ArraySlice<Box>, _ scores: ArraySlice<Double>, _ most: Int, _ overlap: Double, _ least: Double?) -> [Int] {
  let (boxes, scores) = (Array(boxes), Array(scores))
  let candidates = boxes.indices.filter { scores[$0] > least ?? -.infinity }
  let ranked = candidates.sorted { scores[$0] != scores[$1] ? scores[$0] > scores[$1] : $0 < $1 }
  var kept: [Int] = []
  for candidate in ranked where kept.count < most && !kept.contains(where: { boxes[$0].overlap(boxes[candidate]) > overlap }) {
    kept.append(candidate)
  }
  return kept
}
