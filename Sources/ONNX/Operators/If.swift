import Basics
import GraphIR
import Operators

/// The outputs of one of two subgraphs. Where the condition is known only at run time, both are computed and one is chosen.
let ifRules = [
  ONNXRule(
    "If", keepsTypes: true,
    values: { node in
      if let condition = try node.known(0) {
        guard condition.count == 1 else { throw Diagnostic("the condition must be one element, got \(condition.type)") }
        return try node.subgraph(condition.integers[0] != 0 ? "then_branch" : "else_branch")
      }
      let (yes, no) = (try node.subgraph("then_branch"), try node.subgraph("else_branch"))
      let condition = try node.graph.reshape(node.value(0), [])
      return try zip(yes, no).map { a, b in
        let (x, y) = (try node.reader.place(a, isState: false), try node.reader.place(b, isState: false))
        guard node.type(x) == node.type(y) else {
          throw node.unsupported(
            "the condition depends on the model's inputs, and the branches give different types, \(node.type(x)) and \(node.type(y))")
        }
        return .value(try node.graph.select(condition, x, y))
      }
    })
]
