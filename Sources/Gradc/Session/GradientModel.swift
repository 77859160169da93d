import Basics
import Differentiation
import GraphIR
import Layers
import LoopIR
import Lowering

/// The vector-Jacobian product of a model's outputs as a program of its own, in inference form.
///
/// Inputs are the model's, then `cotangent_OUTPUT` for each floating point output. Entry `run` gives `grad_INPUT` for each floating point
/// input; entry `backward` writes the product for the parameters into the gradient block.
public func gradientModel(_ definition: ModelDefinition, element: ElementType, maxBatch: Int, usesBLAS: Bool = true) throws -> Compilation {
  let symbols = [Symbol(name: "n", maximum: maxBatch)]
  var model = Model(name: definition.name, element: element, symbols: symbols)
  var run = try Pullback(definition, "run", element, symbols)
  model.inputs = run.builder.inputs
  model.parameters = run.builder.parameters
  for (input, gradient) in zip(run.inputs, try run.gradients(of: run.inputs.map(\.value))) {
    let output = GraphOutput("grad_\(input.name)", gradient)
    run.builder.graph.output(output.name, output.value)
    model.outputs.append(try run.builder.port(of: output))
  }
  var backward = try Pullback(definition, "backward", element, symbols)
  let trainable = model.parameters.filter(\.trainable)
  let leaves = trainable.map { parameter in
    backward.builder.graph.leaf(Leaf(parameter.name, .parameter), TensorType(element, parameter.shape.map { Dimension($0) }))
  }
  for (parameter, gradient) in zip(trainable, try backward.gradients(of: leaves)) {
    backward.builder.graph.update(Leaf(parameter.name, .gradient), gradient, .accumulate)
  }
  var forward = run.builder.graph.graph
  // The model's own outputs are not wanted.
  forward.outputs = Array(forward.outputs.suffix(run.inputs.count))
  var reverse = backward.builder.graph.graph
  reverse.outputs = []
  model.graphs = (forward.outputs.isEmpty ? [] : [forward]) + (reverse.updates.isEmpty ? [] : [reverse])
  return Compilation(model: model, program: try lower(model, options: LoweringOptions(usesBLAS: usesBLAS)))
}

/// A model's forward graph with its cotangents.
private struct Pullback {
  var builder: ModelBuilder
  /// The model's floating point inputs.
  let inputs: [(name: String, value: ValueID)]
  private let results: [ValueID]
  private let cotangents: [ValueID]

  init(_ definition: ModelDefinition, _ name: String, _ element: ElementType, _ symbols: [Symbol]) throws {
    var builder = ModelBuilder(name: name, mode: .inference, element: element, symbols: symbols)
    try definition.build(&builder)
    let outputs = builder.outputs.filter { builder.type($0.value).element.isFloat }
    guard !outputs.isEmpty else { throw Diagnostic("model '\(definition.name)' has no floating point output to differentiate") }
    inputs = builder.inputs.enumerated().filter { $0.element.element.isFloat }.map { index, port in
      (port.name, builder.graph.leaf(Leaf(port.name, .input(index)), port.type))
    }
    results = outputs.map(\.value)
    cotangents = try outputs.map { output in
      let port = try builder.port(of: output)
      return try builder.input("cotangent_\(output.name)", dims: port.dims, element: port.element, isBatched: port.isBatched)
    }
    self.builder = builder
  }

  /// The product for each value, by one sweep; zeros where the outputs do not depend on it.
  mutating func gradients(of values: [ValueID]) throws -> [ValueID] {
    let found = try builder.graph.gradients(of: results, cotangents: cotangents, withRespectTo: values)
    return try zip(values, found).map { value, gradient in
      if let gradient { return gradient }
      let type = builder.type(value)
      return try builder.graph.broadcast(builder.graph.constant(0, type.element), to: type.shape)
    }
  }
}
