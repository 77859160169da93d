import Basics
import Glibc
import GraphIR
import Operators

/// Poolings over regions of images whose corners are known when the graph is built.
let roiPoolingRules = [
  // Until version 16 regions were not moved by half an element.
  ONNXRule("RoiAlign", since: 10) { node in try roiAlign(node, missing: "output_half_pixel") },
  ONNXRule("RoiAlign", since: 16) { node in try roiAlign(node, missing: "half_pixel") },
  ONNXRule("MaxRoiPool") { node in
    guard let pooled = try node.ints("pooled_shape"), pooled.count == 2, pooled.allSatisfy((1...1 << 12).contains) else {
      throw Diagnostic("attribute 'pooled_shape' must be two sizes")
    }
    let regions = try RegionPooling(node, pooled)
    let scale = try node.float("spatial_scale", 1)
    let rois = try node.constant(1)
    guard rois.shape.count == 2, rois.shape[1] == 5 else { throw Diagnostic("regions must have five numbers each, got \(rois.type)") }
    let numbers = rois.doubles
    let bins = (0..<rois.shape[0]).flatMap { r -> [[RegionPooling.Sample]] in
      let region = numbers[5 * r..<5 * r + 5].map { $0.isFinite ? $0 : 0 }
      let corners = region[1...].map { ($0 * scale).rounded() }
      return regions.wholeBins(image: Int(min(max(region[0], 0), 1e6)), x: (corners[0], corners[2]), y: (corners[1], corners[3]))
    }
    return [try regions.maximum(bins)]
  },
]

private func roiAlign(_ node: ONNXNode, missing: String) throws -> [ValueID] {
  let pooled = [try node.int("output_height", 1), try node.int("output_width", 1)]
  guard pooled.allSatisfy((1...1 << 12).contains) else { throw Diagnostic("the output must have sizes from 1 to 4096, got \(pooled)") }
  let regions = try RegionPooling(node, pooled)
  let (rois, images) = (try node.constant(1), try node.integers(2))
  guard rois.shape.count == 2, rois.shape[1] == 4, rois.shape[0] == images.count else {
    throw Diagnostic("regions must have four numbers each and one image, got \(rois.type) and \(images.count) images")
  }
  let isHalf = try node.string("coordinate_transformation_mode", missing) == "half_pixel"
  let (scale, ratio) = (try node.float("spatial_scale", 1), try node.int("sampling_ratio", 0))
  let numbers = rois.doubles
  let bins = images.indices.flatMap { r -> [[RegionPooling.Sample]] in
    let corners = numbers[4 * r..<4 * r + 4].map { ($0.isFinite ? $0 : 0) * scale - (isHalf ? 0.5 : 0) }
    func extent(_ start: Double, _ end: Double) -> (Double, Double) { (start, isHalf ? end - start : max(end - start, 1)) }
    return regions.alignedBins(
      image: images[r], x: extent(corners[0], corners[2]), y: extent(corners[1], corners[3]), samples: ratio)
  }
  let mode = try node.string("mode", "avg")
  guard ["avg", "max"].contains(mode) else { throw node.unsupported("mode '\(mode)' is not supported") }
  return [try mode == "avg" ? regions.mean(bins) : regions.maximum(bins)]
}

/// Weighted elements of images gathered into bins: ph · pw of them for each region.
private struct RegionPooling {
  struct Sample {
    var position: Int
    var weight: Double
  }

  let node: ONNXNode
  let x: ValueID
  let type: TensorType
  let images: Int
  let height: Int
  let width: Int
  let pooled: [Int]

  init(_ node: ONNXNode, _ pooled: [Int]) throws {
    self.node = node
    self.pooled = pooled
    x = try node.value(0)
    type = node.type(x)
    let sizes = try node.spatialSizes(type)
    guard sizes.count == 2 else { throw Diagnostic("the input must have the axes N, C, H and W, got \(type)") }
    guard let images = type.shape[0].constant, type.shape[1].symbol == nil else {
      throw node.unsupported("regions of a batch whose size is known only when the model runs")
    }
    (self.images, height, width) = (images, sizes[0], sizes[1])
  }

  private func position(_ image: Int, _ row: Int, _ column: Int) -> Int {
    (min(max(image, 0), images - 1) * height + row) * width + column
  }

