import Basics
import CEmitter
import LoopIR
import Toolchain
import XCTest

/// The same bits from tcc in memory, tcc, gcc and clang at all levels; no compiler says a word.
final class BitsTests: XCTestCase {
  private func models(_ project: EmittedProject, _ compilers: [(name: String, command: [String])]) throws -> [(String, () -> NativeModel?)]
  {
    let folder = try temporaryFolder(self)
    return compilers.map { compiler in (compiler.name, { try? NativeModel(project, compiler: compiler.command, folder: folder) }) }
  }

  private func check(_ program: Program, parameters: [Double], input: [Double], rows: [Int32], options: EmitOptions = EmitOptions()) throws
    -> [[UInt8]]
  {
    let project = try emitC(program, options: options)
    let source = ModelSource(text: project.translationUnit, descriptorSymbol: project.descriptorSymbol, callsBLAS: project.callsBLAS)
    let first = try LibTCC.compile(source)
    let (p, x) = (bytes(parameters, program.element), bytes(input, program.element))
    let reference = rows.map { outputs(of: first.descriptor, parameters: p, input: x, rows: $0) }
    if !project.callsBLAS { try checkInterpreter(program, p, x, rows, reference) }
    for (name, model) in try models(project, compilers()) {
      guard let model = model() else {
        XCTFail("\(name) gives no model")
        continue
      }
      for (row, expected) in zip(rows, reference) {
        let found = outputs(of: model.descriptor, parameters: p, input: x, rows: row)
        for (port, (a, b)) in zip(expected, found).enumerated() {
          XCTAssertTrue(sameBits(a, b, program.outputs[port].element), "\(name): output \(program.outputs[port].name), \(row) rows")
        }
      }
    }
    return reference.last!
  }

  private func checkInterpreter(_ program: Program, _ p: [UInt8], _ x: [UInt8], _ rows: [Int32], _ reference: [[[UInt8]]]) throws {
    XCTAssertEqual(program.verify().map(\.message), [])
    var interpreter = try Interpreter(program)
    interpreter.reversesParts = true
    for (row, expected) in zip(rows, reference) {
      var memory: [Block: [UInt8]] = [.input(0): x, .parameters: p]
      for (number, buffer) in program.buffers.enumerated() {
        if case .output = buffer.block {
          memory[buffer.block] = Array(repeating: 0, count: program.buffers[number].count * buffer.element.size)
        }
      }
      XCTAssertEqual(try interpreter.run("run", memory: &memory, symbols: ["n": Int(row)]), 0)
      for (port, bytes) in expected.enumerated() {
        let found = Array(memory[.output(port)]!.prefix(bytes.count))
        XCTAssertTrue(sameBits(bytes, found, program.outputs[port].element), "interpreter: \(program.outputs[port].name), \(row) rows")
      }
    }
  }

  /// Equal, NaN payloads and signs excepted: no standard fixes those.
  private func sameBits(_ a: [UInt8], _ b: [UInt8], _ element: ElementType) -> Bool {
    if a == b { return true }
    guard element.isFloat, a.count == b.count else { return false }
    return zip(doubles(a, element), doubles(b, element)).allSatisfy { $0.bitPattern == $1.bitPattern || ($0.isNaN && $1.isNaN) }
  }

  private func expectedDense(_ parameters: [Double], _ x: [Double], rows: Int) -> [Double] {
    (0..<rows * 16).map { at in
      let sum = (0..<29).reduce(0.0) { $0 + x[at / 16 * 29 + $1] * parameters[$1 * 16 + at % 16] }
      return max(0, sum + parameters[464 + at % 16])
    }
  }

  func testDenseLayersInAllForms() throws {
    let parameters = numbers(480)
    let x = numbers(32 * 29, seed: 7)
    for element in [ElementType.f32, .f64] {
      for (gemm, parallel, blas) in [
        (false, false, EmitOptions.BLAS.cblas), (false, true, .cblas), (true, false, .cblas), (true, false, EmitOptions.BLAS.none),
      ] where element == .f32 || gemm {
        let program = Sample.dense(gemm: gemm, parallel: parallel, element: element)
        let found = try check(program, parameters: parameters, input: x, rows: [1, 3, 31, 32], options: EmitOptions(blas: blas))
        let tolerance = element == .f32 ? 1e-5 : 1e-13
        for (a, b) in zip(doubles(found[0], element), expectedDense(parameters, x, rows: 32)) { XCTAssertEqual(a, b, accuracy: tolerance) }
      }
    }
  }

