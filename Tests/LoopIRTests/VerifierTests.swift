import Basics
import LoopIR
import Testing

/// One broken program for each kind of defect.
@Suite struct VerifierTests {
  /// A kernel around `body` with parameters x (read, 32), y (written, 32), rows (read, i32, 8) and symbol n <= 8.
  private func defects(_ body: String, parts: String = "") throws -> [String] {
    let program = try Program(
      text: """
        program p: f32 {
          symbol n <= 8
          kernel k(x: read f32[32], y: write f32[32], rows: read i32[8]; n)\(parts) {
            \(body)
          }
        }
        """)
    return program.verify().map(\.message)
  }

  @Test(arguments: [
    "for i in 0 ..< n { for j in 0 ..< 4 { y[i * 4 + j] = x[i * 4 + j] } }",
    "for i in 0 ..< 32 step 16 { for l in 0 ..< 16 lanes { y[i + l] = x[i + l] } }",
    "for i in 0 ..< n step 4 { for j in 0 ..< 4 { when i64[i + j] < i64[n] { y[i * 4 + j * 4] = x[i * 4 + j * 4 + 3] } } }",
    "for i in 0 ..< n step 4 { for j in i ..< min(i + 4, n) { y[j * 4] = x[j] } }",
    "for i in 0 ..< n / 4 * 4 step 4 { for j in 0 ..< 4 { y[i * 4 + j] = x[i + j] } }",
    "for i in 0 ..< n * 4 { y[i] = x[i / 4] + x[i % 4] }",
    "for i in 0 ..< 8 { y[i] = x[at(rows[i], 32)] }",
    "for i in 0 ..< 8 { y[i] = select(and(i64[i] >= i64 1, i64[i] < i64 5), x[i + 27], f32 0.0) }",
    "gemm f32 (n, 4, 4) y[0, stride 4] = f64 1.0 * x[0, stride 4] * x[0, stride 4] + beta f32 0.0",
    "for i in 0 ..< (n + 3) / 4 { for j in i * 4 ..< min(i * 4 + 4, n) { y[j] = x[j] } }",
  ]) func soundKernels(_ body: String) throws { #expect(try defects(body) == []) }

  @Test func partsBoundTheirWork() throws {
    let body = "for i in part * 4 ..< min(part * 4 + 4, n) { y[i] = x[i] }"
    #expect(try defects(body, parts: " parts (n + 3) / 4") == [])
    #expect(try defects("y[part * 16] = x[0]", parts: " parts n").count == 1)
  }

  @Test(arguments: [
    ("y[0] = z", "no scalar is named `z`"), ("y[0] = z[0]", "no buffer is named `z`"), ("z[0] = x[0]", "no buffer or array is named `z`"),
    ("z = x[0]", "no variable is named `z`"), ("y[i] = x[0]", "no index variable is named `i`"),
    ("let a: f32 = x[0] let a: f32 = x[1]", "`a` is already the name of something visible here"),
    ("for i in 0 ..< 2 { for i in 0 ..< 2 { } }", "`i` is already the name of something visible here"),
    ("when true { let a: f32 = x[0] } y[0] = a", "no scalar is named `a`"),
    ("let a: f32 = x[0] a = x[1]", "`a` is a definition and cannot be assigned"),
    ("x[0] = y[0]", "`x` is only read by this kernel and cannot be stored to"), ("let a: f64 = x[0]", "`a` is f64, the value f32"),
    ("y[0] = x[0] + rows[0]", "add of f32 and i32"), ("when x[0] { }", "the condition is bool, the value f32"),
    ("y[0] = $0[n]", "an operand's element is left: $0[n]"), ("y[32] = x[0]", "`y`[32] is not proved to lie in 0 ..< 32"),
    ("for i in 0 ..< n { y[i * 4 + 4] = x[i] }", "`y`[i * 4 + 4] is not proved to lie in 0 ..< 32"),
    ("for i in 0 ..< n { y[i - 1] = x[i] }", "`y`[i - 1] is not proved to lie in 0 ..< 32"),
    ("for i in 0 ..< n step 4 { for j in 0 ..< 4 { y[(i + j) * 4] = x[0] } }", "is not proved to lie in 0 ..< 32"),
    ("for i in 0 ..< n { y[0] = select(i64[i] > i64 1, x[i], x[i + 31]) }", "`x`[i + 31] is not proved"),
    ("for i in 0 ..< n lanes { y[i] = x[i] }", "a loop of lanes needs a constant trip count"),
    ("for i in 0 ..< 4 step 0 { }", "a step of 0"), ("y[n / 0] = x[0]", "division of an index by 0"),
    ("for i in 0 ..< n { y[(i - 1) / 2] = x[0] }", "may be negative"), ("array a: f32[100000]", "local arrays of 100000 elements"),
    ("array a: f32[0]", "local arrays of 0 elements"), ("while true limit 0 { }", "a limit of 0 repetitions"),
    ("y[0] = x[at(x[0], 8)]", "an indirect index is f32, not an integer"), ("y[0] = exp(rows[0])", "exp of i32"),
    ("y[0] = u8 256", "256 is not a literal of type u8"),
    ("gemm f32 (n, 4, 5) y[0, stride 4] = f64 1.0 * x[0, stride 5] * x[0, stride 4] + beta f32 0.0", "gemm takes n rows of 5 from `x`[0]"),
    ("gemm f32 (n, 4, 4) x[0, stride 4] = f64 1.0 * y[0, stride 4] * x[0, stride 4] + beta f32 0.0", "`x` is only read by this kernel"),
    (
      "gemm f32 (n, 4, 4) y[0, stride 4] = f64 1.0 * y[0, stride 4] * x[0, stride 4] + beta f32 0.0",
      "the product is written over its own operand"
    ),
    (
      "gemm f32 (n, 4, 4) y[0, stride 2] = f64 1.0 * x[0, stride 4] * x[0, stride 4] + beta f32 0.0",
      "rows of 4 elements do not fit a stride of 2"
    ),
  ]) func brokenKernels(_ body: String, _ message: String) throws {
    let found = try defects(body)
    #expect(found.contains { $0.contains(message) }, "found \(found)")
  }

  @Test func nestingAndLengthAreBounded() throws {
    let deep = (0..<30).reduce("y[0] = x[0]") { "for i_\($1) in 0 ..< 2 { \($0) }" }
    #expect(try defects(deep).contains { $0.contains("nested more than 24 deep") })
    let long = String(repeating: "y[0] = x[0] ", count: 8300)
    #expect(try defects(long).contains { $0.contains("more than 8192 statements") })
  }

  /// A program whose kernel `copy` reads 8 elements and writes 8, around buffers and steps.
  private func programDefects(_ buffers: String, _ steps: String, arena: Int = 64, symbols: String = "n") throws -> [String] {
    try Program(
      text: """
        program p: f32 {
          symbol n <= 8
          parameters 8
          input "x": f32[1]
          \(buffers)
          kernel copy(from: read f32[8], to: write f32[8]; \(symbols)) { for i in 0 ..< 8 { to[i] = from[i] } }
          entry run: arena \(arena) { \(steps) }
        }
        """
    ).verify().map(\.message)
  }

  private let buffers =
    "buffer x: f32[8] = input(0) + 0 buffer a: f32[8] = arena + 0 buffer b: f32[8] = arena + 32 buffer c: f32[8] = arena + 16"

  @Test func soundSteps() throws { #expect(try programDefects(buffers, "call copy(x, a) call copy(a, b) require_finite b") == []) }

  @Test(arguments: [
    ("call copy(a, b)", "buffer a is read before it is written"), ("require_finite a", "buffer a is read before it is written"),
    ("call copy(x, a) call copy(x, c) call copy(a, b)", "buffer a is read after buffer c took its place in the arena"),
    ("call copy(x, a) call copy(a, c)", "kernel copy writes `to` (buffer c), which overlaps `from` (buffer a)"),
    ("call copy(x, x)", "kernel copy writes buffer x in input(0)"), ("call copy(x)", "kernel copy takes 2 buffers, not 1"),
    ("call copy(x, @9)", "a call of a kernel or with a buffer that the program does not have"),
  ]) func brokenSteps(_ steps: String, _ message: String) throws {
    let found = try programDefects(buffers, steps)
    #expect(found.contains { $0.contains(message) }, "found \(found)")
  }

  @Test(arguments: [
    ("buffer a: f32[8] = arena + 2", "begins at byte 2, not a multiple of 4"),
    ("buffer a: f32[9] = parameters + 0", "ends at byte 36 of the parameters, which has 32"),
    ("buffer a: f32[8] = input(3) + 0", "lies in input(3), which the program does not have"),
    ("buffer a: f32[17] = arena + 0", "ends at byte 68 of the arena, which has 64"),
  ]) func brokenBuffers(_ text: String, _ message: String) throws {
    let found = try programDefects(text, "")
    #expect(found.contains { $0.contains(message) }, "found \(found)")
  }

  @Test func wrongArgumentsAndSymbols() throws {
    let small = "buffer x: f32[8] = input(0) + 0 buffer s: f32[4] = arena + 0 buffer d: f64[8] = arena + 0"
    #expect(try programDefects(small, "call copy(x, s)").contains("`to` has 8 elements, buffer s 4"))
    #expect(try programDefects(small, "call copy(x, d)").contains("`to` is f32, buffer d f64"))
    #expect(try programDefects(small, "", symbols: "m").contains { $0.contains("symbol `m` is not declared by the program") })
  }

  @Test func errorsAreShownInTheListing() throws {
    let program = try Program(
      text: "program p: f32 { kernel k(y: write f32[4]) { for i in 0 ..< 4 { y[i] = f32 1.0 y[i + 1] = f32 2.0 } } }")
    let rendered = program.verify().map { $0.rendered(source: program.description) }
    #expect(
      rendered == [
        """
        p:10:7: error: kernel k: `y`[i + 1] is not proved to lie in 0 ..< 4; by ranges alone it lies in 1 ... 4
                y[i + 1] = f32 2.0
                ^~~~~~~~~~~~~~~~~~
        """
      ])
    #expect(throws: Diagnostic.self) { try program.requireVerified(after: "a test") }
  }
}
