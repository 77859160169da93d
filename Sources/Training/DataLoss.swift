import Basics
import GraphIR
import Layers
import LoopIR
import Operators

extension ModelBuilder {
  /// The loss of the batch as an f64 scalar: for each loss Σ wᵢ lᵢ / N with the weights wᵢ of the rows (which do not renormalise, Keras's
  /// convention), added with the losses' own weights. Declares the targets that it needs.
  mutating func dataLoss(_ losses: [LossChoice], targets: inout [Port]) throws -> ValueID {
    guard !losses.isEmpty else { throw Diagnostic("training needs a loss") }
    let weights = graph.leaf(Leaf("weights", .weights), TensorType(element, [.batch]))
    var total: ValueID?
    for choice in losses {
      guard choice.weight.isFinite else { throw Diagnostic("the weight of loss '\(choice.name)' must be a number, got \(choice.weight)") }
      let output = try judgedOutput(choice, of: losses.count)
      let target = try target(for: choice, output, of: losses.count, &targets)
      let rows = try loss(choice.name, output.value, target, choice.arguments)
      graph.path = "loss"
      let mean = try graph.mean(graph.cast(graph.multiply(rows, weights), to: .f64))
      let term = try choice.weight == 1 ? mean : graph.multiply(mean, choice.weight)
      total = try total.map { try graph.add($0, term) } ?? term
      graph.path = ""
    }
    return total!
  }

  /// The output that a loss judges.
  private func judgedOutput(_ choice: LossChoice, of count: Int) throws -> GraphOutput {
    guard let name = choice.output else {
      guard outputs.count == 1 || count == 1 else {
        throw Diagnostic("loss '\(choice.name)' must say which output it judges: \(outputs.map(\.name).joined(separator: ", "))")
      }
      return outputs[0]
    }
    guard let output = outputs.first(where: { $0.name == name }) else {
      let nearest = nearestName(to: name, among: outputs.map(\.name))
      throw Diagnostic(
        "loss '\(choice.name)' judges '\(name)', but the outputs are \(outputs.map(\.name).joined(separator: ", "))", fixIt: nearest)
    }
    return output
  }

  /// The leaf of a loss's targets: an input of that name, or a target port, shared by losses that name the same one.
  private mutating func target(
    for choice: LossChoice, _ output: GraphOutput, of count: Int, _ targets: inout [Port]
  ) throws -> ValueID {
    let name = choice.target ?? (count == 1 ? "target" : "\(output.name)_target")
    if let index = inputs.firstIndex(where: { $0.name == name }) {
      let port = inputs[index]
      return graph.leaf(Leaf(name, .input(index)), TensorType(port.element, [.batch] + port.dims.map { Dimension($0) }))
    }
    let wanted = try LossCatalog.entry(choice.name).targetType(type(output.value))
    let port = Port(name: name, element: wanted.element, dims: wanted.shape.dropFirst().compactMap(\.constant))
    guard wanted.shape.first == .batch, port.dims.count == wanted.rank - 1 else {
      throw Diagnostic("loss '\(choice.name)' needs predictions [N, …] of sizes known at compile time, got \(type(output.value))")
    }
    if let known = targets.first(where: { $0.name == name }), known != port {
      throw Diagnostic("target '\(name)' is used by two losses that need other shapes of it: give each its own target")
    }
    if !targets.contains(port) { targets.append(port) }
    return graph.leaf(Leaf(name, .target(targets.firstIndex(of: port)!)), wanted)
  }
}
