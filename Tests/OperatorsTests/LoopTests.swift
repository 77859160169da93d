import Basics
import Differentiation
import GraphIR
import LoopIR
import Lowering
import Operators
import Testing

@testable import TestSupport

/// Loops against the same rounds written out one after the other: results and gradients, by the graph evaluator and through the compiler.
@Suite struct LoopTests {
  /// A recurrence over x [N, T, D] with states [N, H]: what it captures beside x, and a round of it.
  private struct Recurrence {
    var name: String
    var captured: [Shape]
    var states: Int
    var round: (inout GraphBuilder, _ x: ValueID, _ states: [ValueID], _ captured: [ValueID]) throws -> [ValueID]
  }

  private static let units = 3
  private static let features = 2

  private static let cases: [Recurrence] = [
    Recurrence(name: "sum", captured: [], states: 1) { graph, x, states, _ in
      [try graph.add(states[0], graph.sum(x, axes: [1], keepDims: true))]
    },
    Recurrence(name: "elman", captured: [[2, 3], [3, 3], [3]], states: 1) { graph, x, states, w in
      [try graph.tanh(graph.add(graph.add(graph.matmul(x, w[0]), graph.matmul(states[0], w[1])), w[2]))]
    },
    Recurrence(name: "lstm", captured: [[2, 12], [3, 12], [12]], states: 2) { graph, x, states, w in
      let z = try graph.add(graph.add(graph.matmul(x, w[0]), graph.matmul(states[0], w[1])), w[2])
      let g = try graph.split(z, axis: 1, sizes: [3, 3, 3, 3])
      let cell = try graph.add(graph.multiply(graph.sigmoid(g[1]), states[1]), graph.multiply(graph.sigmoid(g[0]), graph.tanh(g[2])))
      return [try graph.multiply(graph.sigmoid(g[3]), graph.tanh(cell)), cell]
    },
    // States that change places, and a softmax, which is differentiated through its expansion.
    Recurrence(name: "swap", captured: [[3]], states: 2) { graph, x, states, w in
      let shares = try graph.softmax(graph.multiply(states[0], w[0]), axis: 1)
      return [try graph.multiply(states[1], shares), try graph.add(states[0], graph.sum(x, axes: [1], keepDims: true))]
    },
  ]

  private static let rounds = 4

  /// The loss of a recurrence: each output and the last states weighted with fixed numbers; by a loop or written out.
  private func loss(
    _ recurrence: Recurrence, loops: Bool, reversed: Bool, _ graph: inout GraphBuilder, _ x: ValueID, _ states: [ValueID],
    _ captured: [ValueID]
  ) throws -> ValueID {
    var outputs: [ValueID] = []
    var last = states
    if loops {
      let result = try graph.scan(rounds: Self.rounds, captured: [x] + captured, carried: states, reversed: reversed) { loop in
        let slice = try loop.slice(loop.captured[0], axis: 1, reversed: reversed)
        let next = try recurrence.round(&loop.graph, slice, loop.carried, Array(loop.captured.dropFirst()))
        return LoopRound(next: next, stacked: [next[0]])
      }
      last = result.last
      outputs = try graph.split(result.stacks[0], axis: 1, sizes: Array(repeating: 1, count: Self.rounds)).map {
        try graph.reshape($0, graph.type(states[0]).shape)
      }
    } else {
      outputs = Array(repeating: x, count: Self.rounds)
      for time in reversed ? Array((0..<Self.rounds).reversed()) : Array(0..<Self.rounds) {
        let slice = try graph.reshape(
          graph.slice(x, axis: 1, from: time, to: time + 1), [graph.type(x).shape[0], Dimension(Self.features)])
        last = try recurrence.round(&graph, slice, last, captured)
        outputs[time] = last[0]
      }
    }
    var total = try graph.constant(0, graph.type(x).element)
    for (k, value) in (outputs + last).enumerated() {
      total = try graph.add(total, graph.multiply(graph.sum(graph.multiply(value, value)), 0.3 + 0.1 * Double(k)))
    }
    return total
  }

