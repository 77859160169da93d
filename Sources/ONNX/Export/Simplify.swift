import Basics
import GraphIR

/// Nodes that other programs know as one are written as one: a convolution with its bias, a layer normalisation with its scale and shift,
/// a batch normalisation in inference, which is plain arithmetic here.
struct Simplification {
  private typealias Node = ONNXWriter.Node

  private var nodes: [Node]
  private let outputs: [String]
  private let writer: ONNXWriter
  private let types: [String: TensorType]
  /// Inputs and parameters.
  private let leaves: Set<String>
  private let constants: [String: HostTensor]
  private var producers: [String: Int] = [:]
  private var uses: [String: Int] = [:]

  init(_ export: GraphExport) {
    writer = export.writer
    nodes = writer.nodes
    outputs = export.outputNames
    leaves = Set(export.leafTypes.keys)
    types = export.writer.results.merging(export.leafTypes) { first, _ in first }
    constants = Dictionary(export.writer.constants.map { ($0.name, $0.tensor) }, uniquingKeysWith: { first, _ in first })
    for (index, node) in nodes.enumerated() {
      for name in node.outputs { producers[name] = index }
      for name in writer.reads(node) { uses[name, default: 0] += 1 }
    }
    for name in outputs { uses[name, default: 0] += 1 }
  }

  /// The nodes, without those that nothing needs.
  func run() -> [ONNXWriter.Node] {
    var copy = self
    for index in nodes.indices where nodes[index].type == "Add" {
      let node = nodes[index]
      let orders = [(node.inputs[0], node.inputs[1]), (node.inputs[1], node.inputs[0])]
      for (value, shift) in orders {
        guard var joined = copy.batchNormalization(value, shift) ?? copy.biased(value, shift) ?? copy.layerNormalization(value, shift)
        else {
          continue
        }
        joined.outputs = node.outputs
        copy.nodes[index] = joined
        break
      }
    }
    return copy.live()
  }

  private func live() -> [Node] {
    var needed = Set(outputs)
    var kept: [Node] = []
    for node in nodes.reversed() where node.outputs.contains(where: needed.contains) {
      needed.formUnion(writer.reads(node))
      kept.append(node)
    }
    return kept.reversed()
  }

  // MARK: Patterns

  /// The node that makes a value, when it is of that type.
  private func node(_ type: String, _ name: String) -> Node? {
    producers[name].flatMap { nodes[$0].type == type ? nodes[$0] : nil }
  }

  /// The vector of a number for each channel (axis 1) that `name` repeats over a tensor of that rank.
  private func channelVector(_ name: String, rank: Int) -> String? {
    guard rank > 2 else { return types[name]?.rank == 1 ? name : nil }
    guard let reshape = node("Reshape", name), let vector = types[reshape.inputs[0]], vector.rank == 1, let shape = types[name]?.shape,
      shape.filter({ $0 != 1 }).count <= 1, shape.count >= rank - 1, shape[shape.count - rank + 1] == vector.shape[0]
    else { return nil }
    return reshape.inputs[0]
  }

  /// A convolution, with a bias for each of its channels.
  private func biased(_ value: String, _ shift: String) -> Node? {
    guard var node = node("Conv", value) ?? node("ConvTranspose", value), node.inputs.count == 2, uses[value] == 1,
      let rank = types[value]?.rank, let bias = channelVector(shift, rank: rank), leaves.contains(bias),
      types[bias]?.shape.first == types[value]?.shape[1]
    else { return nil }
    node.inputs.append(bias)
    return node
  }

  /// A layer normalisation by ones, with a scale and a shift.
  private func layerNormalization(_ value: String, _ shift: String) -> Node? {
    guard let product = node("Mul", value), uses[value] == 1 else { return nil }
    for (normal, scale) in [(product.inputs[0], product.inputs[1]), (product.inputs[1], product.inputs[0])] {
      guard var node = node("LayerNormalization", normal), uses[normal] == 1, let ones = constants[node.inputs[1]],
        leaves.contains(scale), leaves.contains(shift), types[scale] == ones.type, types[shift] == ones.type
      else { continue }
      node.inputs = [node.inputs[0], scale, shift]
      return node
    }
    return nil
  }

  /// x · scale + shift with scale = γ / sqrt(variance + ε) and shift = β - mean · scale, each a number for each channel.
  private func batchNormalization(_ value: String, _ shift: String) -> Node? {
    guard let product = node("Mul", value) else { return nil }
    for (x, factor) in [(product.inputs[0], product.inputs[1]), (product.inputs[1], product.inputs[0])] {
      guard let rank = types[x]?.rank, rank >= 2, let scale = channelVector(factor, rank: rank),
        let offset = channelVector(shift, rank: rank),
        let difference = node("Sub", offset), let moved = node("Mul", difference.inputs[1]), moved.inputs[1] == scale,
        let quotient = node("Mul", scale), let inverse = node("Reciprocal", quotient.inputs[1]), let root = node("Sqrt", inverse.inputs[0]),
        let sum = node("Add", root.inputs[0]), let epsilon = constants[sum.inputs[1]], epsilon.count == 1
      else { continue }
      let parameters = [quotient.inputs[0], difference.inputs[0], moved.inputs[0], sum.inputs[0]]
      guard parameters.allSatisfy(leaves.contains), parameters.allSatisfy({ types[$0]?.shape == [types[x]!.shape[1]] }) else { continue }
      return Node(
        type: "BatchNormalization", path: product.path, inputs: [x] + parameters, outputs: [],
        attributes: [ONNXWriter.Attribute(name: "epsilon", value: .float(epsilon.doubles[0]))])
    }
    return nil
  }
}
