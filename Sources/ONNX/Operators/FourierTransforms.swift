import Basics
import Glibc
import GraphIR
import Operators

/// Discrete Fourier transforms, as products with matrices of sines and cosines: DFT and STFT.
let fourierRules = [
  ONNXRule("DFT", since: 17) { [try readTransform($0, axis: $0.int("axis", 1))] },
  ONNXRule("DFT", since: 20) { [try readTransform($0, axis: $0.has(2) ? $0.integers(2).first ?? -2 : -2)] },
  ONNXRule("STFT", since: 17) { node in
    let x = try node.value(0)
    let type = node.type(x)
    guard type.rank == 3, let length = type.shape[1].constant, let parts = type.shape[2].constant, let step = try node.integers(1).first,
      step > 0
    else { throw Diagnostic("STFT needs a signal of shape [batch, length, 1 or 2] and a positive step, got \(type)") }
    let window = try node.optional(2)
    let windowSize = window.flatMap { node.type($0).shape.first?.constant }
    let size = node.has(3) ? try node.integers(3).first ?? length : windowSize ?? length
    guard (1...max(1, length)).contains(size), windowSize == nil || windowSize == size else {
      throw Diagnostic("frames of \(size) samples do not fit a signal of \(length) and a window of \(windowSize ?? size)")
    }
    let frames = (length - size) / step + 1
    guard frames <= 1 << 26 / size else { throw node.unsupported("\(frames) frames of \(size) samples are too many") }
    let places = (0..<frames * size).map { $0 / size * step + $0 % size }
    let places2d = try node.graph.constant(HostTensor(places, shape: [frames, size]))
    var framed = try node.graph.gather(x, places2d, axis: 1)
    if let window { framed = try node.graph.multiply(framed, node.graph.reshape(window, [Dimension(size), 1])) }
    let transform = try FourierTransform(size, parts: parts, isOneSided: node.int("onesided", 1) != 0, isInverse: false)
    return [try node.graph.transformed(framed, transform)]
  },
]

private func readTransform(_ node: ONNXNode, axis: Int) throws -> ValueID {
  let x = try node.value(0)
  let type = node.type(x)
  let axis = try node.axis(axis, rank: type.rank)
  guard type.rank >= 2, axis < type.rank - 1, let size = type.shape[axis].constant, let parts = type.shape[type.rank - 1].constant else {
    throw Diagnostic("axis \(axis) of \(type) must have a known size and stand before that of real and imaginary parts")
  }
  let (isOneSided, isInverse) = (try node.int("onesided", 0) != 0, try node.int("inverse", 0) != 0)
  let length = node.has(1) ? try node.integers(1).first ?? size : isOneSided && isInverse ? 2 * (size - 1) : size
  let transform = try FourierTransform(length, parts: parts, isOneSided: isOneSided, isInverse: isInverse)
  // The transformed axis last but one; the signal cut, or filled up with zeros.
  var order = Array(0..<type.rank)
  order.remove(at: axis)
  order.insert(axis, at: type.rank - 2)
  var turned = try node.graph.transpose(x, order)
  if transform.inputs < size { turned = try node.graph.slice(turned, axis: -2, from: 0, to: transform.inputs) }
  if transform.inputs > size {
    var after = type.shape.map { _ in 0 }
    after[type.rank - 2] = transform.inputs - size
    turned = try node.graph.pad(turned, before: type.shape.map { _ in 0 }, after: after)
  }
  var back = Array(0..<type.rank)
  back.remove(at: type.rank - 2)
  back.insert(type.rank - 2, at: axis)
  return try node.graph.transpose(node.graph.transformed(turned, transform), back)
}

/// A transform as a matrix.
private struct FourierTransform {
  /// Samples that the full transform is of.
  let length: Int
  /// Numbers of a sample: 1 (real) or 2 (real, imaginary).
  let parts: Int
  let isInverse: Bool
  /// Whether the spectrum has only its first half: in the result, or where the inverse makes real numbers of it, in the operand.
  let isOneSided: Bool

  /// Elements of a matrix, at most.
  private static let largest = 1 << 24

  init(_ length: Int, parts: Int, isOneSided: Bool, isInverse: Bool) throws {
    (self.length, self.parts, self.isInverse, self.isOneSided) = (length, parts, isInverse, isOneSided)
    guard length > 0, parts == 1 || parts == 2 else {
      throw Diagnostic("a Fourier transform needs a positive length and one or two numbers a sample, got \(length) and \(parts)")
    }
    let (count, overflow) = (length * 2).multipliedReportingOverflow(by: length * 2)
    guard !overflow, count <= Self.largest else {
      throw Diagnostic("a Fourier transform of \(length) samples is too long to be a matrix product", kind: .unsupported)
    }
  }

  private var half: Int { length / 2 + 1 }
  /// Samples read.
  var inputs: Int { isOneSided && isInverse ? half : length }
  /// Samples made.
  var outputs: Int { isOneSided && !isInverse ? half : length }
  /// Numbers of a sample made.
  var resultParts: Int { isOneSided && isInverse ? 1 : 2 }

  /// [inputs · parts, outputs · resultParts].
  var matrix: [Double] {
    var matrix: [Double] = []
    matrix.reserveCapacity(inputs * parts * outputs * resultParts)
    for n in 0..<inputs {
      // In half a spectrum all but the first and, of an even length, the last stand for two.
      let weight = (isInverse ? 1 / Double(length) : 1) * (isOneSided && isInverse && n > 0 && 2 * n != length ? 2 : 1)
      for part in 0..<parts {
        for k in 0..<outputs {
          let angle = 2 * Double.pi * Double(n * k % length) / Double(length) * (isInverse ? 1 : -1)
          let (real, imaginary) = part == 0 ? (cos(angle), sin(angle)) : (-sin(angle), cos(angle))
          matrix.append(weight * real)
          if resultParts == 2 { matrix.append(weight * imaginary) }
        }
      }
    }
    return matrix
  }
}

extension GraphBuilder {
  /// The transform of a signal [a…, samples, parts].
  fileprivate mutating func transformed(_ x: ValueID, _ transform: FourierTransform) throws -> ValueID {
    let type = type(x)
    let outer = Array(type.shape.dropLast(2))
    let columns = transform.outputs * transform.resultParts
    let rows = transform.inputs * transform.parts
    let matrix = try constant(HostTensor(transform.matrix, shape: [rows, columns], element: type.element))
    let flat = try reshape(x, (outer.isEmpty ? [1] : outer) + [Dimension(rows)])
    return try reshape(matmul(flat, matrix), outer + [Dimension(transform.outputs), Dimension(transform.resultParts)])
  }
}
