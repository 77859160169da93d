import Basics
import GraphIR
import Operators

/// Tensors that a file holds or describes: Constant, ConstantOfShape, EyeLike, Range.
let constantRules = [
  ONNXRule("Constant", values: { [.constant(try heldTensor($0))] }),
  ONNXRule("ConstantOfShape", since: 9) { node in
    let value = try node.tensor("value") ?? HostTensor([0.0], element: node.reader.float)
    guard value.count == 1 else { throw Diagnostic("attribute 'value' must hold one element, not \(value.count)") }
    let scalar = try node.graph.constant(HostTensor(value.element, [], bytes: value.bytes))
    return [try node.graph.broadcast(scalar, to: node.dimensions(0))]
  },
  ONNXRule("EyeLike", since: 9) { node in
    let type = try node.type(0)
    guard type.rank == 2 else { throw Diagnostic("input 0 must have two axes, got \(type)") }
    let rows = try node.graph.iota([type.shape[0], 1], axis: 0, .i64)
    let columns = try node.graph.iota([1, type.shape[1]], axis: 1, .i64)
    let diagonal = try node.graph.equal(node.graph.add(rows, Double(node.int("k", 0))), columns)
    return [try node.graph.cast(diagonal, to: node.element("dtype") ?? type.element)]
  },
  ONNXRule("Range", since: 11, values: { try readRange($0) }),
]

/// The value of one of the attributes of Constant.
private func heldTensor(_ node: ONNXNode) throws -> HostTensor {
  if let value = try node.tensor("value") { return value }
  if let value = try node.float("value_float") { return HostTensor([value], shape: [], element: node.reader.float) }
  if let values = try node.floats("value_floats") { return HostTensor(values, element: node.reader.float) }
  if let value = try node.int("value_int") { return HostTensor([value], shape: []) }
  if let values = try node.ints("value_ints") { return HostTensor(values) }
  throw node.unsupported("only a constant of numbers in 'value', 'value_float', 'value_floats', 'value_int' or 'value_ints' is supported")
}

/// Known numbers, or 0 ..< a symbolic size.
private func readRange(_ node: ONNXNode) throws -> [ONNXValue] {
  if let start = try node.known(0), let limit = try node.known(1), let delta = try node.known(2) {
    return [.constant(try range(start, limit, delta))]
  }
  let limit = try node.dimensions(1)
  guard limit.count == 1, try node.integers(0) == [0], try node.integers(2) == [1] else {
    throw node.unsupported("a range that depends on the batch must start at 0 and go by 1")
  }
  return [.value(try node.graph.iota([limit[0]], axis: 0, node.type(1).element))]
}

private let longestRange = 1 << 24

/// start, start + delta … below the limit.
private func range(_ start: HostTensor, _ limit: HostTensor, _ delta: HostTensor) throws -> HostTensor {
  guard start.count == 1, limit.count == 1, delta.count == 1 else { throw Diagnostic("start, limit and delta must be scalars") }
  let element = start.element
  let (first, end, step) = (start.doubles[0], limit.doubles[0], delta.doubles[0])
  let count = ((end - first) / step).rounded(.up)
  guard step != 0, count < Double(longestRange) else {
    throw Diagnostic("a range from \(first) to \(end) by \(step) has no end, or more than \(longestRange) elements")
  }
  let steps = 0..<max(0, Int(count))
  if element.isFloat { return HostTensor(steps.map { first + Double($0) * step }, element: element) }
  let (origin, stride) = (start.integers[0], delta.integers[0])
  return HostTensor(steps.map { origin &+ $0 &* stride }, element: element)
}
