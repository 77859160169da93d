import Basics
import GraphIR

extension ONNXCall {
  /// The first position of an extreme along an axis, as i32.
  mutating func extremePosition(_ type: String, axis: Int, keepDims: Bool) throws -> [ONNXTensor] {
    let x = try operand(0)
    let attributes: ONNXAttributes = ["axis": .int(axis), "keepdims": .int(keepDims ? 1 : 0)]
    return [writer.cast(writer.node(type, [x], attributes, shape: results[0].shape, element: .i64), to: .i32)]
  }

  /// Operand `k`, whole numbers, as positions in 0 ..< bound: moved into the range unless they are known to lie in it, since ONNX counts
  /// negative ones from the end and refuses others.
  mutating func index(_ k: Int, below bound: Int) throws -> ONNXTensor {
    let whole = try operand(k)
    if let known = writer.known(inputs[k]), known.integers.allSatisfy((0..<bound).contains) { return writer.cast(whole, to: .i64) }
    let ends = [0, bound - 1].map { writer.constant(HostTensor([$0], shape: [])) }
    return writer.node("Clip", [writer.cast(whole, to: .i64)] + ends, shape: whole.shape)
  }

  // MARK: Windows

  /// Operand 0 under ONNX's pooling `type`, which knows windows over all axes after the first two: other axes are laid together. Windows that
  /// do not fit whole are made to by padding. Nil where two axes that would be laid together are symbolic.
  mutating func pooled(_ window: Window, _ type: String, _ attributes: ONNXAttributes = [:]) throws -> ONNXTensor? {
    let (x, y) = (operands[0], results[0])
    let first = x.rank - window.kernel.count
    let trivial = window.kernel.indices.prefix { window.kernel[$0] == 1 && x.shape[first + $0] == y.shape[first + $0] }
    // At least one axis stays.
    let used = Array(window.kernel.indices.dropFirst(min(trivial.count, max(0, window.kernel.count - 1))))
    let isDirect = first == 2 && x.rank > 2
    let axes = isDirect ? Array(window.kernel.indices) : used
    guard let rows = Dimension.product(x.shape.prefix(first + axes[0])) else { return nil }
    let leading: Shape = isDirect ? Array(x.shape.prefix(2)) : [rows, 1]
    let images = try writer.reshape(operand(0), leading + x.shape.suffix(axes.count))
    let ends = axes.map { max(window.after[$0], window.ceil ? window.missing($0, x.shape[first + $0], y.shape[first + $0]) : 0) }
    let all =
      attributes.map { ($0.key, $0.value) } + [
        ("kernel_shape", .ints(axes.map { window.kernel[$0] })), ("pads", .ints(axes.map { window.before[$0] } + ends)),
        ("strides", .ints(axes.map { window.strides[$0] })),
      ] + (axes.allSatisfy { window.dilations[$0] == 1 } ? [] : [("dilations", .ints(axes.map { window.dilations[$0] }))])
    let pooled = writer.node(type, [images], attributes: all, shape: leading + y.shape.suffix(axes.count))
    return try writer.reshape(pooled, y.shape)
  }

  /// Sums or means over windows as PyTorch's adaptive pooling cuts them.
  mutating func adaptivePool(sizes: [Int], isMean: Bool) throws -> [ONNXTensor]? {
    let x = try operand(0)
    let first = x.rank - sizes.count
    let old = x.shape.suffix(sizes.count).map(\.coefficient)
    if first == 2, sizes.allSatisfy({ $0 == 1 }), isMean { return [writer.node("GlobalAveragePool", [x], shape: results[0].shape)] }
    if zip(old, sizes).allSatisfy({ $0 % $1 == 0 }) {
      let counts = zip(old, sizes).map { $0 / $1 }
      return try pooled(Window(kernel: counts, strides: counts), "AveragePool").map { mean in
        [isMean ? mean : try writer.pointwise("Mul", mean, Double(counts.reduce(1, *)))]
      }
    }
    var y = x
    for (k, (n, m)) in zip(old, sizes).enumerated() where n != m {
      let weights = (0..<m).map { i in
        let window = (i * n / m)..<((i + 1) * n + m - 1) / m
        return (0..<n).map { window.contains($0) ? (isMean ? 1 / Double(window.count) : 1) : 0 }
      }
      y = try writer.combined(y, axis: first + k, weights: weights)
    }
    return [y]
  }
}

extension ONNXWriter {
  /// The last two axes exchanged.
  mutating func swapLastAxes(_ x: ONNXTensor) -> ONNXTensor {
    transpose(x, Array(0..<x.rank - 2) + [x.rank - 1, x.rank - 2])
  }

