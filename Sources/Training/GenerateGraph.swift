import Basics
import GraphIR
import Layers
import LoopIR
import Operators

/// The graph `generate`: one token a row, the scores [N, vocabulary] of the token that follows, and what the layers keep for the next call.
/// Scores are what softmax is taken of: a model that ends in softmax gives what that layer reads. Throws, with the layer, for a model that
/// needs more than the token and its memory.
func buildGenerateGraph(_ definition: ModelDefinition, _ run: ModelBuilder, _ model: inout Model) throws -> Graph {
  var builder = try definition.built("generate", .generation, model.element, model.symbols)
  guard builder.contextLength > 0 else { throw Diagnostic("text is generated from tokens, but model '\(model.name)' has no input") }
  try builder.requireSameLayers(as: run)
  let first = builder.outputs[0]
  let dims = try builder.rowDims(first.value)
  guard let vocabulary = dims.last, vocabulary >= 2, dims.dropLast().allSatisfy({ $0 == 1 }), builder.type(first.value).element.isFloat,
    try run.rowDims(run.outputs[0].value).last == vocabulary
  else {
    throw Diagnostic(
      "output '\(first.name)' is \(run.type(run.outputs[0].value)), \(builder.type(first.value)) for one token: to generate text, a model gives "
        + "a score for each token of its vocabulary, at each position or after the last one", kind: .unsupported)
  }
  var scores = first.value
  switch builder.logits[scores] {
  case .softmax(let logits)?: scores = logits
  case .sigmoid?:
    throw Diagnostic("output '\(first.name)' ends in sigmoid: text is generated from scores or softmax", kind: .unsupported)
  case .logSoftmax?, nil: break
  }
  scores = try builder.graph.reshape(builder.graph.cast(scores, to: model.element), [.batch, Dimension(vocabulary)])
  let position = builder.graph.leaf(.position, TensorType(.i64, []))
  builder.graph.update(.position, try builder.graph.add(position, builder.graph.constant(1, .i64)))
  model.contextLength = builder.boundsContext ? builder.contextLength : 0
  var graph = builder.graph.graph
  graph.outputs = [GraphOutput(first.name, scores)]
  return graph
}
