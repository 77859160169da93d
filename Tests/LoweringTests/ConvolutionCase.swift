import Basics
import Differentiation
import Foundation
import GraphIR
import LoopIR
import Lowering
import Operators

@testable import TestSupport

/// A line of `references/convolutions.txt` with its numbers: a convolution, or a transposed one, with both gradients, by PyTorch.
struct ConvolutionCase: CustomStringConvertible {
  var description: String
  var kind: String
  /// Rows that PyTorch was given, and the largest batch of the program.
  var rows: Int
  var maximum: Int
  var channels: Int
  var size: [Int]
  var filters: Int
  var kernel: [Int]
  var window: ConvolutionWindow
  /// What a transposed convolution adds after its result.
  var extra: [Int]
  /// How many elements each expected number stands for.
  var block: Int
  /// y, dx and dw of all rows, and dw of the first row alone.
  var expected: [[Double]] = []

  var isTransposed: Bool { kind.hasPrefix("conv_transpose") }

  /// The sizes of y's spatial axes.
  var output: [Int] {
    size.indices.map { axis in
      let (reach, padding) = (
        window.dilations[axis] * (kernel[axis] - 1) + 1, window.paddingBefore[axis] + window.paddingAfter[axis]
      )
      return isTransposed
        ? (size[axis] - 1) * window.strides[axis] + reach - padding + extra[axis]
        : (size[axis] + padding - reach) / window.strides[axis] + 1
    }
  }

  /// The shapes of x, w and y for so many rows.
  func shapes(rows: Int) -> (x: [Int], w: [Int], y: [Int]) {
    let w = isTransposed ? [channels, filters / window.groups] : [filters, channels / window.groups]
    return ([rows, channels] + size, w + kernel, [rows, filters] + output)
  }

  /// All of them.
  static func read() throws -> [ConvolutionCase] {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("references")
    let values = [UInt8](try Data(contentsOf: folder.appendingPathComponent("convolutions.i16")))
    var place = 0
    func next(_ count: Int) -> [Double] {
      defer { place += 2 * count }
      return (0..<count).map { Double(Int16(bitPattern: UInt16(values[place + 2 * $0]) | UInt16(values[place + 2 * $0 + 1]) << 8)) }
    }
    let lines = try String(contentsOf: folder.appendingPathComponent("convolutions.txt"), encoding: .utf8).split(separator: "\n")
    let cases = lines.dropFirst().map { line in
      var test = ConvolutionCase(String(line))
      let (x, w, y) = test.shapes(rows: test.rows)
      test.expected = [y, x, w, w].map { next(($0.reduce(1, *) + test.block - 1) / test.block) }
      return test
    }
    guard place == values.count else { throw EvaluationError("\(values.count - place) bytes of convolutions.i16 are left over") }
    return cases
  }

  private init(_ line: String) {
    let columns = line.split(separator: " ").map { $0.split(separator: "x").map { Int($0) ?? 0 } }
    description = line
    kind = String(line.prefix { $0 != " " })
    (rows, maximum, channels) = (columns[1][0], columns[2][0], columns[3][0])
    (size, filters, kernel) = (columns[4], columns[5][0], columns[6])
    window = ConvolutionWindow(
      strides: columns[7], dilations: columns[8], paddingBefore: columns[9], paddingAfter: columns[10], groups: columns[11][0])
    (extra, block) = (columns[12], columns[13][0])
  }

  // MARK: Programs

  /// x, w, dy -> y, dx, dw, for any batch up to the maximum.
  func program(_ element: ElementType, options: LoweringOptions) throws -> Program {
    var builder = GraphBuilder(name: "run", symbols: [Symbol(name: "n", maximum: maximum)])
    let shapes = shapes(rows: 1)
    func leaf(_ number: Int, _ dimensions: [GraphIR.Dimension]) -> ValueID {
      builder.leaf(Leaf("x\(number)", .input(number)), TensorType(element, dimensions))
    }
    let x = leaf(0, [.batch] + shapes.x.dropFirst().map { GraphIR.Dimension($0) })
    let w = leaf(1, shapes.w.map { GraphIR.Dimension($0) })
    let y =
      isTransposed
      ? try builder.transposedConvolution(x, w, window, outputPadding: extra) : try builder.convolution(x, w, window)
    let dy = leaf(2, [.batch] + shapes.y.dropFirst().map { GraphIR.Dimension($0) })
    let gradients = try builder.gradients(of: [y], cotangents: [dy], withRespectTo: [x, w])
    for (name, value) in zip(["y", "dx", "dw"], [y, gradients[0]!, gradients[1]!]) { builder.output(name, value) }
    var model = Model(name: "convolution", element: element, symbols: builder.graph.symbols)
    model.graphs = [builder.graph]
    let (image, result) = (Array(shapes.x.dropFirst()), Array(shapes.y.dropFirst()))
    model.inputs = [image, shapes.w, result].enumerated().map { Port(name: "x\($0.offset)", element: element, dims: $0.element) }
    model.outputs = zip(["y", "dx", "dw"], [result, image, shapes.w]).map { Port(name: $0, element: element, dims: $1) }
    return try lower(model, options: options)
  }

  /// The operands that PyTorch was given: whole numbers from -4 to 4.
  func wholeNumbers(rows: Int) -> [[Double]] {
    operands(rows: rows) { count, seed in (0..<count).map { Double(Self.hashed($0, seed) % 9) - 4 } }
  }

  /// Operands whose products and sums are rounded.
  func waves(rows: Int) -> [[Double]] { operands(rows: rows) { count, seed in wave(count, Double(seed)) } }

  private func operands(rows: Int, _ make: (Int, UInt32) -> [Double]) -> [[Double]] {
    let (x, w, y) = shapes(rows: rows)
    return zip([x, w, y], [1, 2, 3] as [UInt32]).map { make($0.reduce(1, *), $1) }
  }

  private static func hashed(_ position: Int, _ seed: UInt32) -> UInt32 {
    var h = UInt32(position + 1) &* 2_654_435_761 &+ seed &* 40503
    h ^= h >> 15
    h = h &* 2_246_822_519
    return h ^ (h >> 13)
  }

  // MARK: Comparison

  /// What is wrong with y, dx and dw of so many rows of whole numbers, or nil.
  func problem(_ found: [[Double]], rows: Int, tolerance: Double) -> String? {
    for (k, name) in ["y", "dx", "dw"].enumerated() {
      let expected = k == 2 && rows == 1 ? self.expected[3] : self.expected[k]
      let whole = reduced(found[k])
      // Fewer rows than PyTorch was given are a prefix, as far as their blocks are whole.
      let comparable = rows < self.rows && k < 2 ? found[k].count / block : whole.count
      let scale = 1 + found[k].reduce(0) { max($0, abs($1)) } * Double(block).squareRoot()
      for i in 0..<comparable where !(abs(whole[i] - expected[i]) <= tolerance * scale) {
        return "\(name)[\(i)] of \(rows) rows is \(whole[i]), PyTorch \(expected[i]): \(description)"
      }
    }
    return nil
  }

  private func reduced(_ values: [Double]) -> [Double] {
    guard block > 1 else { return values }
    return stride(from: 0, to: values.count, by: block).map { begin in
      (begin..<min(values.count, begin + block)).reduce(0) { $0 + (Self.hashed($1, 99) & 1 == 1 ? -values[$1] : values[$1]) }
    }
  }
}
