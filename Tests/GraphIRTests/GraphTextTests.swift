import Basics
import GraphIR
import LoopIR
import Operators
import Testing

@Suite struct GraphTextTests {
  /// Every kind of line, every role of a leaf, a tuple, attributes of each form.
  static let text = """
    graph backward {
      symbol n <= 32
      symbol rows <= 7
      %0 = input 0 "features" : f32[N, 29]
      %1 = parameter "dense1.weight" : f32[16, 29] in "dense1"
      %2 = matmul(%0, %1, transpose_b: true) : f32[N, 16] in "dense1"
      %3 = leaky_relu(%2, slope: 0.01) : f32[N, 16] in "block.relu"
      %4 = top_k(%3, k: 2) : (f32[N, 2], i32[N, 2])
      %5 = element(%4, index: 0, types: [f32[N, 2], i32[N, 2]]) : f32[N, 2]
      %6 = mean(%5, axes: [0, -1]) : f32[]
      %7 = constant(value: 1e-07, element: f32) : f32[] backward
      %8 = add(%6, %7) : f32[] in "a \\"quoted\\" layer" backward
      %9 = clip(%8, low: -inf, high: 3.0) : f32[]
      %10 = target 0 "class" : i32[N]
      %11 = weights "weights" : f32[N]
      %12 = state "norm.mean" : f32[16]
      %13 = gradient "dense1.weight" : f32[16, 29]
      %14 = segment moments 497 "decayed" : f32[497]
      %15 = control 32 "seed" : u64[]
      %16 = control 40 "step" : i64[]
      %17 = random_uniform(%15, %16, shape: [N, 2], element: f32, low: 0.0, high: 1.0, key: 18446744073709551615) : f32[N, 2]
      %18 = size(size: 2*ROWS, element: f32) : f32[]
      %19 = reshape(%0, shape: [29*N]) : f32[29*N]
      %20 = gelu(%19, form: tanh) : f32[29*N]
      output "loss" = %9
      output "noise" = %17
      update gradient "dense1.weight" <- %13 accumulate
      update state "norm.mean" <- %12
      require finite %9
    }

    """

  @Test func comesBackAsItWas() throws {
    let graph = try GraphParser.parse(Self.text, operators: allOperators)
    #expect(graph.description == Self.text)
    #expect(graph.verify().map(\.message) == [])
    #expect(graph.symbols == [Symbol(name: "n", maximum: 32), Symbol(name: "rows", maximum: 7)])
    #expect(graph[ValueID(3)].path == "block.relu")
    #expect(graph[ValueID(8)].isBackward && graph[ValueID(8)].path == "a \"quoted\" layer")
    #expect(graph.updates[0].mode == .accumulate)
    #expect(graph.nodes[14].leaf?.role == .segment(.moments, offset: 497))
    #expect((graph.nodes[17].op as? RandomUniform)?.key == .max)
    #expect((graph.nodes[9].op as? Clip)?.low == -.infinity)
  }

  @Test func whatTheBuilderBuilds() throws {
    var builder = GraphBuilder(name: "run", symbols: [Symbol(name: "n", maximum: 4)])
    let x = builder.leaf(Leaf("x", .input(0)), TensorType(.f32, [.batch, 3]))
    let y = try builder.scope("outer") { try $0.scope("inner") { try $0.softmax(x) } }
    builder.output("y", y)
    let expected = """
      graph run {
        symbol n <= 4
        %0 = input 0 "x" : f32[N, 3]
        %1 = softmax(%0, axis: -1) : f32[N, 3] in "outer.inner"
        output "y" = %1
      }

      """
    #expect(builder.graph.description == expected)
  }

  /// A graph with the one given line, and the error that parsing it gives.
  private func error(_ line: String) -> String {
    let text = """
      graph g {
        symbol n <= 8
        %0 = input 0 "x" : f32[N, 4]
        %1 = top_k(%0, k: 2) : (f32[N, 2], i32[N, 2])
      \(line)
      }
      """
    do {
      _ = try GraphParser.parse(text, operators: allOperators)
      return "no error"
    } catch { return "\(error)" }
  }