  func testThreadsChangeNothing() throws {
    let project = try emitC(Sample.dense(parallel: true))
    let model = try LibTCC.compile(
      ModelSource(text: project.translationUnit, descriptorSymbol: project.descriptorSymbol, callsBLAS: project.callsBLAS))
    let (p, x) = (bytes(numbers(480), .f32), bytes(numbers(32 * 29, seed: 7), .f32))
    let one = outputs(of: model.descriptor, parameters: p, input: x, rows: 31)
    for threads in [2, 5] as [Int32] {
      XCTAssertEqual(outputs(of: model.descriptor, parameters: p, input: x, rows: 31, threads: threads), one)
    }
  }

  /// Odd sizes, all transpositions, alpha and beta: the blocked product is one chain of fused multiply-adds an element, to the last bit.
  func testTheBlockedProduct() throws {
    for (m, n, k) in [(1, 1, 1), (9, 17, 30), (65, 33, 257), (8, 49, 600)] {
      let (a, b) = (numbers(m * k, seed: 3), numbers(k * n, seed: 4))
      for (transposeA, transposeB, alpha, beta) in [
        (false, false, 1.0, 0.0), (true, false, 0.5, 1.0), (false, true, 1, -2), (true, true, 1, 0),
      ] {
        let program = Sample.product(
          m: m, n: n, k: k, transposeA: transposeA, transposeB: transposeB, alpha: alpha, beta: beta, element: .f32)
        let expected = (0..<m * n).map { at -> Double in
          let (i, j) = (at / n, at % n)
          let sum = (0..<k).reduce(Float(0)) { sum, q in
            sum.addingProduct(Float(a[transposeA ? q * m + i : i * k + q]), Float(b[transposeB ? j * k + q : q * n + j]))
          }
          return Double(Float(alpha) * sum + Float(beta) * Float(at % 3))
        }
        let project = try emitC(program, options: EmitOptions(blas: .none))
        let model = try LibTCC.compile(
          ModelSource(text: project.translationUnit, descriptorSymbol: project.descriptorSymbol, callsBLAS: project.callsBLAS))
        let found = outputs(of: model.descriptor, parameters: bytes(b, .f32), input: bytes(a, .f32), rows: 1)[0]
        XCTAssertEqual(doubles(found, .f32), expected, "\(m) \(n) \(k)")
        let cblas = try emitC(program)
        let second = try LibTCC.compile(
          ModelSource(text: cblas.translationUnit, descriptorSymbol: cblas.descriptorSymbol, callsBLAS: cblas.callsBLAS))
        let other = outputs(of: second.descriptor, parameters: bytes(b, .f32), input: bytes(a, .f32), rows: 1)[0]
        for (x, y) in zip(doubles(other, .f32), expected) { XCTAssertEqual(x, y, accuracy: 1e-4) }
      }
    }
    let program = Sample.product(m: 65, n: 33, k: 257, transposeA: true, transposeB: true, alpha: 0.5, beta: 1, element: .f64)
    _ = try check(program, parameters: numbers(257 * 33), input: numbers(65 * 257), rows: [1], options: EmitOptions(blas: .none))
  }

  func testEveryScalarOperation() throws {
    for element in [ElementType.f32, .f64] {
      let program = Sample.scalars(element: element)
      let found = try check(program, parameters: [], input: Sample.hardValues, rows: [1])
      func output(_ name: String) -> [UInt8] { found[program.outputs.firstIndex { $0.name == name }!] }
      let position = Sample.hardValues.firstIndex(of: 2_147_483_648)!
      // Literal results: 2^31 saturates to the largest i32, whose negation wraps; rint(2.5) is 2; max(NaN, x) keeps its first operand.
      XCTAssertEqual(output("i32_neg").withUnsafeBytes { $0.load(fromByteOffset: 4 * position, as: Int32.self) }, -Int32.max)
      XCTAssertEqual(doubles(output("float_rint"), element)[6], 2)
      XCTAssertTrue(doubles(output("float_max"), element)[16].isNaN)
      XCTAssertEqual(output("u8_add")[31], UInt8(truncatingIfNeeded: 255 + 200))
      XCTAssertEqual(doubles(output("math_exp"), element)[2], Foundation.exp(1.0), accuracy: 1e-6)
    }
  }
}