  /// Bins of whole elements (Girshick 2015): bounds rounded outwards, both corners included.
  func wholeBins(image: Int, x: (Double, Double), y: (Double, Double)) -> [[Sample]] {
    func bounds(_ extent: (Double, Double), _ bins: Int, _ size: Int) -> [Range<Int>] {
      let step = max(extent.1 - extent.0 + 1, 1) / Double(bins)
      return (0..<bins).map { bin in
        let low = min(max((Double(bin) * step).rounded(.down) + extent.0, 0), Double(size))
        let high = min(max((Double(bin + 1) * step).rounded(.up) + extent.0, low), Double(size))
        return Int(low)..<Int(high)
      }
    }
    let (rows, columns) = (bounds(y, pooled[0], height), bounds(x, pooled[1], width))
    return rows.flatMap { row in
      columns.map { column in row.flatMap { i in column.map { Sample(position: position(image, i, $0), weight: 1) } } }
    }
  }

  /// Bins of samples between elements (He et al. 2017); x and y are a start and an extent. Without a number of samples, as many as a bin
  /// spans elements.
  func alignedBins(image: Int, x: (Double, Double), y: (Double, Double), samples: Int) -> [[Sample]] {
    func places(_ extent: (Double, Double), _ bins: Int, _ size: Int) -> [[[(Int, Double)]]] {
      let step = extent.1 / Double(bins)
      let count = samples > 0 ? samples : Int(min(max(step.rounded(.up), 0), 4096))
      return (0..<bins).map { bin in
        (0..<count).map { taps(extent.0 + Double(bin) * step + (Double($0) + 0.5) * step / Double(count), size) }
      }
    }
    let (rows, columns) = (places(y, pooled[0], height), places(x, pooled[1], width))
    return rows.flatMap { row in
      columns.map { column in
        row.flatMap { vertical in
          column.flatMap { horizontal in
            vertical.flatMap { i in horizontal.map { Sample(position: position(image, i.0, $0.0), weight: i.1 * $0.1) } }
          }
        }
      }
    }
  }

  /// The two elements around a place along one axis with their weights, which are 0 for a place far outside.
  private func taps(_ place: Double, _ size: Int) -> [(Int, Double)] {
    if place < -1 || place > Double(size) { return [(0, 0), (0, 0)] }
    let place = max(place, 0)
    let low = min(Int(place), size - 1)
    if low == size - 1 { return [(low, 1), (low, 0)] }
    return [(low, 1 - (place - Double(low))), (low + 1, place - Double(low))]
  }

  /// The mean over each bin's samples, each of which is four weighted elements.
  func mean(_ bins: [[Sample]]) throws -> ValueID {
    let taps = bins.map(\.count).max() ?? 0
    let filled = bins.map { bin -> [Sample] in
      let scale = 4 / Double(max(bin.count, 4))
      return bin.map { Sample(position: $0.position, weight: $0.weight * scale) }
        + Array(repeating: Sample(position: 0, weight: 0), count: taps - bin.count)
    }
    return try arranged(resampled(filled, shape: [bins.count, taps]))
  }

  /// The largest weighted element of each bin; 0 of an empty one.
  func maximum(_ bins: [[Sample]]) throws -> ValueID {
    let taps = max(1, bins.map(\.count).max() ?? 0)
    let filled = bins.map { bin in
      bin + Array(repeating: bin.first ?? Sample(position: 0, weight: 0), count: taps - bin.count)
    }
    let all = try resampled(filled.flatMap { $0.map { [$0] } }, shape: [bins.count * taps, 1])
    let channels = type.shape[1]
    return try arranged(node.graph.max(node.graph.reshape(all, [channels, Dimension(bins.count), Dimension(taps)]), axes: [2]))
  }

  /// Sums of samples [C, rows] over all images laid end to end.
  private func resampled(_ samples: [[Sample]], shape: [Int]) throws -> ValueID {
    let order = try node.graph.transpose(x, [1, 0, 2, 3])
    let flat = try node.graph.reshape(order, [type.shape[1], Dimension(images * height * width)])
    let all = samples.flatMap { $0 }
    let positions = try node.graph.constant(HostTensor(all.map(\.position), shape: shape, element: .i32))
    let weights = try node.graph.constant(HostTensor(all.map(\.weight), shape: shape, element: type.element))
    return try node.graph.resample(flat, axis: 1, positions: positions, weights: weights)
  }

  /// [C, regions · ph · pw] as [regions, C, ph, pw].
  private func arranged(_ y: ValueID) throws -> ValueID {
    let regions = node.type(y).shape[1].coefficient / (pooled[0] * pooled[1])
    let split: Shape = [type.shape[1], Dimension(regions), Dimension(pooled[0]), Dimension(pooled[1])]
    return try node.graph.transpose(node.graph.reshape(y, split), [1, 0, 2, 3])
  }
}
