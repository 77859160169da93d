import Basics
import Glibc
import GraphIR

/// Windows of signals and the bands of the mel scale: tensors that are known when their sizes are.
let signalWindowRules = [
  windowRule("HannWindow", [0.5, -0.5]), windowRule("HammingWindow", [25.0 / 46, -21.0 / 46]),
  windowRule("BlackmanWindow", [0.42, -0.5, 0.08]),
  ONNXRule(
    "MelWeightMatrix", since: 17,
    values: { node in
      let sizes = try (0..<3).map { try node.integers($0).first ?? 0 }
      let edges = try (3..<5).map { try node.constant($0).doubles.first ?? 0 }
      let bands = try MelBands(count: sizes[0], length: sizes[1], rate: sizes[2], from: edges[0], to: edges[1])
      let element = try node.element("output_datatype") ?? node.reader.float
      return [.constant(HostTensor(bands.weights, shape: [bands.rows, bands.count], element: element))]
    }),
]

/// A sum of cosines: weights[k] times the cosine of k times the angle.
private func windowRule(_ name: String, _ weights: [Double]) -> ONNXRule {
  ONNXRule(
    name, since: 17,
    values: { node in
      guard let size = try node.integers(0).first, (0...1 << 24).contains(size) else {
        throw Diagnostic("input 0 must be a size from 0 on")
      }
      let period = try node.int("periodic", 1) != 0 ? size : size - 1
      let values = (0..<size).map { position in
        let angle = 2 * Double.pi * Double(position) / Double(max(1, period))
        return weights.enumerated().reduce(0) { $0 + $1.element * cos(Double($1.offset) * angle) }
      }
      return [.constant(HostTensor(values, element: try node.element("output_datatype") ?? node.reader.float))]
    })
}

/// Triangles on the mel scale, over the bins of a Fourier transform.
private struct MelBands {
  let count: Int
  /// Bins of the transform.
  let rows: Int
  /// The bins at which triangles begin, peak and end.
  let edges: [Int]

  init(count: Int, length: Int, rate: Int, from low: Double, to high: Double) throws {
    guard (1...1 << 12).contains(count), (1...1 << 16).contains(length), rate > 0, low >= 0, high >= low else {
      throw Diagnostic("\(count) bands of \(length) samples at a rate of \(rate) from \(low) to \(high) Hz are not possible")
    }
    self.count = count
    rows = length / 2 + 1
    let (lowMel, highMel) = (2595 * log10(1 + low / 700), 2595 * log10(1 + high / 700))
    let step = (highMel - lowMel) / Double(count + 2)
    edges = (0..<count + 2).map { number in
      let frequency = 700 * (pow(10, (lowMel + Double(number) * step) / 2595) - 1)
      return Int((Double(length + 1) * frequency / Double(rate)).rounded(.down))
    }
    guard edges.allSatisfy({ (0..<rows).contains($0) }) else {
      throw Diagnostic("bands up to \(high) Hz do not lie in the \(rows) bins of \(length) samples at a rate of \(rate)")
    }
  }

  /// [rows, count] in row-major order.
  var weights: [Double] {
    var weights = Array(repeating: 0.0, count: rows * count)
    for band in 0..<count {
      let (start, peak, end) = (edges[band], edges[band + 1], edges[band + 2])
      for row in start..<peak { weights[row * count + band] = Double(row - start) / Double(peak - start) }
      weights[peak * count + band] = 1
      for row in peak..<end { weights[row * count + band] = Double(end - row) / Double(end - peak) }
    }
    return weights
  }
}
