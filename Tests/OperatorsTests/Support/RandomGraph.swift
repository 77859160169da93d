import Basics
import Differentiation
import GraphIR
import LoopIR
import Operators

@testable import TestSupport

/// A graph of some tens of operators over a batch, grown from a seed: every kind of lowering, values used several times, and the
/// gradient of their mean with respect to two parameters.
struct RandomGraph {
  private(set) var builder: GraphBuilder
  /// All leaves but those of the random numbers, with shapes: the batch first in inputs.
  static let inputs: [(leaf: Leaf, type: TensorType)] = [
    (Leaf("features", .input(0)), TensorType(.f64, [.batch, 6])), (Leaf("scores", .input(1)), TensorType(.f64, [.batch, 4])),
    (Leaf("class", .target(0)), TensorType(.i32, [.batch])), (Leaf("weight", .parameter), TensorType(.f64, [6, 4])),
    (Leaf("bias", .parameter), TensorType(.f64, [4])),
  ]
  private var random: SplitMix
  /// Floats to choose operands from.
  private var values: [ValueID] = []
  private var leaves: [ValueID] = []

  init(seed: UInt64, steps: Int) throws {
    builder = GraphBuilder(name: "run", symbols: [Symbol(name: "n", maximum: 5)])
    random = SplitMix(state: seed)
    for (leaf, type) in Self.inputs { leaves.append(builder.leaf(leaf, type)) }
    values = [leaves[0], leaves[1], leaves[3], leaves[4]]
    for step in 0..<steps {
      builder.path = "layer\(step / 4)"
      values.append(try grow())
    }
    builder.path = "loss"
    let last = values.suffix(5)
    var loss = try builder.mean(builder.softmaxCrossEntropy(classes(), leaves[2]))
    for value in last { loss = try builder.add(loss, builder.mean(builder.tanh(value))) }
    builder.output("loss", loss)
    builder.output("value", values.last { builder.type($0).shape.first == .batch }!)
    for (name, leaf) in [("d_weight", leaves[3]), ("d_bias", leaves[4])] {
      if let gradient = try builder.gradients(of: loss, withRespectTo: [leaf])[0] { builder.output(name, gradient) }
    }
  }

  /// Logits [N, 4] that depend on the weight.
  private mutating func classes() throws -> ValueID {
    try builder.add(builder.matmul(leaves[0], leaves[3]), builder.add(leaves[4], leaves[1]))
  }

  private mutating func pick(_ condition: (TensorType) -> Bool = { _ in true }) -> ValueID {
    // Neighbours in time are likelier, so that chains form.
    let fitting = values.filter { condition(builder.type($0)) }
    return random.below(2) == 0 ? fitting.last! : fitting[random.below(fitting.count)]
  }

  private mutating func grow() throws -> ValueID {
    switch random.below(12) {
    case 0...3: return try unary(pick())
    case 4...6: return try binary()
    case 7: return try builder.matmul(pick { $0.shape == [.batch, 6] }, leaves[3])
    case 8: return try builder.matmul(pick { $0.shape == [.batch, 4] }, leaves[3], transposeB: true)
    case 9: return try reduce(pick { $0.rank >= 1 && $0.shape.last!.constant ?? 0 > 1 })
    case 10: return try move(pick { $0.rank == 2 && $0.shape[0] == .batch })
    default:
      return try builder.normalize(pick { $0.shape == [.batch, 4] || $0.shape == [.batch, 6] }, axes: [random.below(2)], epsilon: 0.1)
    }
  }

  private mutating func unary(_ x: ValueID) throws -> ValueID {
    switch random.below(11) {
    case 0: try builder.tanh(x)
    case 1: try builder.sigmoid(x)
    case 2: try builder.relu(x)
    case 3: try builder.softplus(x)
    case 4: try builder.gelu(x, form: .tanh)
    case 5: try builder.sin(x)
    case 6: try builder.exp(builder.clip(x, low: -2, high: 1.5))
    case 7: try builder.sqrt(builder.add(builder.square(x), 0.5))
    case 8: try builder.log(builder.add(builder.abs(x), 1))
    case 9: try builder.elu(x)
    default: try builder.multiply(x, -0.75)
    }
  }

  private mutating func binary() throws -> ValueID {
    let x = pick()
    let shape = builder.type(x).shape
    let y = pick { type in (try? broadcastShape(type.shape, shape)) != nil }
    switch random.below(6) {
    case 0: return try builder.add(x, y)
    case 1: return try builder.subtract(x, y)
    case 2: return try builder.multiply(builder.tanh(x), y)
    case 3: return try builder.divide(x, builder.add(builder.square(y), 1))
    case 4: return try builder.maximum(x, y)
    default: return try builder.select(builder.greater(x, y), builder.multiply(y, 0.5), x)
    }
  }

  private mutating func reduce(_ x: ValueID) throws -> ValueID {
    switch random.below(6) {
    case 0: try builder.sum(x, axes: [-1], keepDims: true)
    case 1: try builder.mean(x, axes: [0], keepDims: true)
    case 2: try builder.max(x, axes: [-1], keepDims: true)
    case 3: try builder.logSoftmax(x)
    case 4: try builder.mean(x)
    default: try builder.softmax(x)
    }
  }

  /// Rows of 4 or 6 or another width: views, and back to a width that others use.
  private mutating func move(_ x: ValueID) throws -> ValueID {
    let width = builder.type(x).shape[1].coefficient
    switch random.below(4) {
    case 0 where width > 2:
      return try builder.concat([builder.slice(x, axis: 1, from: 1, to: width), builder.slice(x, axis: 1, from: 0, to: 1)], axis: 1)
    case 1 where width == 4: return try builder.pad(x, before: [0, 1], after: [0, 1], value: 0.25)
    case 2 where width == 6: return try builder.slice(x, axis: 1, from: 0, to: 4)
    case 3 where width % 2 == 0:
      let pairs = try builder.reshape(x, [.batch, Dimension(width / 2), 2])
      return try builder.reshape(builder.transpose(pairs, [0, 2, 1]), [.batch, Dimension(width)])
    default: return try builder.multiply(x, builder.reshape(builder.pick(x, leaves[2]), [.batch, 1]))
    }
  }
}
