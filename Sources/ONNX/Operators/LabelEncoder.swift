import Basics
import GraphIR
import Operators

/// Numbers replaced by others from a table of keys and values; a number without a key becomes the default.
let labelEncoderRules = [
  ONNXRule("LabelEncoder", domain: "ai.onnx.ml", since: 2) { node in
    guard let keys = try node.table("keys"), let values = try node.table("values"), keys.count == values.count, keys.count > 0 else {
      throw node.unsupported("keys and values must be numbers, as many of the one as of the other; strings are not supported")
    }
    let x = try node.value(0)
    let column = try node.graph.reshape(node.graph.cast(x, to: keys.element), node.type(x).shape + [1])
    let table = try node.graph.constant(keys)
    // A key that is no number stands for all that are none.
    let isSame = try node.graph.equal(column, table)
    let isKey =
      try keys.element.isFloat
      ? node.graph.logicalOr(isSame, node.graph.logicalAnd(node.graph.notEqual(column, column), node.graph.notEqual(table, table))) : isSame
    let hits = try node.graph.cast(isKey, to: .i32)
    let chosen = try node.graph.gather(node.graph.constant(values), node.graph.argMax(hits, axis: -1))
    let isKnown = try node.graph.greater(node.graph.max(hits, axes: [-1]), 0)
    let missing =
      try node.tensor("default_tensor")?.doubles.first
      ?? (values.element.isInteger ? Double(node.int("default_int64", -1)) : node.float("default_float", -0.0))
    return [try node.graph.select(isKnown, chosen, missing)]
  }
]

extension ONNXNode {
  /// The keys or the values of a label encoder; nil for strings.
  fileprivate func table(_ name: String) throws -> HostTensor? {
    if let numbers = try ints("\(name)_int64s") { return HostTensor(numbers) }
    if let numbers = try floats("\(name)_floats") { return HostTensor(numbers, element: reader.float) }
    return try tensor("\(name)_tensor").map { HostTensor($0.element, [$0.count], bytes: $0.bytes) }
  }
}
