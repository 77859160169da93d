import Basics
import Foundation
import GraphIR
import LoopIR
import Lowering
import Operators
import Testing

@testable import TestSupport

/// Random graphs, forward and backward, at the largest batch and at smaller ones: the fused program, interpreted and compiled, must give what
/// the unfused one gives and what the operators' own lowerings give. A failure prints the smallest graph of its seed that fails.
@Suite struct RandomProgramTests {
  /// Blocks of ten seeds; `GRADC_RANDOM_GRAPHS=1000` looks at more of them.
  static let blocks = 0..<((ProcessInfo.processInfo.environment["GRADC_RANDOM_GRAPHS"].flatMap(Int.init) ?? 150) / 10)

  /// A seed of 3,000 that once failed.
  static let remarkable = [2682]

  @Test(arguments: blocks) func fusedIsUnfused(_ block: Int) throws {
    for seed in Array((block * 10)..<(block * 10 + 10)) + (block == 0 ? Self.remarkable : []) {
      let steps = 2 + seed % 14
      guard let problem = problem(seed: seed, steps: steps) else { continue }
      var smallest = (steps: steps, problem: problem)
      for fewer in (1..<steps).reversed() { if let problem = self.problem(seed: seed, steps: fewer) { smallest = (fewer, problem) } }
      let graph = try RandomProgram(seed: UInt64(seed), steps: smallest.steps).builder.graph
      Issue.record("seed \(seed), \(smallest.steps) steps: \(smallest.problem)\n\(graph)")
    }
  }

  /// What is wrong with a graph, or nil.
  private func problem(seed: Int, steps: Int) -> String? {
    do {
      let random = try RandomProgram(seed: UInt64(seed), steps: steps)
      let graph = random.builder.graph
      let text = graph.description
      guard try GraphParser.parse(text, operators: allOperators).description == text else { return "the text does not come back" }
      let fused = try lower(model(random, graph), options: LoweringOptions(usesBLAS: seed % 2 == 0))
      let apart = try lower(model(random, graph), options: LoweringOptions(usesBLAS: seed % 2 == 0, fuses: false))
      let blas: (Program) throws -> [(String, Machine)] = {
        [
          ("interpreted", try .interpreting($0, blas: seed % 2 == 0 ? .cblas : .none)),
          ("compiled", try TestCompiler.tcc.machine($0, blas: seed % 2 == 0 ? .cblas : .none)),
        ]
      }
      let machines = try blas(fused) + [("unfused", try TestCompiler.tcc.machine(apart, blas: seed % 2 == 0 ? .cblas : .none))]
      for rows in [RandomProgram.maximumRows, 1, 3] {
        if let problem = try compare(random, graph, machines, rows: rows, seed: seed) { return "\(rows) rows, \(problem)" }
      }
      return nil
    } catch {
      return "\(error)"
    }
  }

  private func model(_ random: RandomProgram, _ graph: Graph) -> Model {
    var model = Model(name: "random", element: .f64, symbols: graph.symbols)
    model.graphs = [graph]
    for (leaf, type) in random.leaves {
      let dims = type.shape.filter { $0 != .batch }.map(\.coefficient)
      if case .input = leaf.role {
        model.inputs.append(Port(name: leaf.name, element: type.element, dims: dims))
      } else {
        model.parameters.append(Parameter(name: leaf.name, shape: dims))
      }
    }
    // Of results whose first axis is a multiple of the batch, a row is what there is for each row of the batch.
    model.outputs = graph.outputs.map { output in
      let type = graph.type(output.value)
      return Port(name: output.name, element: .f64, dims: type.shape.map { $0 == .batch ? 1 : $0.coefficient })
    }
    return model
  }

  private func compare(
    _ random: RandomProgram, _ graph: Graph, _ machines: [(name: String, machine: Machine)], rows: Int, seed: Int
  ) throws -> String? {
    var numbers = SplitMix(state: UInt64(seed * 8 + rows))
    var leaves: [Leaf: Tensor] = [:]
    var (inputs, parameters): ([[UInt8]], [UInt8]) = ([], [])
    for (leaf, type) in random.leaves {
      let shape = type.shape.map { $0.coefficient * ($0.symbol == nil ? 1 : rows) }
      let values = (0..<shape.reduce(1, *)).map { _ in type.element == .i32 ? Double(numbers.below(6)) : 2 * numbers.number() }
      let tensor = Tensor(TensorLiteral(values, shape: shape, element: type.element))
      leaves[leaf] = tensor
      if case .input = leaf.role { inputs.append(tensor.bytes) } else { parameters += tensor.bytes }
    }
    let values = try GraphEvaluator(symbols: ["n": rows]).run(graph, leaves: leaves)
    var first: [[UInt8]] = []
    for (name, machine) in machines {
      machine[.parameters] = parameters
      let outputs = try machine.run(inputs, rows: rows)
      for (k, output) in graph.outputs.enumerated() {
        let wanted = values[output.value]![0]
        let found = Tensor(.f64, wanted.shape, bytes: outputs[k])
        let scale = wanted.doubles.reduce(1) { max($0, abs($1)) }
        for (a, b) in zip(found.doubles, wanted.doubles) where !(a == b || a.isNaN && b.isNaN || abs(a - b) <= 1e-9 * scale) {
          return "\(name), \(output.name): \(found.doubles.prefix(40)), not \(wanted.doubles.prefix(40))"
        }
        if name == "compiled", !sameBits(Array(outputs[k].prefix(found.count * 8)), Array(first[k].prefix(found.count * 8)), .f64) {
          return "compiled, \(output.name): other bits than interpreted"
        }
      }
      if first.isEmpty { first = outputs }
    }
    return nil
  }
}
