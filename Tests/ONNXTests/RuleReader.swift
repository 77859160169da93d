import Basics
import Differentiation
import Foundation
import GraphIR
import LoopIR
import Lowering
import ONNX
import Testing

@testable import TestSupport

/// A reader around one node: its operands are leaves of f64, its subgraphs closures.
final class RuleReader: ONNXReading {
  typealias Subgraph = @Sendable (RuleReader, [ONNXValue]) throws -> [ONNXValue]

  var graph = GraphBuilder(name: "node", symbols: [])
  let isTraining = false
  let float = ElementType.f64
  private let subgraphs: [Subgraph]

  init(_ subgraphs: [Subgraph]) { self.subgraphs = subgraphs }

  func place(_ value: ONNXValue, isState: Bool) throws -> ValueID {
    switch value {
    case .value(let id): return id
    case .constant(let tensor): return try graph.constant(tensor)
    case .absent, .initializer: throw Diagnostic("there is no such value here")
    }
  }

  func evaluate(_ value: ONNXValue) throws -> HostTensor? {
    switch value {
    case .constant(let tensor): return tensor
    case .value(let id): return try graph.graph.evaluate(id, known: { _ in nil })
    case .absent, .initializer: return nil
    }
  }

  func dimensions(_ value: ONNXValue) throws -> [GraphIR.Dimension]? { try evaluate(value)?.integers.map { GraphIR.Dimension($0) } }
  func named(_ name: String) throws -> ONNXValue { throw Diagnostic("there are no names here") }
  func read(subgraph: Int, inputs: [ONNXValue]) throws -> [ONNXValue] { try subgraphs[subgraph](self, inputs) }
  func loop(
    subgraph: Int, rounds: Int, captured: [ValueID], carried: [ValueID], round: (LoopBuilder) throws -> LoopRound
  ) throws -> (last: [ValueID], stacks: [ValueID]) {
    var outer = graph
    defer { graph = outer }
    return try outer.scan(rounds: rounds, captured: captured, carried: carried) { loop in
      graph = loop.graph
      let found = try round(loop)
      loop.graph = graph
      return found
    }
  }
  func update(state operand: ONNXValue, to value: ValueID) throws {}
}

/// A node with operands and the outputs that are expected of it.
struct RuleCase: CustomTestStringConvertible, Sendable {
  enum Operand: Sendable {
    /// Known at run time.
    case input(TensorLiteral)
    /// Known at compile time.
    case known(TensorLiteral)
    case absent

    /// Numbers 0.8 sin(seed + 1.7 k).
    static func wave(_ seed: Double, _ shape: [Int]) -> Operand {
      .input(TensorLiteral((0..<shape.reduce(1, *)).map { 0.8 * sin(seed + 1.7 * Double($0)) }, shape: shape))
    }
  }

  var title: String
  var type: String
  var domain = ""
  var version = 24
  var attributes: [String: ONNXAttribute] = [:]
  var operands: [Operand]
  /// nil where an output is not looked at.
  var outputs: [TensorLiteral?]
  var checksGradient = true
  var subgraphs: [RuleReader.Subgraph] = []
  var testDescription: String { "\(type): \(title)" }

  /// The latest rule that the version allows.
  func read() throws -> (reader: RuleReader, leaves: [Leaf: Tensor], results: [ValueID]) {
    let reader = RuleReader(subgraphs)
    var leaves: [Leaf: Tensor] = [:]
    let inputs = operands.enumerated().map { k, operand -> ONNXValue in
      switch operand {
      case .absent: return .absent
      case .known(let literal):
        let tensor = Tensor(literal, float: .f64)
        return .constant(HostTensor(tensor.element, tensor.shape, bytes: tensor.bytes))
      case .input(let literal):
        let leaf = Leaf("x\(k)", .input(k))
        leaves[leaf] = Tensor(literal, float: .f64)
        return .value(reader.graph.leaf(leaf, leaves[leaf]!.type))
      }
    }
    let rules = onnxRules.filter { $0.name == type && $0.domain == domain && $0.since <= version }
    let rule = try #require(rules.max { $0.since < $1.since })
    let node = ONNXNode(
      name: "node", type: type, version: version, attributes: attributes, inputs: inputs, usedOutputs: outputs.map { _ in true },
      reader: reader)
    return (reader, leaves, try rule.read(node).map { try reader.place($0, isState: false) })
  }

  /// Compares outputs with the literals, and gradients of a weighted sum of the float outputs with central differences.
  func check() throws {
    let (reader, leaves, results) = try read()
    let values = try GraphEvaluator().run(reader.graph.graph, leaves: leaves)
    try #require(results.count >= outputs.count)
    for (k, expected) in outputs.enumerated() {
      guard let expected else { continue }
      let actual = values[results[k]]![0]
      #expect(actual.shape == expected.shape, "output \(k)")
      for (a, e) in zip(actual.doubles, expected.values) {
        #expect(
          a == e || abs(a - e) <= 1e-9 * max(1, abs(e)) || a.isNaN && e.isNaN, "output \(k): \(actual.doubles) for \(expected.values)")
      }
    }
    if checksGradient { try checkGradients(reader, leaves, results) }
  }

  private func checkGradients(_ reader: RuleReader, _ leaves: [Leaf: Tensor], _ results: [ValueID]) throws {
    let floats = Set(results).filter { reader.graph.type($0).element == .f64 }.sorted()
    let total = try floats.enumerated().map { k, value -> ValueID in
      let type = reader.graph.type(value)
      let weights = (0..<type.count.coefficient).map { cos(Double(k) + 0.9 * Double($0)) }
      let table = try reader.graph.constant(HostTensor(weights, shape: type.shape.map(\.coefficient), element: .f64))
      return try reader.graph.sum(reader.graph.multiply(value, table))
    }.reduce(reader.graph.constant(0, .f64)) { try reader.graph.add($0, $1) }
    let wanted = leaves.filter { $0.value.element == .f64 }.sorted { $0.key.name < $1.key.name }
    let ids = wanted.map { reader.graph.leaf($0.key, $0.value.type) }
    let gradients = try reader.graph.gradients(of: total, withRespectTo: ids)
    let values = try GraphEvaluator().run(reader.graph.graph, leaves: leaves)
    for ((leaf, tensor), gradient) in zip(wanted, gradients) {
      let found = gradient.map { values[$0]![0].doubles } ?? Array(repeating: 0, count: tensor.count)
      for position in stride(from: 0, to: tensor.count, by: max(1, tensor.count / 3)) {
        let ends = try [1e-5, -1e-5].map { step -> Double in
          var moved = leaves
          moved[leaf]!.values[position] = (tensor.doubles[position] + step).bitPattern
          return try GraphEvaluator().run(reader.graph.graph, leaves: moved)[total]![0].doubles[0]
        }
        let difference = (ends[0] - ends[1]) / 2e-5
        #expect(abs(found[position] - difference) <= 1e-7 * max(1, abs(difference)), "\(leaf.name)[\(position)]")
      }
    }
  }
}
