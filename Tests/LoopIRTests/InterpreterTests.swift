import Basics
import LoopIR
import Testing

@Suite struct InterpreterTests {
  private func bytes(_ values: [Float]) -> [UInt8] { values.flatMap { withUnsafeBytes(of: $0) { Array($0) } } }
  private func floats(_ bytes: [UInt8]) -> [Float] {
    bytes.withUnsafeBytes { raw in (0..<bytes.count / 4).map { raw.loadUnaligned(fromByteOffset: $0 * 4, as: Float.self) } }
  }

  @Test func denseLayerWithRelu() throws {
    let interpreter = try Interpreter(try Program(text: TextTests.dense))
    // x (2x4), weight (4x3), bias (3), by hand.
    var memory: [Block: [UInt8]] = [
      .input(0): bytes([1, 2, 3, 4, -1, 0, 1, 0]), .parameters: bytes([1, 0, -1, 2, 1, 0, 0, 1, 1, -1, 0, 2, 0.5, -10, 1]),
      .output(0): bytes(.init(repeating: 9, count: 6)),
    ]
    #expect(try interpreter.run("run", memory: &memory, symbols: ["n": 2]) == 0)
    #expect(floats(memory[.output(0)]!) == [1.5, 0, 11, 0, 0, 3])
  }

  /// Runs a kernel body on y (4 floats, 1 2 3 4) and gives y back.
  private func run(_ body: String, parts: String = "", reversed: Bool = false) throws -> [Float] {
    let program = try Program(
      text: """
        program p: f32 {
          parameters 4
          buffer y: f32[4] = parameters + 0
          kernel k(y: update f32[4])\(parts) { \(body) }
          entry run: arena 0 { call k(y) }
        }
        """)
    var interpreter = try Interpreter(program)
    interpreter.reversesParts = reversed
    var memory: [Block: [UInt8]] = [.parameters: bytes([1, 2, 3, 4])]
    #expect(try interpreter.run("run", memory: &memory, symbols: [:]) == 0)
    return floats(memory[.parameters]!)
  }

  @Test func statements() throws {
    #expect(try run("for i in 0 ..< 4 step 3 { y[i] = f32 0.0 }") == [0, 2, 3, 0])
    #expect(try run("for i in 0 ..< 4 { when y[i] > f32 2.0 { y[i] = f32 9.0 } otherwise { y[i] = -y[i] } }") == [-1, -2, 9, 9])
    #expect(try run("var a: f32 = f32 1.0 while a < f32 100.0 limit 20 { a = a * f32 3.0 } y[0] = a") == [243, 2, 3, 4])
    #expect(try run("var a: f32 = f32 1.0 while a < f32 100.0 limit 3 { a = a * f32 3.0 } y[0] = a") == [27, 2, 3, 4])
    #expect(try run("array a: i32[2] a[1] = i32 -7 y[1] = f32(a[1] / i32 2) y[2] = f32(a[1] % i32 2)") == [1, -3, -1, 4])
    #expect(try run("y[part] = f32[part * 10]", parts: " parts 4") == [0, 10, 20, 30])
    #expect(try run("y[0] = y[0] * f32 2.0 + f32[part]", parts: " parts 3") == [12, 2, 3, 4])
    #expect(try run("y[0] = y[0] * f32 2.0 + f32[part]", parts: " parts 3", reversed: true) == [18, 2, 3, 4])
    #expect(try run("y[3] = select(y[0] > f32 0.0, y[at(i32(y[0]), 4)], y[0])") == [1, 2, 3, 2])
    #expect(try run("y[0] = fma(f32 0.1, f32 10.0, f32 -1.0)") == [0x1p-26, 2, 3, 4], "0.1f is 0.1 + 2^-26 * 0.1")
    #expect(try run("y[0] = f32 0.1 * f32 10.0 + f32 -1.0") == [0, 2, 3, 4])
  }

