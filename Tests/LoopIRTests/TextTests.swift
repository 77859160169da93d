import Basics
import LoopIR
import Testing

@Suite struct TextTests {
  /// One dense layer with relu on n rows, with every kind of statement that it needs.
  static let dense = """
    program dense: f32 {
      task regression
      symbol n <= 8
      parameters 15
      state 0
      gradients 0
      moments 0
      tensor "fc.weight": [4, 3] at 0 trainable
      tensor "fc.bias": [3] at 12 trainable
      input "x": f32[4]
      output "y": f32[3]
      buffer x: f32[32] = input(0) + 0
      buffer weight: f32[12] = parameters + 0
      buffer bias: f32[3] = parameters + 48
      buffer y: f32[24] = output(0) + 0
      kernel fc_matmul_add_relu(x: read f32[32], weight: read f32[12], bias: read f32[3], y: write f32[24]; n) {
        describe "y = relu(x weight + bias)"
        for i in 0 ..< n {
          for j in 0 ..< 3 unrolled {
            var sum: f32 = bias[j]
            for k in 0 ..< 4 unrolled {
              sum = fma(x[i * 4 + k], weight[k * 3 + j], sum)
            }
            y[i * 3 + j] = max(sum, f32 0.0)
          }
        }
      }
      entry run: arena 0 {
        call fc_matmul_add_relu(x, weight, bias, y)
      }
    }

    """

  @Test func printsWhatItReads() throws {
    let program = try Program(text: Self.dense)
    #expect(program.description == Self.dense)
    #expect(program.kernels[0].parameters[3].access == .write)
    #expect(program.verify().isEmpty)
  }

  @Test func everyStatementAndNameRoundTrips() throws {
    let i = Index.variable("i")
    let body: [Statement] = [
      .comment("a \"quoted\" remark\n# // {"),
      .loop(
        Loop(
          "i", from: .constant(-3), to: .minimum(.variable("n") + 4, .constant(9)), step: 2, kind: .lanes,
          [
            .when(
              .compare(.ne, .index(i, .i64), .integer(-1, .i64)), [.store("out", .remainder(.divide(i * 3 + 1, 2), 5), .float(-0.0, .f32))],
              otherwise: [.assign("let", -.variable("let"))])
          ])),
      .define("1 strange name", .u64, .bitcast(.u64, .float(.pi, .f64))), .variable("let", .f32, .float(0.1, .f32)),
      .array("f32", .u8, count: 7), .repeatWhile(.literal(.bool(false)), limit: 3, [.comment("")]),
      .gemm(
        Gemm(
          element: .f64, transposeA: true, transposeB: false, m: i, n: .constant(3), k: .variable("n"), alpha: -0.5,
          a: .init("a", i * 2, stride: 4), b: .init("b", .indirect(.load("rows", i), bound: 10), stride: 3), beta: .variable("beta"),
          c: .init("c", .constant(0), stride: 3))),
    ]
    let kernel = Kernel(
      name: "strange", comments: ["one", "two"], parameters: [.init(name: "out", element: .f32, count: 5, access: .update)],
      symbols: ["n", "m"], parts: .divide(.variable("n") + 7, 8), body: body)
    let program = Program(
      name: "weights", element: .f64, symbols: [Symbol(name: "n", maximum: 32)],
      tensors: [TensorSlot(name: "a.b/c", dims: [], offset: 3, isState: true, trainable: false)],
      inputs: [Port(name: "in put", element: .i64, dims: [2, 3])], task: .classes, stateCount: 4,
      constants: [ConstantTable(name: "table", element: .u8, bytes: [0, 15, 255])],
      buffers: [
        Buffer(name: "same", element: .f32, count: 1, block: .arena, offset: 0),
        Buffer(name: "same", element: .f32, count: 1, block: .constant(0), offset: 4),
      ], kernels: [kernel, kernel],
      entries: [Entry(name: "run", steps: [.call(kernel: 1, buffers: [0, 1]), .requireFinite(buffer: 1)], arenaBytes: 4)])
    #expect(try Program(text: program.description) == program)
  }

