import Basics
import GraphIR
import Layers
import LoopIR

/// The graph `initialize`: first values of parameters and state by their initializers and the seed in the controls, moments zero.
public func buildInitializeGraph(model: Model, initializers: [String: Initializer]) throws -> Graph {
  var builder = GraphBuilder(name: "initialize", symbols: model.symbols)
  let seed = builder.leaf(Leaf("seed", .control(Controls.seed)), TensorType(.u64, []))
  for parameter in model.parameters {
    guard let initializer = initializers[parameter.name] else { throw Diagnostic.bug("parameter '\(parameter.name)' has no initializer") }
    builder.path = parameter.name
    let value = try initializer.build(
      &builder, shape: parameter.shape, element: model.element, path: parameter.name, seed: seed)
    builder.update(Leaf(parameter.name, parameter.isState ? .state : .parameter), value)
  }
  let moments = model.momentsPerParameter * (model.segments.decayed + model.segments.plain)
  if moments > 0 {
    builder.path = ""
    let zero = try builder.constant(0, model.element)
    builder.update(Leaf("moments", .segment(.moments, offset: 0)), try builder.broadcast(zero, to: [Dimension(moments)]))
  }
  return builder.graph
}
