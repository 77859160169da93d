import Basics
import Differentiation
import GraphIR
import Operators

/// The derivatives of a named tensor y, summed over its elements, with respect to the tensors xs, at the values that the node is given
/// for xs and zs.
let gradientRules = [
  ONNXRule("Gradient", domain: "ai.onnx.preview.training") { node in
    guard let target = try node.string("y"), let wanted = try node.strings("xs") else {
      throw Diagnostic("Gradient needs the attributes 'y' and 'xs'")
    }
    let names = try wanted + (node.strings("zs") ?? [])
    guard node.inputs.count == names.count else {
      throw Diagnostic("Gradient of \(names.count) tensors needs as many inputs, got \(node.inputs.count)")
    }
    let values = try node.values()
    let originals = try names.map { try node.reader.place(node.reader.named($0), isState: false) }
    let result = try node.graph.replaying(
      node.reader.place(node.reader.named(target), isState: false), with: Dictionary(zip(originals, values), uniquingKeysWith: { $1 }))
    let type = node.type(result)
    guard type.element.isFloat else { throw Diagnostic("'\(target)' is no float tensor, but \(type)") }
    let ones = try node.graph.broadcast(node.graph.constant(1, type.element), to: type.shape)
    let points = Array(values.prefix(wanted.count))
    let gradients = try node.graph.gradients(of: [result], cotangents: [ones], withRespectTo: points)
    return try zip(gradients, points).map { gradient, point in
      let type = node.type(point)
      return try gradient ?? node.graph.broadcast(node.graph.constant(0, type.element), to: type.shape)
    }
  }
]

extension GraphBuilder {
  /// The value computed again with other values in place of some.
  fileprivate mutating func replaying(_ value: ValueID, with replacements: [ValueID: ValueID]) throws -> ValueID {
    var mapped = replacements.filter { $0.key != $0.value }
    guard !mapped.isEmpty else { return value }
    for id in graph.ids where id <= value && mapped[id] == nil {
      guard case .apply(let op, let operands) = graph[id].kind, operands.contains(where: { mapped[$0] != nil }) else { continue }
      mapped[id] = try add(op, operands.map { mapped[$0] ?? $0 })
    }
    return mapped[value] ?? value
  }
}
