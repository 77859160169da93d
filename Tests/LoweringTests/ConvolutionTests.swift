import Basics
import LoopIR
import Lowering
import Testing

@testable import TestSupport

/// Convolutions in one and two dimensions and transposed ones, forward and both gradients, against PyTorch in float64 (`references/
/// convolutions.py`): every combination of stride, dilation, groups, padding and kernel, and shapes with more channels; with one row and
/// with fewer rows than the largest batch. The interpreter and compiled code give the same bits, for any number of threads.
@Suite struct ConvolutionTests {
  /// Many cases as one program.
  private struct Batch {
    var cases: [ConvolutionCase]
    var joined: JoinedProgram
    var element: ElementType
    var blas: Bool

    init(_ cases: [ConvolutionCase], _ element: ElementType, blas: Bool, method: String? = nil) throws {
      self.element = element
      self.blas = blas
      let options = LoweringOptions(usesBLAS: blas, preferredConvolution: method)
      var lowered: [(ConvolutionCase, Program)] = []
      for test in cases {
        do { lowered.append((test, try test.program(element, options: options))) } catch { Issue.record("\(test): \(error)") }
      }
      self.cases = lowered.map(\.0)
      joined = JoinedProgram(lowered.map(\.1), name: "convolutions")
    }

    var interpreter: Machine { get throws { try .interpreting(joined.program, blas: blas ? .cblas : .none) } }

    func machine(_ compiler: TestCompiler, threads: Int = 1) throws -> Machine {
      try compiler.machine(joined.program, blas: blas ? .cblas : .none, threads: threads)
    }

    /// The bytes of y, dx and dw of each case.
    func run(_ machine: Machine, rows: Int, _ operands: (ConvolutionCase) -> [[Double]]) throws -> [[[UInt8]]] {
      var memory = Array(repeating: UInt8(0), count: joined.inputBytes)
      for (test, offsets) in zip(cases, joined.inputs) {
        for (values, offset) in zip(operands(test), offsets) {
          let raw = bytes(values, element)
          memory.replaceSubrange(offset..<offset + raw.count, with: raw)
        }
      }
      let found = try machine.run([memory], rows: rows)[0]
      return zip(cases, joined.outputs).map { test, offsets in
        let (x, w, y) = test.shapes(rows: rows)
        return zip([y, x, w], offsets).map { Array(found[$1..<$1 + $0.reduce(1, *) * element.size]) }
      }
    }
  }

  private static let batches = [3, 8]

  /// In f64, to the last digits.
  @Test(arguments: batches) func agreesWithPyTorch(_ maximum: Int) throws {
    let cases = try ConvolutionCase.read().filter { $0.maximum == maximum }
    let batch = try Batch(cases, .f64, blas: true)
    let compiled = try batch.machine(.tcc)
    for rows in [1, cases[0].rows] {
      for (test, found) in zip(batch.cases, try batch.run(compiled, rows: rows) { $0.wholeNumbers(rows: rows) }) {
        let problem = test.problem(found.map { doubles($0, .f64) }, rows: rows, tolerance: 1e-12)
        #expect(problem == nil)
      }
    }
  }

  /// In f32, as far as an algorithm with fractions in it (Winograd's) gets; numbers that are rounded give the interpreter's bits.
  @Test(arguments: batches) func singlePrecision(_ maximum: Int) throws {
    let cases = try ConvolutionCase.read().filter { $0.maximum == maximum }
    let batch = try Batch(cases, .f32, blas: true)
    let (rows, compiled) = (cases[0].rows, try batch.machine(.tcc))
    for (test, found) in zip(batch.cases, try batch.run(compiled, rows: rows) { $0.wholeNumbers(rows: rows) }) {
      let problem = test.problem(found.map { doubles($0, .f32) }, rows: rows, tolerance: 1e-5)
      #expect(problem == nil)
    }
    let interpreted = try batch.run(batch.interpreter, rows: rows) { $0.waves(rows: rows) }
    for (test, (a, b)) in zip(batch.cases, zip(interpreted, try batch.run(compiled, rows: rows) { $0.waves(rows: rows) })) {
      #expect(a == b, "the interpreter differs: \(test)")
    }
  }

  /// Without the library's product, on any number of threads, and from an optimising compiler.
  @Test func codeHasOneMeaning() throws {
    let cases = try ConvolutionCase.read().filter { $0.maximum == 8 }
    let batch = try Batch(cases, .f32, blas: false)
    let rows = cases[0].rows
    let reference = try batch.run(batch.machine(.tcc), rows: rows) { $0.waves(rows: rows) }
    func compare(_ machine: Machine, _ who: String) throws {
      let found = try batch.run(machine, rows: rows) { $0.waves(rows: rows) }
      for (test, (a, b)) in zip(batch.cases, zip(found, reference)) { #expect(a == b, "\(who) differs: \(test)") }
    }
    try compare(batch.machine(.fastest), "optimised code")
    for threads in [2, 3] { try compare(batch.machine(.tcc, threads: threads), "tcc with \(threads) threads") }
  }

  /// Each method, wherever it can be taken.
  @Test(arguments: convolutionMethodNames) func methodsAgree(_ method: String) throws {
    let all = try ConvolutionCase.read().filter { $0.maximum == 3 }
    let cases = all.enumerated().filter { $0.element.block > 1 || $0.offset % 37 == 0 }.map(\.element)
    let rows = cases[0].rows
    let batch = try Batch(cases, .f64, blas: true, method: method)
    for (test, found) in zip(batch.cases, try batch.run(batch.machine(.tcc), rows: rows) { $0.wholeNumbers(rows: rows) }) {
      #expect(test.problem(found.map { doubles($0, .f64) }, rows: rows, tolerance: 1e-12) == nil)
    }
  }

  /// Every combination is there: the table cannot lose lines unseen.
  @Test func combinationsAreComplete() throws {
    let cases = try ConvolutionCase.read()
    func count(_ kind: String) -> Int {
      Set(
        cases.filter { $0.kind == kind && $0.block == 1 }.map { test in
          let grouping = test.window.groups == 1 ? "one" : test.window.groups == test.channels ? "channels" : "two"
          let padding = "\(test.window.paddingBefore) \(test.window.paddingAfter)"
          return
            "\(test.window.strides) \(test.window.dilations) \(grouping) \(test.kernel) \(padding == "[0] [0]" ? "[0, 0] [0, 0]" : padding)"
        }
      ).count
    }
    #expect(count("conv2d") >= 3 * 2 * 3 * 3 * 4)
    #expect(count("conv1d") >= 3 * 2 * 3 * 2 * 3)
    #expect(count("conv_transpose2d") >= 3 * 2 * 3 * 3)
    #expect(cases.allSatisfy { $0.rows > 1 && $0.rows < $0.maximum })
  }
}
