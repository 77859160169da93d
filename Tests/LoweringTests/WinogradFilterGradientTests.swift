import Basics
import GraphIR
import LoopIR
import Lowering
import Operators
import Testing

@testable import TestSupport

/// Filter gradients in Winograd's domain: the same bits from the interpreter and every compiler with any number of threads, for the largest
/// batch and for others, and close to the definition.
@Suite struct WinogradFilterGradientTests {
  struct Problem: CustomStringConvertible {
    var channels: (Int, Int)
    var size: (Int, Int)
    var padding: Int
    var batch: Int
    var element = ElementType.f32

    var description: String { "\(channels.0) -> \(channels.1) channels, \(size.0)x\(size.1), padding \(padding), \(batch) x \(element)" }

    /// Rows and columns of the result.
    var result: (Int, Int) { (size.0 + 2 * padding - 2, size.1 + 2 * padding - 2) }

    /// With the method that is asked for, or the cheapest.
    func program(_ method: String? = "winograd_filter") throws -> Program {
      var builder = GraphBuilder(name: "run", symbols: [Symbol(name: "n", maximum: batch)])
      let x = builder.leaf(Leaf("x", .input(0)), type(channels.0, size))
      let dy = builder.leaf(Leaf("dy", .input(1)), type(channels.1, result))
      let dw = try builder.add(ConvolutionFilterGradient(ConvolutionWindow(rank: 2, padding: padding), kernel: [3, 3]), [x, dy])
      builder.output("dw", dw)
      var model = Model(name: "winograd", element: element, symbols: builder.graph.symbols)
      model.graphs = [builder.graph]
      model.inputs = [
        Port(name: "x", element: element, dims: [channels.0, size.0, size.1]),
        Port(name: "dy", element: element, dims: [channels.1, result.0, result.1]),
      ]
      model.outputs = [Port(name: "dw", element: element, dims: [channels.1, channels.0, 3, 3])]
      return try lower(model, options: LoweringOptions(preferredConvolution: method))
    }

    private func type(_ channels: Int, _ size: (Int, Int)) -> TensorType {
      TensorType(element, [.batch, Dimension(channels), Dimension(size.0), Dimension(size.1)])
    }

    func values(rows: Int) -> (x: [Double], dy: [Double]) {
      var numbers = SplitMix(state: UInt64(rows))
      func some(_ count: Int) -> [Double] { (0..<count).map { _ in Double(Float(numbers.number())) } }
      return (some(rows * channels.0 * size.0 * size.1), some(rows * channels.1 * result.0 * result.1))
    }

    /// By the definition, and the largest sum of the terms' absolute values among the nine taps: rounding in a tile reaches all of them.
    func expected(_ x: [Double], _ dy: [Double], rows: Int) -> [(value: Double, scale: Double)] {
      var sums = Array(repeating: (value: 0.0, scale: 0.0), count: channels.0 * channels.1 * 9)
      let convolution = Convolution(.filterGradient, groups: 1, strides: [1, 1], dilations: [1, 1], padding: [padding, padding])
      forEachTerm(
        of: convolution, x: [rows, channels.0, size.0, size.1], w: [channels.1, channels.0, 3, 3],
        y: [rows, channels.1, result.0, result.1]
      ) { i, w, o in
        sums[w].value += x[i] * dy[o]
        sums[w].scale += abs(x[i] * dy[o])
      }
      return sums.indices.map { (sums[$0].value, sums[$0 / 9 * 9..<$0 / 9 * 9 + 9].map(\.scale).max()!) }
    }
  }

  static let problems = [
    Problem(channels: (3, 16), size: (5, 7), padding: 1, batch: 3),
    Problem(channels: (16, 3), size: (8, 8), padding: 0, batch: 2, element: .f64),
    Problem(channels: (20, 33), size: (9, 4), padding: 2, batch: 3),
    Problem(channels: (33, 20), size: (6, 6), padding: 1, batch: 4, element: .f64),
    Problem(channels: (64, 64), size: (8, 8), padding: 1, batch: 5),
    Problem(channels: (1, 1), size: (3, 3), padding: 0, batch: 2),
    Problem(channels: (48, 96), size: (16, 13), padding: 1, batch: 4),
  ]

  @Test(arguments: problems) func isItsDefinition(_ problem: Problem) throws {
    let program = try problem.program()
    #expect(program.kernels.contains { $0.comments.contains { $0.contains("winograd_filter") } })
    let machines =
      try [("interpreter", Machine.interpreting(program))]
      + [TestCompiler.tcc, .fastest].flatMap { compiler in
        try [1, 2].map { ("\(compiler), \($0) threads", try compiler.machine(program, threads: $0)) }
      }
    for rows in Set([problem.batch, max(1, problem.batch - 2)]) {
      let (x, dy) = problem.values(rows: rows)
      let expected = problem.expected(x, dy, rows: rows)
      var first: [UInt8]?
      for (name, machine) in machines {
        let output = try machine.run([bytes(x, problem.element), bytes(dy, problem.element)], rows: rows)[0].prefix(
          expected.count * problem.element.size)
        let found = doubles(Array(output), problem.element)
        // Measured: at most 1.1e-6 for a single pixel, 4e-7 and 9e-16 for others.
        let tolerance = problem.element == .f32 ? 2e-6 : 4e-15
        let worst = zip(found, expected).map { abs($0 - $1.value) / $1.scale }.max()!
        #expect(worst <= tolerance, "\(name), \(rows) rows")
        if let first { #expect(Array(output) == first, "\(name), \(rows) rows: other bits than interpreted") }
        first = first ?? Array(output)
      }
    }
  }

  /// Many channels, and images that tiles fill, are what the method is for.
  @Test func isChosenByCost() throws {
    func method(_ problem: Problem) throws -> String? {
      try problem.program(nil).kernels.lazy.compactMap { ConvolutionNote($0)?.method }.first
    }
    for (channels, size) in [((64, 64), 32), ((32, 64), 32), ((512, 512), 4), ((200, 96), 13)] {
      #expect(try method(Problem(channels: channels, size: (size, size), padding: 1, batch: 32)) == "winograd_filter")
    }
    for (channels, size) in [((3, 64), 32), ((64, 64), 2), ((1, 8), 28)] {
      #expect(try method(Problem(channels: channels, size: (size, size), padding: 1, batch: 32)) != "winograd_filter")
    }
  }

  /// Working memory stays moderate, whatever the channels.
  @Test func memoryIsBounded() throws {
    for (channels, size) in [((64, 64), 32), ((512, 512), 4), ((1024, 1024), 4)] {
      let problem = Problem(channels: channels, size: (size, size), padding: 1, batch: 64)
      let program = try problem.program()
      let images = 2 * 4 * 64 * (channels.0 + channels.1) * size * size
      #expect(program.entries[0].arenaBytes <= images + 17 << 20)
    }
  }
}
