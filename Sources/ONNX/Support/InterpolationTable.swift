import Basics
import GraphIR

/// Which elements of an axis each result of an interpolation is made of, and with which weights, as ONNX's `Resize` defines them.
struct InterpolationTable {
  /// For each result, positions inside the axis.
  var positions: [[Int]] = []
  var weights: [[Double]] = []
  /// Results that lie outside of what is cropped, and have no weights.
  var outside: [Bool] = []

  /// An axis of `size` elements resized to `results`.
  init(size: Int, results: Int, scale: Double, start: Double, end: Double, _ rule: InterpolationRule) {
    for i in 0..<results {
      let place = rule.place(i, size: size, results: results, scale: scale, start: start, end: end)
      let isOutside = rule.coordinates == .cropAndResize && (place < 0 || place > Double(size - 1))
      var taps = rule.taps(at: place.isFinite ? min(max(place, -0x1p30), 0x1p30) : 0, scale: scale)
      if rule.excludesOutside {
        for k in taps.indices where !(0..<size).contains(taps[k].position) { taps[k].weight = 0 }
        let sum = taps.reduce(0) { $0 + $1.weight }
        if sum != 0 { for k in taps.indices { taps[k].weight /= sum } }
      }
      positions.append(taps.map { min(max($0.position, 0), size - 1) })
      weights.append(taps.map { isOutside ? 0 : $0.weight })
      outside.append(isOutside)
    }
  }

  /// Whether each result is one element as it is, the one at floor(i size / results).
  func repeats(size: Int) -> Bool {
    weights.allSatisfy { $0 == [1] } && positions.indices.allSatisfy { positions[$0] == [$0 * size / positions.count] }
  }
}

/// The attributes of `Resize` that decide where results lie and what they are made of.
struct InterpolationRule {
  enum Mode: String { case nearest, linear, cubic }
  enum Coordinates: String {
    case halfPixel = "half_pixel"
    case halfPixelSymmetric = "half_pixel_symmetric"
    case pytorchHalfPixel = "pytorch_half_pixel"
    case alignCorners = "align_corners"
    case asymmetric
    case cropAndResize = "tf_crop_and_resize"
    case halfPixelForNearest = "tf_half_pixel_for_nn"
  }
  enum Rounding: String {
    case preferFloor = "round_prefer_floor"
    case preferCeil = "round_prefer_ceil"
    case floor, ceil
  }

  var mode: Mode
  var coordinates: Coordinates
  var rounding: Rounding
  var cubicCoefficient: Double
  var excludesOutside: Bool
  var antialias: Bool

  /// Where result i lies among the elements.
  func place(_ i: Int, size: Int, results: Int, scale: Double, start: Double, end: Double) -> Double {
    let (i, last, width) = (Double(i), Double(size - 1), scale * Double(size))
    switch coordinates {
    case .alignCorners: return width == 1 ? 0 : i * last / (width - 1)
    case .asymmetric: return i / scale
    case .halfPixel: return (i + 0.5) / scale - 0.5
    case .pytorchHalfPixel: return width == 1 ? -0.5 : (i + 0.5) / scale - 0.5
    case .halfPixelForNearest: return (i + 0.5) / scale
    case .halfPixelSymmetric: return Double(size) / 2 * (1 - Double(results) / width) + (i + 0.5) / scale - 0.5
    case .cropAndResize: return start * last + (width == 1 ? (end - start) * last / 2 : i * (end - start) * last / (width - 1))
    }
  }

  /// The elements near a place, which may lie outside the axis, and their weights.
  func taps(at place: Double, scale: Double) -> [(position: Int, weight: Double)] {
    // The share of the element after the place lies in 0 < share <= 1.
    let base = Int(place.rounded(.up)) - 1
    let share = place - Double(base)
    let shrink = antialias ? min(scale, 1) : 1
    switch mode {
    case .nearest: return [(nearest(place), 1)]
    case .linear:
      let first = Int((-1 / shrink).rounded(.down)) + 1
      return normalised((first...1 - first).map { (base + $0, max(0, 1 - abs(shrink * (Double($0) - share)))) })
    case .cubic:
      let first = Int((-2 / shrink).rounded(.down)) + 1
      return normalised((first...1 - first).map { (base + $0, cubic(abs(shrink * (Double($0) - share)))) })
    }
  }

  private func nearest(_ place: Double) -> Int {
    switch rounding {
    case .preferFloor: Int((place - 0.5).rounded(.up))
    case .preferCeil: Int((place + 0.5).rounded(.down))
    case .floor: Int(place.rounded(.down))
    case .ceil: Int(place.rounded(.up))
    }
  }

  /// Keys's cubic kernel (1981) at a distance.
  private func cubic(_ x: Double) -> Double {
    let a = cubicCoefficient
    if x <= 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
    return x < 2 ? ((x - 5) * x + 8) * x * a - 4 * a : 0
  }

  /// A kernel that is stretched no longer sums to one.
  private func normalised(_ taps: [(Int, Double)]) -> [(position: Int, weight: Double)] {
    let sum = antialias ? taps.reduce(0) { $0 + $1.1 } : 1
    return taps.map { ($0.0, $0.1 / sum) }
  }
}