  @Test(arguments: [
    ("%2 = relux(%0) : f32[N, 4]", "5:6: error: unknown operator 'relux'; did you mean 'relu'?"),
    ("%3 = relu(%0) : f32[N, 4]", "5:1: error: nodes are numbered in order: expected %2, found %3"),
    ("%2 = relu(%2) : f32[N, 4]", "5:11: error: there is no %2 above this line"),
    ("%2 = relu(%0) : f32[N, 5]", "5:17: error: relu gives f32[N, 4], but the text says f32[N, 5]"),
    ("%2 = relu(%0, %0) : f32[N, 4]", "5:6: error: relu takes 1 operands (x), got 2"),
    ("%2 = relu(%1) : f32[N, 4]", "5:11: error: %1 is a tuple; only `element` reads tuples"),
    ("%2 = relu(%0, slope: 1) : f32[N, 4]", "5:6: error: relu has no attribute 'slope'; it has none"),
    ("%2 = leaky_relu(%0, slop: 1) : f32[N, 4]", "5:6: error: leaky_relu needs the attribute 'slope'"),
    ("%2 = leaky_relu(%0, slope: [1]) : f32[N, 4]", "5:6: error: leaky_relu: 'slope' must be a number, got [1]"),
    ("%2 = sum(%0, axes: [0, x]) : f32[4]", "5:6: error: sum: 'axes' must be a whole number of at most 2147483648, got x"),
    ("%2 = sum(%0, axes: [2]) : f32[4]", "5:6: error: axes [2] do not fit f32[N, 4]: each must lie in -2 ..< 2, and only once"),
    ("%2 = sum(%0, axes: [[[[[0]]]]]) : f32[4]", "5:24: error: expected no deeper list, found `[`"),
    ("%2 = element(%1, index: 2, types: [f32[N, 2], i32[N, 2]]) : f32[N, 2]", "a tuple of 2 values has no element 2"),
    ("%2 = element(%1, index: 0, types: [f32[N, 3], i32[N, 2]]) : f32[N, 3]", "are not those that `element` names"),
    ("%2 = input 1 \"y\" : f33[N]", "5:20: error: 'f33' is no element type"),
    ("%2 = input 1 \"y\" : f32[M]", "5:24: error: there is no symbol 'm'"),
    ("%2 = input 1 \"y\" : f32[N, N]", "is too large, or has more than one symbolic axis"),
    ("%2 = input 1 \"y\" : f32[1000000000000, 1000000000000]", "is too large"),
    ("%2 = input -1 \"y\" : f32[N]", "the input's number must lie in 0 ..."),
    (
      "%2 = pad(%0, before: [0, 2000000000], after: [0, 0], between: [0, 2000000000], value: 0) : f32[N, 4]",
      "pad of f32[N, 4]: counts must"
    ),
    ("output \"y\" = %7", "5:14: error: there is no %7 above this line"),
    ("nonsense", "5:1: error: expected a node such as `%0 = …`"),
    ("symbol n <= 3", "symbol 'n' is declared twice"),
  ])
  func errors(line: String, message: String) {
    let found = error(line)
    #expect(found.contains(message), "\(found)")
  }

  /// No text makes the parser crash: every prefix, and texts with one token gone, give a graph or a diagnostic.
  @Test func brokenTextsGiveDiagnostics() throws {
    for length in stride(from: 0, to: Self.text.count, by: 7) {
      do {
        _ = try GraphParser.parse(String(Self.text.prefix(length)), operators: allOperators)
        Issue.record("a graph from the first \(length) characters")
      } catch { #expect(error is Diagnostic, "\(error)") }
    }
    let words = Self.text.split(separator: " ", omittingEmptySubsequences: false)
    for gone in words.indices {
      var rest = words
      rest.remove(at: gone)
      do { _ = try GraphParser.parse(rest.joined(separator: " "), operators: allOperators) } catch {
        #expect(error is Diagnostic, "\(error)")
      }
    }
  }
}
