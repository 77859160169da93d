import Basics
import CRuntime
import GraphIR
import Layers
import LoopIR
import Lowering

/// The model in inference form with its relu activations as outputs, and the layers that they belong to. Nil when there are none.
public func activationModel(
  _ definition: ModelDefinition, element: ElementType, maxBatch: Int
) throws -> (compilation: Compilation, layers: [String])? {
  let symbols = [Symbol(name: "n", maximum: maxBatch)]
  var builder = ModelBuilder(name: "run", mode: .inference, element: element, symbols: symbols)
  try definition.build(&builder)
  // A layer that is used twice counts once a use.
  let activations = builder.activations.filter { builder.type($0.value).shape.first == .batch }
  guard !activations.isEmpty else { return nil }
  var graph = builder.graph.graph
  graph.outputs = activations.enumerated().map { GraphOutput("activation\($0.offset + 1)", $0.element.value) }
  var model = Model(name: definition.name, element: element, symbols: symbols)
  model.inputs = builder.inputs
  model.parameters = builder.parameters
  model.outputs = try zip(graph.outputs, activations).map { output, activation in
    Port(name: output.name, element: element, dims: try builder.rowDims(activation.value))
  }
  model.graphs = [graph]
  return (Compilation(model: model, program: try lower(model)), activations.map(\.path))
}