  /// A constant before and after the elements of each axis; negative counts cut off.
  mutating func padded(_ x: ONNXTensor, before: [Int], after: [Int], _ value: Double) -> ONNXTensor {
    if (before + after).allSatisfy({ $0 == 0 }) { return x }
    let axes = x.shape.indices.filter { before[$0] != 0 || after[$0] != 0 }
    let shape = x.shape.indices.map { axes.contains($0) ? Dimension(before[$0] + x.shape[$0].coefficient + after[$0]) : x.shape[$0] }
    let operands = [x, integers(before + after), number(value, x.element)]
    return node("Pad", operands, shape: shape)
  }

  /// Sums along an axis of constant size with constant weights: row i of `weights` makes element i.
  mutating func combined(_ x: ONNXTensor, axis: Int, weights: [[Double]]) throws -> ONNXTensor {
    let (n, m) = (x.shape[axis].coefficient, weights.count)
    var shape = x.shape
    shape[axis] = Dimension(m)
    if x.rank >= 2, axis == x.rank - 2 {
      let matrix = constant(HostTensor(weights.flatMap { $0 }, shape: [m, n], element: x.element))
      return node("MatMul", [matrix, x], shape: shape, element: x.element)
    }
    let matrix = constant(HostTensor((0..<n).flatMap { column in weights.map { $0[column] } }, shape: [n, m], element: x.element))
    if axis == x.rank - 1 { return node("MatMul", [x, matrix], shape: shape) }
    var order = Array(0..<x.rank)
    order.swapAt(axis, x.rank - 1)
    let turned = transpose(x, order)
    return transpose(node("MatMul", [turned, matrix], shape: turned.shape.dropLast() + [Dimension(m)]), order)
  }
}

extension Window {
  /// Positions that the last window has beyond x and its padding before.
  fileprivate func missing(_ k: Int, _ x: Dimension, _ y: Dimension) -> Int {
    (y.coefficient - 1) * strides[k] + span(k) - before[k] - x.coefficient
  }

  /// Whether a last window has taps beyond the padding.
  func reachesBeyondPadding(_ x: TensorType, _ y: TensorType) -> Bool {
    ceil && kernel.indices.contains { missing($0, x.shape[firstAxis(x.rank) + $0], y.shape[firstAxis(x.rank) + $0]) > after[$0] }
  }
}

extension ConvolutionWindow {
  /// ONNX has convolutions of floats, with paddings that are not negative.
  func requireONNX(_ call: ONNXCall, paddings: [Int]) throws {
    guard call.element.isFloat else { throw call.unsupported("ONNX has no convolution of \(call.element.rawValue)") }
    guard paddings.allSatisfy({ $0 >= 0 }) else { throw call.unsupported("ONNX has no convolution with a negative padding") }
  }
}

extension DepthToSpace {
  /// Operand 0 with blocks of positions for channels.
  func exportToSpace(_ call: inout ONNXCall) throws -> ONNXTensor {
    let (x, y) = (try call.operand(0), call.results[0])
    let spatial = Array(2..<x.rank)
    let cells = Shape(repeating: Dimension(block), count: spatial.count)
    let channels = order == .dcr ? cells + [y.shape[1]] : [y.shape[1]] + cells
    let split = try call.writer.reshape(x, [x.shape[0]] + channels + x.shape.dropFirst(2))
    let (channel, cell) = order == .dcr ? (1 + spatial.count, 1) : (1, 2)
    let order = [0, channel] + spatial.flatMap { [$0 + spatial.count, cell + $0 - 2] }
    return try call.writer.reshape(call.writer.transpose(split, order), y.shape)
  }

  /// Operand 0 with channels for blocks of positions.
  func exportToDepth(_ call: inout ONNXCall) throws -> ONNXTensor {
    let (x, y) = (try call.operand(0), call.results[0])
    let spatial = Array(2..<x.rank)
    let positions = spatial.flatMap { [y.shape[$0], Dimension(block)] }
    let split = try call.writer.reshape(x, Array(x.shape.prefix(2)) + positions)
    let cells = spatial.map { 2 * $0 - 1 }
    let order = [0] + (order == .dcr ? cells + [1] : [1] + cells) + spatial.map { 2 * $0 - 2 }
    return try call.writer.reshape(call.writer.transpose(split, order), y.shape)
  }
}

extension ResizeGrid {
  /// The weights of the n elements in each of the m results.
  var weights: [[Double]] {
    (0..<m).map { i in
      let numerator = alignCorners ? (m == 1 ? 0 : i * (n - 1)) : min(max(2 * n * i + n - m, 0), (n - 1) * unit)
      let (low, rest) = (numerator / unit, numerator % unit)
      var row = [Double](repeating: 0, count: n)
      row[low] += Double(unit - rest) / Double(unit)
      row[min(low + 1, n - 1)] += Double(rest) / Double(unit)
      return row
    }
  }
}
