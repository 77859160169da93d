import GraphIR
import Operators

extension ModelBuilder {
  /// Σ over penalties of λ₁ Σ|w| + λ₂/2 Σ w² as an f64 scalar, of those tensors that `isTrainable` names; nil when there are none.
  public mutating func penaltyTotal(where isTrainable: (String) -> Bool) throws -> ValueID? {
    let outer = graph.path
    defer { graph.path = outer }
    graph.path = "penalty"
    var total: ValueID?
    for penalty in penalties where isTrainable(penalty.parameter) {
      guard let tensor = parameters.first(where: { $0.name == penalty.parameter }) else { continue }
      let leaf = Leaf(tensor.name, .parameter)
      let w = graph.leaf(leaf, TensorType(element, tensor.shape.map { Dimension($0) }))
      for (factor, terms) in [(penalty.l1, { try $0.abs(w) }), (penalty.l2 / 2, { try $0.square(w) })]
        as [(Double, (inout GraphBuilder) throws -> ValueID)]
      where factor != 0 {
        let sum = try graph.cast(graph.sum(terms(&graph)), to: .f64)
        let term = try graph.multiply(sum, factor)
        total = try total.map { try graph.add($0, term) } ?? term
      }
    }
    return total
  }
}
