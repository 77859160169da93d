import Basics
import GraphIR
import Operators

/// Attention whose scores and probabilities go through subgraphs of the node.
let flexAttentionRules = [
  ONNXRule("FlexAttention", domain: "ai.onnx.preview") { node in
    let heads = try AttentionHeads(node)
    func modified(_ value: ValueID, by name: String) throws -> ValueID {
      guard node.attributes[name] != nil else { return value }
      let results = try node.subgraph(name, inputs: [.value(value)])
      guard results.count == 1, try node.operandType(results[0]) == node.type(value) else {
        throw Diagnostic("the subgraph '\(name)' must give one tensor \(node.type(value))")
      }
      return try node.reader.place(results[0], isState: false)
    }
    let element = node.type(heads.query).element
    let precision = try node.int("softmax_precision") == ElementType.f64.onnx ? .f64 : element
    let scale = try node.float("scale") ?? 1 / Double(heads.width).squareRoot()
    let scores = try node.graph.cast(heads.scores(scale: scale), to: precision)
    let probabilities = try modified(node.graph.softmax(modified(scores, by: "score_mod")), by: "prob_mod")
    return [try heads.output(node.graph.cast(probabilities, to: element))]
  }
]
