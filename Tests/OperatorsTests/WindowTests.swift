import Basics
import Differentiation
import GraphIR
import LoopIR
import Operators
import Testing

@testable import TestSupport

/// What examples of the operators on images do not show: ties, errors, and all kinds of windows against their definition.
@Suite struct WindowTests {
  private func gradient(_ op: any Operator, _ x: TensorLiteral) throws -> [Double] {
    var builder = GraphBuilder(name: "g", symbols: [])
    let tensor = Tensor(x, float: .f64)
    let leaf = Leaf("x", .input(0))
    let value = builder.leaf(leaf, tensor.type)
    let loss = try builder.sum(builder.add(op, [value]))
    let gradient = try #require(try builder.gradients(of: loss, withRespectTo: [value])[0])
    return try GraphEvaluator().run(builder.graph, leaves: [leaf: tensor])[gradient]![0].doubles
  }

  /// PyTorch 2.15 float64: among equal elements the first in the window is chosen, and a window of minus infinity chooses its first.
  @Test func theFirstOfEqualsHasTheGradient() throws {
    let ties = TensorLiteral([2, 2, 1, 2, 2, 2, 0, 2, 1], shape: [1, 1, 3, 3])
    #expect(try gradient(MaxPool(Window(kernel: [2, 2])), ties) == [1, 1, 0, 1, 1, 0, 0, 0, 0])
    let padded = Window(kernel: [2, 2], strides: [2, 2], before: [1, 1], after: [1, 1])
    #expect(try gradient(MaxPool(padded), ties) == [1, 1, 0, 1, 1, 0, 0, 0, 0])
    #expect(
      try gradient(MinPool(Window(kernel: [3], strides: [3])), TensorLiteral([1, 0, 0, 4, 4, 4], shape: [1, 6])) == [0, 1, 0, 1, 0, 0])
    let lowest = TensorLiteral([-.infinity, -.infinity], shape: [1, 2])
    #expect(try gradient(MaxPool(Window(kernel: [2])), lowest) == [1, 0])
  }

  /// Course notes: max pooling's gradient of ones goes to the chosen 6, 8, 9, 6.
  @Test func theGradientGoesToTheChosen() throws {
    let x = TensorLiteral([1, 3, 2, 4, 5, 6, 7, 8, 9, 1, 2, 0, 3, 4, 5, 6], shape: [1, 1, 4, 4])
    let chosen = x.values.enumerated().map { [5, 7, 8, 15].contains($0.offset) ? 1.0 : 0 }
    #expect(try gradient(MaxPool(Window(kernel: [2, 2], strides: [2, 2])), x) == chosen)
  }

  /// Every window along one axis: what it holds, what its gradient collects and what an average divides by, against loops over taps.
  @Test func windowsAreWhatTheirDefinitionSays() throws {
    for size in [1, 2, 5, 7] {
      let x = (0..<size).map { Double(($0 * 7 + 3) % 11) - 4 }
      for (kernel, stride, dilation) in cases {
        let span = (kernel - 1) * dilation + 1
        for (before, after) in [(0, 0), (1, 1), (0, 2), (2, 1)] where before < span && after < span && before + size + after >= span {
          for ceil in [false, true] {
            let window = Window(
              kernel: [kernel], strides: [stride], dilations: [dilation], before: [before], after: [after], ceil: ceil)
            try compare(window, x)
          }
        }
      }
    }
  }

  private let cases = [1, 2, 3, 4].flatMap { kernel in
    [1, 2, 3].flatMap { stride in [1, 2].map { dilation in (kernel, stride, dilation) } }
  }

  private func compare(_ window: Window, _ x: [Double]) throws {
    let (kernel, stride, dilation) = (window.kernel[0], window.strides[0], window.dilations[0])
    let (before, after) = (window.before[0], window.after[0])
    var starts = Array(Swift.stride(from: 0, through: before + x.count + after - (kernel - 1) * dilation - 1, by: stride))
    if window.ceil, (starts.last! + (kernel - 1) * dilation + 1) < before + x.count + after, starts.last! + stride < before + x.count {
      starts.append(starts.last! + stride)
    }
    let taps = starts.map { start in (0..<kernel).map { start + $0 * dilation - before } }
    let sums = taps.map { $0.filter(x.indices.contains).reduce(0) { $0 + x[$1] } }
    func counts(_ range: Range<Int>) -> [Double] { taps.map { Double($0.filter(range.contains).count) } }
    let literal = TensorLiteral(x, shape: [1, x.count], element: .f64)
    func run(_ op: any Operator) throws -> [Double] { try GraphEvaluator().apply(op, [Tensor(literal)])[0].doubles }
    #expect(try run(SumPool(window)) == sums, "\(window)")
    for (includePadding, counts) in [(false, counts(0..<x.count)), (true, counts(-before..<x.count + after))] {
      let wanted = zip(sums, counts).map { $0 / max(1, $1) }
      #expect(try run(AveragePool(window, includePadding: includePadding)) == wanted, "\(window) \(includePadding)")
    }
    let maxima = taps.map { $0.filter(x.indices.contains).reduce(-.infinity) { max($0, x[$1]) } }
    #expect(try run(MaxPool(window)) == maxima, "\(window)")
    #expect(try gradient(SumPool(window), literal) == x.indices.map { p in Double(taps.joined().filter { $0 == p }.count) }, "\(window)")
    let chosen = zip(taps, maxima).map { taps, maximum in taps.first { x.indices.contains($0) && x[$0] == maximum } }
    #expect(try gradient(MaxPool(window), literal) == x.indices.map { p in Double(chosen.filter { $0 == p }.count) }, "\(window)")
  }

  /// Interpolation is a partition of unity: the gradient's sum is the number of results, whatever the sizes.
  @Test func resizedSizes() throws {
    for n in 1...6 {
      for m in 1...9 {
        let x = TensorLiteral((0..<n).map(Double.init), shape: [1, n], element: .f64)
        for op in [
          ResizeNearest(sizes: [m]), ResizeLinear(axis: 1, size: m), ResizeLinear(axis: 1, size: m, alignCorners: true),
        ] as [any Operator] {
          let shares = try gradient(op, x)
          #expect(abs(shares.reduce(0, +) - Double(m)) < 1e-12, "\(op) from \(n)")
          // The operator is linear: its sum is the gradient times x.
          let sum = try GraphEvaluator().apply(op, [Tensor(x)])[0].doubles.reduce(0, +)
          #expect(abs(zip(shares, x.values).reduce(0) { $0 + $1.0 * $1.1 } - sum) < 1e-12, "\(op) from \(n)")
        }
        let adaptive = try gradient(AdaptiveAveragePool(sizes: [m]), x)
        #expect(abs(adaptive.reduce(0, +) - Double(m)) < 1e-12, "\(n) to \(m)")
      }
    }
  }

  private static let image = TensorType(.f32, [.batch, 6, 8, 5])

  @Test(arguments: [
    (
      MaxPool(Window(kernel: [3, 6])) as any Operator,
      "a window of 6 is larger than axis 3 with its padding, 5; make the kernel smaller or pad more"
    ),
    (
      MaxPool(Window(kernel: [2, 2], before: [2, 0])),
      "padding must lie in 0 ..< 2, the window's extent along axis 2, got 2 before and 0 after"
    ),
    (SumPool(Window(kernel: [2, 0])), "kernel, stride and dilation must be at least 1, got 0, 1 and 1"),
    (SumPool(Window(kernel: [2, 2], strides: [2])), "need one number for each of the last axes"),
    (AveragePool(Window(kernel: [2, 2, 2, 2])), "axis 0 of f32[N, 6, 8, 5] must have a size known at compile time"),
    (MinPool(Window(kernel: [2], strides: [-1])), "must be at least 1, got 2, -1 and 1"),
    (GroupNormalize(groups: 4), "4 groups do not divide 6 channels"),
    (DepthToSpace(block: 2), "blocks of 4 positions need a multiple of 4 channels, got 6"),
    (DepthToSpace(block: 2, isInverse: true), "axis 3 of size 5 is no multiple of the block 2"),
    (ResizeNearest(sizes: [0, 2]), "needs a size from 1 to 1048576 for each of the last axes"),
    (ResizeLinear(axis: 0, size: 2), "axis 0 of f32[N, 6, 8, 5] must have a size known at compile time"),
    (AdaptiveAveragePool(sizes: []), "got []"),
    (LocalResponseNormalize(size: 0), "a size of at least 1"),
    (SumPoolGradient(Window(kernel: [2, 2]), sizes: [8, 5]), "needs the windows' results f32[N, 6, 7, 4], got f32[N, 6, 8, 5]"),
  ])
  func errors(op: any Operator, message: String) {
    do {
      _ = try op.resultTypes([Self.image])
      Issue.record("no error")
    } catch { #expect("\(error)".contains(message), "\(error)") }
  }
}
