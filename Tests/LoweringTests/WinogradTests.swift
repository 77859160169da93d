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
    Case(channels: 33, filters: 64, image: [4, 4], batch: 9, rows: [5, 1]),
    Case(channels: 64, filters: 3, image: [13, 11], before: [0, 1], after: [2, 1], batch: 2),
    Case(channels: 5, filters: 1, image: [3, 3], before: [0, 0], after: [0, 0], batch: 4),
    Case(channels: 1, filters: 4, image: [2, 12], batch: 2),
    // Two groups of panels.
    Case(channels: 7, filters: 256, image: [4, 8], batch: 2),
    // Several parts, with and without edges.
    Case(channels: 4, filters: 16, image: [32, 32], batch: 5, rows: [3]),
    Case(channels: 3, filters: 18, image: [19, 22], before: [1, 0], after: [1, 2], batch: 8, rows: [7]),
  ]

  func program(_ test: Case, _ isForward: Bool, _ element: ElementType, method: String, hasResidual: Bool = true) throws -> Program {
    var builder = GraphBuilder(name: "run", symbols: [Symbol(name: "n", maximum: test.batch)])
    var model = Model(name: "winograd", element: element, symbols: builder.graph.symbols)
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
    let x = input("x", from)
    let filter = parameter("filter", [test.filters, test.channels, 3, 3]), bias = parameter("bias", [to[0], 1, 1])
    let sum =
      try isForward
      ? builder.convolution(x, filter, test.window) : builder.add(ConvolutionInputGradient(test.window, sizes: test.image), [x, filter])
    let y = try builder.relu(builder.add(builder.add(sum, bias), hasResidual ? input("residual", to) : bias))
    // Read by another convolution, so that what follows on the first lies channels last and joins its kernel.
    let mixed = try builder.convolution(y, parameter("mix", [2, to[0], 1, 1]), ConvolutionWindow(rank: 2))
    builder.output("y", mixed)
    model.outputs = [Port(name: "y", element: element, dims: [2, to[1], to[2]])]
    model.graphs = [builder.graph]
    return try lower(
      model, options: LoweringOptions(fuses: method == "winograd", convolutionMethods: [method], preferredConvolution: method))
  }

  private func outputs(_ machine: Machine, _ test: Case, rows: Int) throws -> [Double] {
    let program = machine.program, element = program.element
    var numbers = SplitMix(state: 7)
    func random(_ count: Int) -> [UInt8] { bytes((0..<count).map { _ in Double(Float(numbers.number())) }, element) }
    machine[.parameters] = random(program.parameterCount)
    let inputs = program.inputs.map { random(rows * $0.rowCount) }
    return doubles(try machine.run(inputs, rows: rows)[0], element)
  }

  @Test(arguments: cases.indices, [true, false]) func isTheConvolution(_ index: Int, _ isForward: Bool) throws {
    let test = Self.cases[index]
    let wanted = try TestCompiler.tcc.machine(program(test, isForward, .f64, method: "patches"))
    for element in [ElementType.f32, .f64] {
      let program = try program(test, isForward, element, method: "winograd")
      #expect(program.kernels.contains { $0.name.contains("convolution_add_relu") })
      #expect(program.verify().map(\.message) == [])
      // Code that is cut into parts and panels is optimised too; that of the smallest case by every compiler.
      let compilers = element == .f64 ? [.tcc] : index == 0 ? TestCompiler.all : index < 7 ? [.tcc] : [.tcc, .fastest]
      var machines = try compilers.map { ($0.description, try $0.machine(program, threads: 3)) }
      if element == .f32 { machines.append(("interpreter", try .interpreting(program))) }
      for rows in [test.batch] + test.rows {
        let exact = try outputs(wanted, test, rows: rows)
        let found = try machines.map { try outputs($0.1, test, rows: rows) }
        let terms = Double(9 * test.channels * test.filters)
        // Of sums of as many products of numbers below 1 in magnitude.
        let worst = zip(found[0], exact).map { abs($0 - $1) }.max()!
        #expect(
          worst <= (element == .f32 ? 6e-6 : 1.2e-14) * terms.squareRoot(), "\(element), \(rows) rows: off by \(worst), \(terms) terms")
        for (other, machine) in zip(found, machines).dropFirst() {
          #expect(zip(other, found[0]).allSatisfy { $0.bitPattern == $1.bitPattern }, "\(rows) rows, \(machine.0): other bits than tcc")
        }
      }
    }
  }
}
