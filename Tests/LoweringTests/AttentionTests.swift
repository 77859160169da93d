import Basics
import Differentiation
import GraphIR
import LoopIR
import Lowering
import Operators
import Testing

@testable import TestSupport

/// Attention by blocks against the products and the softmax that it stands for, on sizes of several blocks with remainders.
@Suite struct AttentionTests {
  struct Case: CustomTestStringConvertible, Sendable {
    var queries: Int
    var keys: Int
    var heads: Int
    var shared: Int
    var width: Int
    var valueWidth: Int
    var causal: Bool
    var past = 0
    var isMasked = false
    var isPacked = false
    var testDescription: String {
      "\(queries) x \(keys), \(heads) / \(shared) heads of \(width), \(valueWidth)\(causal ? ", causal" : "")\(isMasked ? ", masked" : "")"
    }

    var op: Attention { Attention(heads: heads, keyValueHeads: shared, scale: 0.3, causal: causal, past: past) }
    var dims: [[Int]] {
      isPacked
        ? [[queries, (heads + 2 * shared) * width]] : [[queries, heads * width], [keys, shared * width], [keys, shared * valueWidth]]
    }
  }

  static let cases = [
    Case(queries: 128, keys: 128, heads: 2, shared: 2, width: 32, valueWidth: 32, causal: true, isPacked: true),
    Case(queries: 37, keys: 70, heads: 4, shared: 2, width: 5, valueWidth: 19, causal: false, isMasked: true),
    Case(queries: 75, keys: 75, heads: 2, shared: 1, width: 33, valueWidth: 33, causal: true, isMasked: true, isPacked: true),
    Case(queries: 1, keys: 9, heads: 2, shared: 2, width: 16, valueWidth: 8, causal: true, past: 8),
    Case(queries: 20, keys: 90, heads: 1, shared: 1, width: 150, valueWidth: 48, causal: true, past: 3),
  ]

  /// Entries `run` and `backward` in one: inputs the operands, the cotangent, the mask; outputs y and the gradients of the floats.
  private func program(_ test: Case, _ element: ElementType, composed: Bool) throws -> Program {
    var builder = GraphBuilder(name: "run", symbols: [Symbol(name: "n", maximum: 3)])
    var model = Model(name: "attention", element: element, symbols: builder.graph.symbols)
    func input(_ name: String, _ dims: [Int], _ element: ElementType) -> ValueID {
      model.inputs.append(Port(name: name, element: element, dims: dims))
      return builder.leaf(Leaf(name, .input(model.inputs.count - 1)), TensorType(element, [.batch] + dims.map { Dimension($0) }))
    }
    let sources = test.dims.enumerated().map { input("x\($0.offset)", $0.element, element) }
    let dy = input("dy", [test.queries, test.heads * test.valueWidth], element)
    let mask = test.isMasked ? input("mask", [test.keys], .bool) : nil
    let y =
      composed
      ? try expanded(test, sources, mask, &builder) : try builder.elements(builder.add(test.op, sources + (mask.map { [$0] } ?? [])))[0]
    let gradients = try builder.gradients(of: [y], cotangents: [dy], withRespectTo: sources)
    builder.output("y", y)
    for (k, gradient) in gradients.enumerated() { builder.output("dx\(k)", gradient!) }
    model.outputs = builder.graph.outputs.map {
      let type = builder.type($0.value)
      return Port(name: $0.name, element: type.element, dims: type.shape.dropFirst().map(\.coefficient))
    }
    model.graphs = [builder.graph]
    return try lower(model, options: LoweringOptions())
  }

