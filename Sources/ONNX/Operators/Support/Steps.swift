import Basics
import GraphIR
import Operators

/// Steps of loops: a tensor as its slices along an axis, and back.
extension ONNXNode {
  /// The type of a value that may not be in the graph.
  func operandType(_ value: ONNXValue) throws -> TensorType {
    switch value {
    case .absent: throw Diagnostic("an input of \(type) is missing")
    case .value(let id): return type(id)
    case .constant(let tensor): return tensor.type
    case .initializer(_, let type): return type
    }
  }

  /// The slices of a value along an axis, without the axis. Those of a known value are known.
  func slices(_ value: ONNXValue, axis: Int) throws -> [ONNXValue] {
    let given = try operandType(value)
    let axis = try self.axis(axis, rank: given.rank)
    let count = try constantSize(given, axis: axis)
    var shape = given.shape
    shape.remove(at: axis)
    guard count > 0 else { return [] }
    guard count <= 10_000 else { throw unsupported("more than 10000 steps are not unrolled") }
    if case .constant(let tensor) = value { return (0..<count).map { .constant(tensor.slice($0, axis: axis)) } }
    let placed = try reader.place(value, isState: false)
    return try graph.split(placed, axis: axis, sizes: Array(repeating: 1, count: count)).map {
      .value(try graph.cast(graph.reshape($0, shape), to: given.element))
    }
  }

  /// Values of one type side by side along a new axis. Known ones give a known one.
  func stacked(_ values: [ONNXValue], axis: Int) throws -> ONNXValue {
    guard let first = values.first else { throw Diagnostic.bug("no values to stack") }
    let each = try operandType(first)
    let axis = try self.axis(axis, rank: each.rank + 1)
    for value in values.dropFirst() where try operandType(value) != each {
      throw unsupported("a value changes from step to step, from \(each) to \(try operandType(value))")
    }
    if axis == 0, let known = try joinedOnHost(values) { return .constant(known) }
    let placed = try values.map { try reader.place($0, isState: false) }
    // A symbolic axis stays outermost in memory.
    let isSymbolicFirst = axis == 0 && each.shape.first?.symbol != nil
    let position = isSymbolicFirst ? 1 : axis
    var single = each.shape
    single.insert(1, at: position)
    let joined = try graph.concat(placed.map { try graph.reshape($0, single) }, axis: position)
    return .value(isSymbolicFirst ? try graph.transpose(joined, [1, 0] + Array(2..<single.count)) : joined)
  }

  private func joinedOnHost(_ values: [ONNXValue]) throws -> HostTensor? {
    var bytes: [UInt8] = []
    var type: TensorType?
    for value in values {
      guard case .constant(let tensor) = value else { return nil }
      bytes += tensor.bytes
      type = tensor.type
    }
    return type.map { HostTensor($0.element, [values.count] + $0.shape.map(\.coefficient), bytes: bytes) }
  }

  /// Zeros of a value's type.
  func zeros(like value: ONNXValue) throws -> ONNXValue {
    let type = try operandType(value)
    return .value(try graph.broadcast(graph.constant(0, type.element), to: type.shape))
  }

  /// The steps of a value when there are none.
  func noSteps(like value: ONNXValue, axis: Int) throws -> ONNXValue {
    let type = try operandType(value)
    var shape = type.shape
    shape.insert(0, at: axis)
    return .value(try graph.broadcast(graph.constant(0, type.element), to: shape))
  }
}

extension HostTensor {
  /// The elements at one position of an axis, without the axis.
  func slice(_ index: Int, axis: Int) -> HostTensor {
    let inner = shape[(axis + 1)...].reduce(1, *) * element.size
    let outer = shape[..<axis].reduce(1, *)
    let stride = shape[axis] * inner
    var parts: [UInt8] = []
    for row in 0..<outer {
      let start = row * stride + index * inner
      parts += bytes[start..<start + inner]
    }
    var rest = shape
    rest.remove(at: axis)
    return HostTensor(element, rest, bytes: parts)
  }
}