  /// Every shape of expression, with awkward literals.
  @Test func randomExpressionsRoundTrip() throws {
    var generator = SeededGenerator(seed: 3)
    for _ in 0..<2000 {
      let scalar = randomTree(5, &generator)
      let program = Program(
        name: "p", element: .f32, symbols: [],
        kernels: [Kernel(name: "k", parameters: [], symbols: [], body: [.define("x", .f32, scalar)])])
      #expect(try Program(text: program.description) == program, "\(scalar)")
    }
  }

  private func randomTree(_ depth: Int, _ generator: inout SeededGenerator) -> Scalar {
    func inner() -> Scalar { randomTree(depth - 1, &generator) }
    func position() -> Index { randomIndex(depth - 1, &generator) }
    switch depth <= 0 ? Int.random(in: 0...4, using: &generator) : Int.random(in: 0...15, using: &generator) {
    case 0:
      let bits = UInt64.random(in: 0 ... .max, using: &generator)
      return Bool.random(using: &generator)
        ? .literal(Literal(bits: bits, .f64)) : .float(Double(Float(bitPattern: UInt32(truncatingIfNeeded: bits))), .f32)
    case 1:
      return .literal(Literal(bits: .random(in: 0 ... .max, using: &generator), [.i32, .u8, .u64, .i64].randomElement(using: &generator)!))
    case 2: return .variable(["a", "min", "f32", "x1", "nan"].randomElement(using: &generator)!)
    case 3:
      return .literal(
        [.float(Double.infinity.bitPattern, .f32), .float(Double.nan.bitPattern, .f64), .bool(true)].randomElement(using: &generator)!)
    case 4: return .load("b", position())
    case 5: return .element(Int.random(in: 0...3, using: &generator), [position(), position()])
    case 6: return .index(position(), [.f32, .i64].randomElement(using: &generator)!)
    case 7: return .unary(UnaryOperation.allCases.randomElement(using: &generator)!, inner())
    case 8...11: return .binary(BinaryOperation.allCases.randomElement(using: &generator)!, inner(), inner())
    case 12: return .fma(inner(), inner(), inner())
    case 13: return .compare(Comparison.allCases.randomElement(using: &generator)!, inner(), inner())
    case 14: return .select(inner(), inner(), .cast(.f32, inner()))
    default:
      let function = MathFunction.allCases.randomElement(using: &generator)!
      return .bitcast(.u32, .call(function, (0..<function.arity).map { _ in inner() }))
    }
  }

  private func randomIndex(_ depth: Int, _ generator: inout SeededGenerator) -> Index {
    func inner() -> Index { randomIndex(depth - 1, &generator) }
    let constant = Int.random(in: -9...9, using: &generator)
    switch depth <= 0 ? Int.random(in: 0...1, using: &generator) : Int.random(in: 0...8, using: &generator) {
    case 0: return .constant(constant)
    case 1: return .variable(["i", "at", "max"].randomElement(using: &generator)!)
    case 2, 3: return .add(inner(), inner())
    case 4: return .multiply(inner(), constant)
    case 5: return .divide(inner(), 7)
    case 6: return .remainder(inner(), 7)
    case 7: return .minimum(inner(), .maximum(inner(), inner()))
    default: return .indirect(randomTree(depth - 1, &generator), bound: 10)
    }
  }

  @Test(arguments: [
    ("program p: f32 { kernel k() { x = } }", "expected an expression, found `}`"),
    ("program p: f32 { entry e: arena 0 { call k() } }", "no kernel is named `k`"),
    ("program p: f8 { }", "expected an element type, found `f8`"), ("program p: f32 { colour 3 }", "`colour` is no part of a program"),
    ("program p: f32 { kernel k() { let x: f32 = fma(a, b) } }", "`fma` takes 3 operands, not 2"),
    ("program p: f32 {", "expected a part of a program or `}`, found the end of the text"),
  ]) func errorsSayWhatWasExpected(_ text: String, _ message: String) {
    let failure = #expect(throws: Diagnostic.self) { try Program(text: text) }
    #expect(failure?.message == message)
  }

  @Test func hostileNestingIsRefused() {
    let deep = "program p: f32 { kernel k() { x = " + String(repeating: "(", count: 100_000) + " } }"
    #expect(throws: Diagnostic.self) { try Program(text: deep) }
    let negated = "program p: f32 { kernel k() { x[i - -9223372036854775808] = a } }"
    #expect(throws: Never.self) { try Program(text: negated).verify() }
  }
}