  @Test(arguments: LoopTests.cases.indices, [false, true]) func againstUnrolled(_ number: Int, reversed: Bool) throws {
    let recurrence = Self.cases[number]
    for (float, rows) in [(ElementType.f64, 2), (.f32, 1)] {
      var found: [[[Double]]] = []
      for loops in [false, true] {
        var graph = GraphBuilder(name: "run", symbols: [Symbol(name: "n", maximum: 3)])
        var leaves: [Leaf: Tensor] = [:]
        func leaf(_ k: Int, _ type: TensorType) -> ValueID {
          let leaf = Leaf("x\(k)", .input(k))
          let count = type.shape.reduce(1) { $0 * $1.coefficient * ($1.symbol == nil ? 1 : rows) }
          let values = (0..<count).map { place -> Double in
            let step = (place * 7 + k * 5) % 11 - 5
            return 0.18 * Double(step)
          }
          leaves[leaf] = Tensor(TensorLiteral(values, shape: type.shape.map { $0.symbol == nil ? $0.coefficient : rows }, element: float))
          return graph.leaf(leaf, type)
        }
        let x = leaf(0, TensorType(float, [.batch, Dimension(Self.rounds), Dimension(Self.features)]))
        let states = (0..<recurrence.states).map { leaf(1 + $0, TensorType(float, [.batch, Dimension(Self.units)])) }
        let captured = recurrence.captured.enumerated().map { leaf(1 + recurrence.states + $0.offset, TensorType(float, $0.element)) }
        let loss = try loss(recurrence, loops: loops, reversed: reversed, &graph, x, states, captured)
        graph.output("loss", loss)
        for (k, gradient) in try graph.gradients(of: loss, withRespectTo: [x] + states + captured).enumerated() {
          graph.output("d\(k)", try #require(gradient))
        }
        #expect(graph.graph.verify().map(\.message) == [])
        let values = try GraphEvaluator(symbols: ["n": rows]).run(graph.graph, leaves: leaves)
        found.append(graph.graph.outputs.map { values[$0.value]![0].doubles })
        if loops {
          let text = try GraphParser.parse(graph.graph.description, operators: allOperators).description
          #expect(text == graph.graph.description)
          found.append(try compiled(graph.graph, float, leaves, rows))
        }
      }
      for other in found.dropFirst() {
        for (a, b) in zip(other, found[0]) {
          #expect(a.count == b.count)
          for (x, y) in zip(a, b) {
            #expect(abs(x - y) <= (float == .f64 ? 1e-12 : 2e-5) * (1 + abs(y)), "\(recurrence.name): \(a), unrolled \(b)")
          }
        }
      }
    }
  }

  private static let text = """
    graph run {
      symbol n <= 3
      %0 = input 0 "x" : f32[N, 4, 2]
      %1 = input 1 "h" : f32[N, 2]
      %2 = scan(%0, %1, %1, rounds: 4, captured: 1, saved: [], reversed: [0], body: graph round {
          symbol n <= 3
          counter t <= 4
          %0 = captured 0 "x" : f32[N, 4, 2]
          %1 = carried 0 "carried1" : f32[N, 2]
          %2 = carried 1 "carried2" : f32[N, 2]
          %3 = step_slice(%0, axis: 1, counter: t) : f32[N, 2]
          %4 = add(%1, %3) : f32[N, 2]
          update carried 0 "carried1" <- %4
          update carried 1 "carried2" <- %1
          update stacked 0 "y" <- %2
        }) : (f32[N, 2], f32[N, 2], f32[N, 4, 2])
      %3 = element(%2, index: 2, types: [f32[N, 2], f32[N, 2], f32[N, 4, 2]]) : f32[N, 4, 2]
      output "y" = %3
    }
    """

  /// Bodies that are no round of their loop.
  @Test(arguments: [
    ("counter t <= 4", "counter t <= 5", "its body has no counter of 4 rounds"),
    ("counter: t", "counter: u", "its body has no counter 'u', which step_slice reads"),
    ("%0 = captured 0 \"x\" : f32[N, 4, 2]", "%0 = captured 0 \"x\" : f32[N, 3, 2]", "its body captures f32[N, 3, 2] as operand 0"),
    ("update carried 1", "update carried 0", "its body updates what is no loop's, or hands out one thing twice"),
    ("\"carried1\" <- %4", "\"carried1\" <- %4 accumulate", "its body updates what is no loop's, or hands out one thing twice"),
    ("update stacked 0", "update stacked 1", "its body updates what is no loop's, or hands out one thing twice"),
    ("%2 = carried 1 \"carried2\"", "%2 = carried 2 \"carried2\"", "its body carries f32[N, 2] as number 2"),
    ("saved: []", "saved: [9]", "scan hands out a value that its body does not have"),
    ("captured: 1,", "captured: 7,", "scan needs a round and all its operands"),
  ]) func wrongBodies(_ from: String, _ to: String, _ message: String) throws {
    let good = try GraphParser.parse(Self.text, operators: allOperators)
    #expect(good.description == Self.text + "\n")
    let bad = Self.text.replacing(from, with: to, maxReplacements: 1)
    #expect(bad != Self.text)
    do {
      _ = try GraphParser.parse(bad, operators: allOperators)
      Issue.record("read in spite of '\(to)'")
    } catch let error as Diagnostic {
      #expect(error.message.contains(message), "\(error.message)")
      #expect(error.location?.line == 5)
    }
  }

  /// Whatever stands in a text, it is read or refused; what is read has types that hold.
  @Test func damagedTexts() throws {
    let good = Array(Self.text.utf8)
    var random = SplitMix(state: 7)
    for _ in 0..<1000 {
      var bytes = good
      for _ in 0..<1 + random.next() % 3 {
        let (from, to) = (Int(random.next() % UInt64(good.count)), Int(random.next() % UInt64(good.count)))
        switch random.next() % 3 {
        case 0: bytes[min(from, bytes.count - 1)] = good[to]
        case 1: bytes.removeSubrange(min(from, bytes.count - 1)..<min(from + 1 + to % 9, bytes.count))
        default: bytes.insert(contentsOf: good[min(from, to)..<min(max(from, to), min(from, to) + 30)], at: min(from, bytes.count))
        }
        if bytes.isEmpty { bytes = good }
      }
      guard let graph = try? GraphParser.parse(String(decoding: bytes, as: UTF8.self), operators: allOperators) else { continue }
      _ = graph.verify()
      #expect(try GraphParser.parse(graph.description, operators: allOperators).description == graph.description)
    }
  }

  /// The outputs of a graph through all passes, by the interpreter.
  private func compiled(_ graph: Graph, _ element: ElementType, _ leaves: [Leaf: Tensor], _ rows: Int) throws -> [[Double]] {
    var model = Model(name: "loops", element: element, symbols: graph.symbols)
    model.graphs = [graph]
    var memory: [Block: [UInt8]] = [:]
    for (leaf, tensor) in leaves.sorted(by: { $0.key.name < $1.key.name }) {
      let type = graph.type(graph.ids.first { graph[$0].leaf == leaf }!)
      let isBatched = type.shape.first?.symbol != nil
      model.inputs.append(
        Port(
          name: leaf.name, element: element, dims: (isBatched ? type.shape.dropFirst() : type.shape[...]).map(\.coefficient),
          isBatched: isBatched))
      if case .input(let k) = leaf.role { memory[.input(k)] = tensor.bytes }
    }
    for output in graph.outputs {
      let type = graph.type(output.value)
      let isBatched = type.shape.first?.symbol != nil
      model.outputs.append(
        Port(
          name: output.name, element: element, dims: (isBatched ? type.shape.dropFirst() : type.shape[...]).map(\.coefficient),
          isBatched: isBatched))
      let count = type.shape.reduce(1) { $0 * $1.coefficient * ($1.symbol == nil ? 1 : rows) }
      memory[.output(model.outputs.count - 1)] = Array(repeating: 0x7F, count: count * element.size)
    }
    let program = try lower(model)
    #expect(program.verify().map(\.description) == [])
    #expect(try Program(text: program.description).description == program.description)
    #expect(try Interpreter(program).run("run", memory: &memory, symbols: ["n": rows]) == 0)
    return model.outputs.indices.map { k in
      let bytes = memory[.output(k)]!
      return Tensor(element, [bytes.count / element.size], bytes: bytes).doubles
    }
  }
}
