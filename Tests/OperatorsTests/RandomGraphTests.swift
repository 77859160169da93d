import Basics
import GraphIR
import LoopIR
import Lowering
import Operators
import Testing

@testable import TestSupport

/// Random graphs, forward and backward: the fused program must give what the unfused graph gives. A failure prints the graph as text.
@Suite struct RandomGraphTests {
  @Test(arguments: Array(0..<40) + [229]) func fusedIsUnfused(_ seed: Int) throws {
    let graph = try RandomGraph(seed: UInt64(seed), steps: 4 + seed % 20).builder.graph
    #expect(graph.verify().map(\.message) == [])
    let text = graph.description
    #expect(try GraphParser.parse(text, operators: allOperators).description == text)

    var model = Model(name: "random", element: .f64, symbols: graph.symbols)
    model.graphs = [graph]
    model.inputs = [Port(name: "features", element: .f64, dims: [6]), Port(name: "scores", element: .f64, dims: [4])]
    model.targets = [Port(name: "class", element: .i32, dims: [])]
    model.parameters = [Parameter(name: "weight", shape: [6, 4]), Parameter(name: "bias", shape: [4])]
    model.outputs = graph.outputs.map { output in
      Port(name: output.name, element: .f64, dims: graph.type(output.value).shape.filter { $0 != .batch }.map(\.coefficient))
    }
    let program = try lower(model)
    #expect(program.verify().map(\.description) == [], "\(text)")
    for rows in [1, 3, 5] { try compare(program, graph, rows: rows, seed: seed, text) }
  }

  private func compare(_ program: Program, _ graph: Graph, rows: Int, seed: Int, _ text: String) throws {
    var random = SplitMix(state: UInt64(seed * 8 + rows))
    var leaves: [Leaf: Tensor] = [:]
    var memory: [Block: [UInt8]] = [:]
    for (leaf, type) in RandomGraph.inputs {
      let shape = type.shape.map { $0 == .batch ? rows : $0.coefficient }
      let numbers = (0..<shape.reduce(1, *)).map { _ in type.element == .i32 ? Double(random.below(4)) : 2 * random.number() }
      let tensor = Tensor(TensorLiteral(numbers, shape: shape, element: type.element))
      leaves[leaf] = tensor
      switch leaf.role {
      case .input(let k): memory[.input(k)] = tensor.bytes
      case .target(let k): memory[.target(k)] = tensor.bytes
      // In the order of the model's declaration, which is the block's.
      default: memory[.parameters, default: []] += tensor.bytes
      }
    }
    for (k, output) in graph.outputs.enumerated() {
      let count = graph.type(output.value).maximumCount(graph.symbols)
      memory[.output(k)] = Array(repeating: 0x7F, count: count * 8)
    }
    let values = try GraphEvaluator(symbols: ["n": rows]).run(graph, leaves: leaves)
    #expect(try Interpreter(program).run("run", memory: &memory, symbols: ["n": rows]) == 0)
    for (k, output) in graph.outputs.enumerated() {
      let wanted = values[output.value]![0]
      let found = Tensor(.f64, wanted.shape, bytes: memory[.output(k)]!)
      for (a, b) in zip(found.doubles, wanted.doubles) where !(a == b || a.isNaN && b.isNaN || abs(a - b) <= 1e-9 * (1 + abs(b))) {
        Issue.record("\(output.name) of \(rows) rows: \(found.doubles), not \(wanted.doubles)\n\(text)")
        return
      }
    }
  }
}