  @Test(arguments: [
    ("y[4] = f32 0.0", "writes `y`[4], which has 4 elements"), ("for i in 0 ..< 5 { y[0] = y[i] }", "reads `y`[4], which has 4 elements"),
    ("y[at(i32(y[3]), 4)] = f32 0.0", "an indirect index is 4, not in 0 ..< 4"),
    ("array a: f32[2] y[0] = a[1]", "reads `a`[1] before it is written"),
    ("let a: i32 = i32 1 / i32(y[0] - y[0])", "div of i32 with 0 is not defined"),
    ("let a: u32 = shl(u32 1, u32(y[3]) * u32 8)", "shl of u32 with 32 is not defined"),
  ]) func faults(_ body: String, _ message: String) throws {
    do {
      _ = try run(body)
      Issue.record("ran")
    } catch let error as Diagnostic { #expect(error.message.contains(message), "\(error.message)") }
  }

  @Test func unwrittenArenaAndFiniteness() throws {
    let program = try Program(
      text: """
        program p: f32 {
          parameters 1
          buffer p: f32[1] = parameters + 0
          buffer t: f32[2] = arena + 0
          kernel half(p: read f32[1], t: write f32[2]) { t[0] = p[0] }
          kernel use(t: read f32[2], p: write f32[1]) { p[0] = t[1] }
          entry bad: arena 8 { call half(p, t) call use(t, p) }
          entry check: arena 8 { require_finite p call half(p, t) }
        }
        """)
    let interpreter = try Interpreter(program)
    var memory: [Block: [UInt8]] = [.parameters: bytes([1])]
    let failure = #expect(throws: Diagnostic.self) { try interpreter.run("bad", memory: &memory, symbols: [:]) }
    #expect(failure?.message.contains("reads `t`[1] before it is written") == true)
    #expect(try interpreter.run("check", memory: &memory, symbols: [:]) == 0)
    memory[.parameters] = bytes([.infinity])
    #expect(try interpreter.run("check", memory: &memory, symbols: [:]) == Interpreter.notFinite)
  }

  @Test func gemmTransposedOnSubBuffers() throws {
    let program = try Program(
      text: """
        program p: f32 {
          parameters 20
          buffer p: f32[13] = parameters + 0
          buffer c: f32[4] = parameters + 52
          kernel k(p: read f32[13], c: update f32[4]) {
            gemm f32 (2, 2, 3) c[0, stride 2] = f64 2.0 * p'[1, stride 2] * p[7, stride 2] + beta f32 -1.0
          }
          entry run: arena 0 { call k(p, c) }
        }
        """)
    #expect(program.verify().isEmpty)
    // A^T from 1: rows (1 2) (3 4) (5 6), so A = [1 3 5; 2 4 6]; B from 7: (1 0) (0 1) (1 1); 2 A B - C.
    let memory: [Block: [UInt8]] = [.parameters: bytes([0, 1, 2, 3, 4, 5, 6, 1, 0, 0, 1, 1, 1, 10, 20, 30, 40, 0, 0, 0])]
    var plain = memory
    #expect(try Interpreter(program).run("run", memory: &plain, symbols: [:]) == 0)
    #expect(Array(floats(plain[.parameters]!)[13..<17]) == [2, -4, -14, -20])
    var calls: [GemmCall] = []
    var given = memory
    let interpreter = try Interpreter(program) { calls.append($0) }
    #expect(try interpreter.run("run", memory: &given, symbols: [:]) == 0)
    #expect(
      calls.count == 1 && calls[0].transposeA && !calls[0].transposeB && calls[0].k == 3 && calls[0].beta == -1 && calls[0].alpha == 2)
  }

  /// Folding and interpretation are two ways to the same bits.
  @Test func foldingAgreesWithTheInterpreter() throws {
    var generator = SeededGenerator(seed: 11)
    for _ in 0..<1500 {
      let element = [ElementType.f32, .f64, .i32, .u32, .u8, .u64, .i64].randomElement(using: &generator)!
      let scalar = randomScalar(element, depth: 4, &generator)
      guard case .literal(let folded) = scalar.simplified() else { continue }
      let kernel = Kernel(
        name: "k", parameters: [.init(name: "y", element: element, count: 1, access: .write)], symbols: [],
        body: [.store("y", .constant(0), scalar)])
      let program = Program(
        name: "p", element: .f64, symbols: [], parameterCount: 1,
        buffers: [Buffer(name: "y", element: element, count: 1, block: .parameters, offset: 0)], kernels: [kernel],
        entries: [Entry(name: "run", steps: [.call(kernel: 0, buffers: [0])], arenaBytes: 0)])
      var memory: [Block: [UInt8]] = [.parameters: .init(repeating: 0, count: 8)]
      #expect(try Interpreter(program).run("run", memory: &memory, symbols: [:]) == 0)
      let expected = withUnsafeBytes(of: folded.bits.littleEndian) { Array($0) }[..<element.size]
      let isNaN = folded.floatValue?.isNaN ?? false
      #expect(isNaN || Array(memory[.parameters]![..<element.size]) == Array(expected), "\(scalar)")
    }
  }

  /// Expressions of constants; divisors and shifts are kept where they are defined.
  private func randomScalar(_ element: ElementType, depth: Int, _ generator: inout SeededGenerator) -> Scalar {
    func inner(_ element: ElementType) -> Scalar { randomScalar(element, depth: depth - 1, &generator) }
    if depth == 0 {
      guard element.isFloat else { return .literal(Literal(bits: .random(in: 0 ... .max, using: &generator), element)) }
      return .float([0, -0.0, 1, 1.5, -3, 0.1, 1e-40, 1e30, -1e9, .infinity].randomElement(using: &generator)!, element)
    }
    switch Int.random(in: 0...7, using: &generator) {
    case 0...2:
      let floats: [BinaryOperation] = [.add, .sub, .mul, .div, .min, .max]
      let integers: [BinaryOperation] = [.add, .sub, .mul, .min, .max, .and, .or, .xor]
      return .binary((element.isFloat ? floats : integers).randomElement(using: &generator)!, inner(element), inner(element))
    case 3 where element.isFloat: return .fma(inner(element), inner(element), inner(element))
    case 3 where element.isUnsigned: return .binary(.shr, inner(element), .integer(Int.random(in: 0...7, using: &generator), element))
    case 3: return .binary(.rem, inner(element), .integer(7, element))
    case 4:
      let other = [ElementType.f32, .f64, .i32, .u8, .u64].randomElement(using: &generator)!
      return .cast(element, inner(other))
    case 5:
      let compared = [ElementType.f32, .i32, .u64].randomElement(using: &generator)!
      let condition = Scalar.compare(Comparison.allCases.randomElement(using: &generator)!, inner(compared), inner(compared))
      return .select(condition, inner(element), inner(element))
    case 6 where element.isFloat:
      return .unary([.neg, .abs, .sqrt, .floor, .ceil, .trunc, .rint].randomElement(using: &generator)!, inner(element))
    case 6: return .unary(.not, inner(element))
    default:
      return element == .f32 ? .bitcast(.f32, inner(.u32)) : element == .f64 ? .call(.tanh, [inner(.f64)]) : .index(.constant(300), element)
    }
  }
}