  /// softmax(scale q k^T) v of each head.
  private func expanded(_ test: Case, _ sources: [ValueID], _ mask: ValueID?, _ builder: inout GraphBuilder) throws -> ValueID {
    let (w, h, g) = (test.width, test.heads, test.shared)
    let bounds = [(0, h * w), (h * w, (h + g) * w), ((h + g) * w, (h + 2 * g) * w)]
    let parts = test.isPacked ? try bounds.map { try builder.slice(sources[0], axis: 2, from: $0.0, to: $0.1) } : sources
    let type = builder.type(sources[0])
    func heads(_ x: ValueID, _ rows: Int, _ count: Int, _ width: Int) throws -> ValueID {
      let split = try builder.reshape(x, [type.shape[0], Dimension(rows), Dimension(count), 1, Dimension(width)])
      let wide = try builder.broadcast(
        split, to: [type.shape[0], Dimension(rows), Dimension(count), Dimension(h / count), Dimension(width)])
      return try builder.transpose(
        builder.reshape(wide, [type.shape[0], Dimension(rows), Dimension(h), Dimension(width)]), [0, 2, 1, 3])
    }
    let q = try heads(parts[0], test.queries, h, w)
    let k = try heads(parts[1], test.keys, g, w)
    let v = try heads(parts[2], test.keys, g, test.valueWidth)
    var scores = try builder.multiply(builder.matmul(q, k, transposeB: true), test.op.scale)
    let shape = builder.type(scores).shape
    let least = -1e300
    if test.causal {
      let rows = try builder.iota([Dimension(test.queries), Dimension(test.keys)], axis: 0, .i32)
      let columns = try builder.iota([Dimension(test.queries), Dimension(test.keys)], axis: 1, .i32)
      let seen = try builder.greaterEqual(builder.add(rows, Double(test.past)), columns)
      scores = try builder.select(builder.broadcast(seen, to: shape), scores, least)
    }
    if let mask {
      let seen = try builder.reshape(mask, [type.shape[0], 1, 1, Dimension(test.keys)])
      scores = try builder.select(builder.broadcast(seen, to: shape), scores, least)
    }
    let products = try builder.matmul(builder.softmax(scores), v)
    return try builder.reshape(
      builder.transpose(products, [0, 2, 1, 3]), [type.shape[0], Dimension(test.queries), Dimension(h * test.valueWidth)])
  }

  private func inputs(_ program: Program, rows: Int, _ element: ElementType) -> [[UInt8]] {
    var random = SplitMix(state: 7)
    return program.inputs.map { port in
      let count = rows * port.rowCount
      // The first key always takes part.
      if port.element == .bool { return (0..<count).map { UInt8($0 % port.rowCount == 0 || $0 % 3 != 1 ? 1 : 0) } }
      return bytes((0..<count).map { _ in Double(Int(random.next() % 2001) - 1000) / 500 }, element)
    }
  }

  @Test(arguments: cases) func blocksGiveTheWhole(_ test: Case) throws {
    let programs = try [false, true].map { try program(test, .f64, composed: $0) }
    let memory = inputs(programs[0], rows: 2, .f64)
    let found = try programs.map { try TestCompiler.fastest.machine($0).run(memory, rows: 2).map { doubles($0, .f64) } }
    for (a, b) in zip(found[0], found[1]) {
      let worst = zip(a, b).map { abs($0 - $1) / (1 + abs($1)) }.max() ?? 0
      #expect(worst < 1e-12, "\(worst)")
    }
  }

  @Test(arguments: cases) func sameBitsEverywhere(_ test: Case) throws {
    let program = try program(test, .f32, composed: false)
    let memory = inputs(program, rows: 3, .f32)
    let expected = try TestCompiler.tcc.machine(program).run(memory, rows: 3)
    for compiler in TestCompiler.optimising { #expect(try compiler.machine(program).run(memory, rows: 3) == expected) }
    #expect(try TestCompiler.fastest.machine(program, threads: 3).run(memory, rows: 3) == expected)
  }

  /// Another last token changes no bit of what stands before it.
  @Test func theFutureIsNotSeen() throws {
    let test = Self.cases[0]
    let program = try program(test, .f32, composed: false)
    var memory = inputs(program, rows: 1, .f32)
    let machine = try TestCompiler.fastest.machine(program)
    let first = try machine.run(memory, rows: 1)[0]
    let row = test.heads * 3 * test.width * 4
    for byte in 100 * row..<128 * row where byte % 4 == 2 { memory[0][byte] ^= 0x11 }
    let second = try machine.run(memory, rows: 1)[0]
    let kept = 100 * test.heads * test.valueWidth * 4
    #expect(first.prefix(kept) == second.prefix(kept) && first != second)
  }

  /// A row of which no key takes part gives 0, forward and backward.
  @Test func nothingSeenIsZero() throws {
    var test = Self.cases[1]
    test.shared = 4
    let program = try program(test, .f32, composed: false)
    var memory = inputs(program, rows: 1, .f32)
    memory[4] = memory[4].map { _ in 0 }
    for result in try TestCompiler.fastest.machine(program).run(memory, rows: 1) { #expect(doubles(result, .f32).allSatisfy { $0 == 0 }) }
  }
}
