import Basics
import GraphIR
import Layers
import LoopIR
import Optimizers
import Training
import XCTest

/// A model with its memory, run by the graph evaluator as the runtime runs compiled code.
struct TestTrainer {
  let model: Model
  var tensors: [String: Values] = [:]
  var gradients: [String: [Double]] = [:]
  var moments: [Double]
  var rate = 0.1, loss = 0.0, dataLoss = 0.0, norm = 0.0
  var seed: UInt64 = 0
  var step = 0, micro = 0

  init(_ model: Model) {
    self.model = model
    moments = Array(repeating: 0, count: model.momentsPerParameter * (model.segments.decayed + model.segments.plain))
    for parameter in model.parameters {
      let isVariance = parameter.name.hasSuffix("running_var") || parameter.name.hasSuffix("gamma")
      tensors[parameter.name] = Values(Array(repeating: isVariance ? 1 : 0, count: parameter.count), shape: parameter.shape, model.element)
    }
  }

  /// A model in f64 from layers, with a loss on its only output.
  init(
    loss: LossChoice, optimizer: OptimizerChoice? = nil, clipNorm: Double? = nil, clipValue: Double? = nil, freeze: [String] = [],
    _ build: @escaping (inout ModelBuilder) throws -> Void
  ) throws {
    let training = TrainingSpecification(
      losses: [loss], optimizer: try optimizer ?? OptimizerChoice("sgd"), clipNorm: clipNorm, clipValue: clipValue, freeze: freeze)
    self.init(
      try buildModel(definition: ModelDefinition(name: "test", build: build), training: training, element: .f64, maxBatch: 64))
  }

  mutating func set(_ name: String, _ values: [Double]) {
    precondition(tensors[name]!.numbers.count == values.count)
    tensors[name] = Values(values, shape: tensors[name]!.shape, model.element)
  }

  private var trainable: [Parameter] { model.parameterOrder.filter(\.trainable) }

  private func leaf(_ leaf: Leaf, _ type: TensorType, _ inputs: [Values], _ targets: [Values], _ weights: [Double]) throws -> Values {
    switch leaf.role {
    case .input(let index): return inputs[index]
    case .target(let index): return targets[index]
    case .weights: return Values(weights, type.element)
    case .parameter, .state: return tensors[leaf.name]!
    case .gradient, .prepared, .memory, .captured, .carried, .stacked: throw Diagnostic("\(leaf.role) is no leaf to read")
    case .table(let tensor): return Values(tensor.doubles, shape: tensor.shape, tensor.element)
    case .segment(let segment, let offset):
      let all: [Double] =
        switch segment {
        case .parameters: model.parameterOrder.flatMap { tensors[$0.name]!.doubles }
        case .gradients: trainable.flatMap { gradients[$0.name]! }
        case .moments: moments
        }
      return Values(Array(all[offset..<offset + type.count.coefficient]), type.element)
    case .control(let offset):
      switch offset {
      case Controls.rate: return .scalar(rate)
      case Controls.seed: return Values(element: .u64, shape: [], numbers: [Number(bits: seed, .u64)])
      case Controls.step: return .scalar(Double(step), .i64)
      case Controls.micro: return .scalar(Double(micro), .i64)
      default: throw Diagnostic("control \(offset) is not read")
      }
    }
  }

  private func evaluated(
    _ name: String, _ inputs: [Values] = [], _ targets: [Values] = [], _ weights: [Double]? = nil
  ) throws -> (graph: Graph, values: GraphEvaluator) {
    let graph = try XCTUnwrap(model.graph(name))
    let n = inputs.first?.shape[0] ?? 1
    let weights = weights ?? Array(repeating: 1, count: n)
    let values = try GraphEvaluator(graph, n: n) { try leaf($0, $1, inputs, targets, weights) }
    for requirement in graph.requirements where !values[requirement].doubles[0].isFinite {
      throw Diagnostic("not finite", kind: .numerical)
    }
    return (graph, values)
  }

  func run(_ inputs: [Values]) throws -> [Values] {
    let (graph, values) = try evaluated("run", inputs)
    return graph.outputs.map { values[$0.value] }
  }

  func evaluate(_ inputs: [Values], _ targets: [Values], weights: [Double]? = nil) throws -> Double {
    let (graph, values) = try evaluated("evaluate", inputs, targets, weights)
    return values[graph.updates[0].value].doubles[0]
  }

  mutating func initialize(seed: UInt64) throws {
    self.seed = seed
    try commit(evaluated("initialize"))
  }

  mutating func backward(_ inputs: [Values], _ targets: [Values], weights: [Double]? = nil) throws {
    try commit(evaluated("backward", inputs, targets, weights))
    micro += 1
  }

  mutating func update() throws {
    try commit(evaluated("update"))
    step += 1
    micro = 0
  }

  private mutating func commit(_ result: (graph: Graph, values: GraphEvaluator)) throws {
    var parameters = model.parameterOrder.flatMap { tensors[$0.name]!.doubles }
    var writesSegment = false
    for update in result.graph.updates {
      let value = result.values[update.value]
      switch update.leaf.role {
      case .parameter, .state:
        XCTAssertEqual(value.shape, tensors[update.leaf.name]!.shape)
        tensors[update.leaf.name] = value
      case .gradient:
        let old = gradients[update.leaf.name]
        gradients[update.leaf.name] = micro == 0 ? value.doubles : zip(old!, value.doubles).map(+)
      case .segment(.parameters, let offset):
        parameters.replaceSubrange(offset..<offset + value.numbers.count, with: value.doubles)
        writesSegment = true
      case .segment(.moments, let offset): moments.replaceSubrange(offset..<offset + value.numbers.count, with: value.doubles)
      case .control(Controls.loss): loss = value.doubles[0]
      case .control(Controls.dataLoss): dataLoss = value.doubles[0]
      case .control(Controls.norm): norm = value.doubles[0]
      default: throw Diagnostic("update of \(update.leaf.name)")
      }
    }
    guard writesSegment else { return }
    for parameter in model.parameterOrder {
      set(parameter.name, Array(parameters.prefix(parameter.count)))
      parameters.removeFirst(parameter.count)
    }
  }
}

/// Compares numbers one by one.
func assertClose(
  _ found: [Double], _ expected: [Double], _ tolerance: Double = 1e-8, _ message: String = "", file: StaticString = #filePath,
  line: UInt = #line
) {
  XCTAssertEqual(found.count, expected.count, message, file: file, line: line)
  for (a, b) in zip(found, expected) { XCTAssertEqual(a, b, accuracy: tolerance, message, file: file, line: line) }
}
