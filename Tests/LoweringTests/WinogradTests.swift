import Basics
import CEmitter
import Foundation
import GraphIR
import LoopIR
import Lowering
import Operators
import Testing

@testable import TestSupport

/// Convolutions by Winograd's method against the same by gathered patches in float64: at odd sizes, paddings, channel counts that fill no
/// vector, whole and partial batches; with bias, relu and a residual in the same kernel; the interpreter and all compilers bit for bit.
@Suite struct WinogradTests {
  struct Case: CustomTestStringConvertible {
    var channels: Int
    var filters: Int
    var image: [Int]
    var before = [1, 1]
    var after = [1, 1]
    var batch = 3
    var rows = [1]
    var testDescription: String { "\(channels) to \(filters) at \(image), padding \(before) and \(after), batch \(batch)" }
    var window: ConvolutionWindow { ConvolutionWindow(strides: [1, 1], dilations: [1, 1], paddingBefore: before, paddingAfter: after) }
    var result: [Int] { image.indices.map { image[$0] + before[$0] + after[$0] - 2 } }
  }

  static let cases = [
    Case(channels: 3, filters: 16, image: [5, 7]),
    Case(channels: 16, filters: 20, image: [8, 8], before: [0, 0], after: [0, 0]),
    Case(channels: 20, filters: 33, image: [9, 6], before: [2, 2], after: [2, 2], batch: 2),
    Case(channels: 33, filters: 64, image: [4, 4], batch: 13, rows: [9, 1]),
    Case(channels: 64, filters: 3, image: [13, 11], before: [0, 1], after: [2, 1], batch: 2),
    Case(channels: 5, filters: 1, image: [3, 3], before: [0, 0], after: [0, 0], batch: 4),
    Case(channels: 1, filters: 4, image: [2, 12], batch: 2),
    // Two groups of panels.
    Case(channels: 7, filters: 256, image: [4, 8], batch: 2),
    // Several parts, with and without edges.
    Case(channels: 16, filters: 16, image: [32, 32], batch: 7, rows: [5]),
    Case(channels: 16, filters: 32, image: [19, 22], before: [1, 0], after: [1, 2], batch: 12, rows: [11, 2]),
  ]

  private enum Direction: CaseIterable { case forward, inputGradient }

  private func program(_ test: Case, _ direction: Direction, _ element: ElementType, methods: Set<String>) throws -> Program {
    var builder = GraphBuilder(name: "run", symbols: [Symbol(name: "n", maximum: test.batch)])
    var model = Model(name: "winograd", element: element, symbols: builder.graph.symbols)
    let isForward = direction == .forward
    let from = isForward ? [test.channels] + test.image : [test.filters] + test.result
    let to = isForward ? [test.filters] + test.result : [test.channels] + test.image
    func input(_ name: String, _ dims: [Int]) -> ValueID {
      model.inputs.append(Port(name: name, element: element, dims: dims))
      return builder.leaf(Leaf(name, .input(model.inputs.count - 1)), TensorType(element, [.batch] + dims.map { Dimension($0) }))
    }
    func parameter(_ name: String, _ dims: [Int]) -> ValueID {
      model.parameters.append(Parameter(name: name, shape: dims))
      return builder.leaf(Leaf(name, .parameter), TensorType(element, dims.map { Dimension($0) }))
    }
    let x = input("x", from), residual = input("residual", to)
    let filter = parameter("filter", [test.filters, test.channels, 3, 3]), bias = parameter("bias", [to[0], 1, 1])
    let sum =
      try isForward
      ? builder.convolution(x, filter, test.window) : builder.add(ConvolutionInputGradient(test.window, sizes: test.image), [x, filter])
    let y = try builder.relu(builder.add(builder.add(sum, bias), residual))
    builder.output("y", y)
    model.outputs = [Port(name: "y", element: element, dims: to)]
    model.graphs = [builder.graph]
    return try lower(model, options: LoweringOptions(convolutionMethods: methods))
  }

  private func outputs(_ machine: Machine, _ test: Case, rows: Int) throws -> [Double] {
    let program = machine.program, element = program.element
    machine[.parameters] = bytes(wave(program.parameterCount, 0.3), element)
    let inputs = program.inputs.enumerated().map { bytes(wave(rows * $0.element.rowCount, Double($0.offset)), element) }
    return doubles(try machine.run(inputs, rows: rows)[0], element)
  }

  @Test(arguments: cases.indices) func isTheConvolution(_ index: Int) throws {
    let test = Self.cases[index]
    for direction in Direction.allCases {
      let wanted = try TestCompiler.tcc.machine(program(test, direction, .f64, methods: ["patches"]))
      for element in [ElementType.f32, .f64] {
        let program = try program(test, direction, element, methods: ["winograd"])
        #expect(program.kernels.contains { $0.comments.contains { $0.contains("winograd") } })
        #expect(program.verify().map(\.message) == [])
        let interpreter = try Machine.interpreting(program)
        let machines = try (element == .f32 ? TestCompiler.all : [.tcc, .fastest]).map { ($0.description, try $0.machine(program)) }
        let threaded = try TestCompiler.fastest.machine(program, threads: 3)
        for rows in [test.batch] + test.rows {
          let found = try outputs(interpreter, test, rows: rows)
          let exact = try outputs(wanted, test, rows: rows)
          // The largest error seen is 4.5e-7 of the terms' magnitudes, sums of `terms` products of numbers below 1.
          let terms = Double(9 * (direction == .forward ? test.channels : test.filters))
          let worst = zip(found, exact).map { abs($0 - $1) }.max()!
          #expect(worst <= (element == .f32 ? 1e-6 : 2e-15) * terms.squareRoot(), "\(direction), \(element), \(rows) rows: off by \(worst)")
          for (name, machine) in machines + [("three threads", threaded)] {
            let other = try outputs(machine, test, rows: rows)
            #expect(
              zip(found, other).allSatisfy { $0.bitPattern == $1.bitPattern }, "\(direction), \(element), \(rows) rows, \(name): other bits"
            )
          }
        }
      }
    }
  }
}
