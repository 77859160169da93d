import Basics
import GraphIR
import LoopIR

/// What the integers of an addressing operator name.
public enum AddressUnit: String, Hashable, Sendable, Codable, CaseIterable {
  /// Each integer a slice: value [a…, i…, b…] belongs to table [a…, indices[i…], b…].
  case slices
  /// Each integer an element: value [i…] belongs to table [i…], with indices[i…] for the position along the axis.
  case elements
  /// Each row of integers a position along the axes from `axis` on; value [a…, i…, b…] belongs to table [a…, indices[a…, i…]…, b…].
  case tuples
}

/// The places in a table that integers name: what `gather`, `scatter` and `scatter_add` share. Negative integers count from the end of an
/// axis, others outside are moved to the nearest end.
struct Addressing {
  var unit: AddressUnit
  /// The axis that integers run along; of tuples the first one.
  var axis: Int
  var table: TensorType
  var indices: TensorType
  /// The shape of what is read or written.
  var values: Shape

  /// Checks that the integers fit the table; `name` is the operator's. A negative axis counts from the end.
  init(_ name: String, _ unit: AddressUnit, axis: Int, table: TensorType, indices: TensorType) throws {
    let axis = try resolveAxis(name, axis, table)
    guard indices.element.isInteger else { throw TypeError("\(name) needs a table and integers, got \(table) and \(indices)") }
    (self.unit, self.axis, self.table, self.indices) = (unit, axis, table, indices)
    switch unit {
    case .slices: values = table.shape[..<axis] + indices.shape + table.shape[(axis + 1)...]
    case .elements:
      guard indices.rank == table.rank, (0..<table.rank).allSatisfy({ $0 == axis || indices.shape[$0].fits(table.shape[$0]) }) else {
        throw TypeError("\(name) by elements needs integers with the table's axes and no larger, got \(table) and \(indices)")
      }
      values = indices.shape
    case .tuples:
      guard let length = indices.shape.last?.constant, length > 0, axis + length <= table.rank, indices.rank > axis,
        indices.shape[..<axis] == table.shape[..<axis]
      else {
        throw TypeError(
          "\(name) by tuples needs the first \(axis) axes of the table and at last one of at most \(table.rank - axis) integers, "
            + "got \(table) and \(indices)")
      }
      values = indices.shape.dropLast() + table.shape[(axis + length)...]
    }
    for axis in axis..<axis + depth { _ = try requireConstant(name, axis: axis, of: table) }
  }

  /// Axes of the table that integers run along.
  var depth: Int { unit == .tuples ? indices.shape[indices.rank - 1].coefficient : 1 }

  /// Throws unless the values have the addressing's shape, with a size known at compile time on every axis but the first.
  func require(_ name: String, values: TensorType) throws {
    guard values.shape == self.values else {
      throw TypeError("\(name) needs values of shape \(TensorType(values.element, self.values)) for \(table) and \(indices), got \(values)")
    }
    guard (values.shape.dropFirst() + table.shape.dropFirst()).allSatisfy({ $0.symbol == nil }) else {
      throw TypeError("\(name): only the first axis of \(values) and \(table) may have a symbolic size")
    }
  }

  /// The place in the table of a value, given how an element of the indices is read.
  func place(_ position: [Index], _ integer: ([Index]) -> Scalar) -> [Index] {
    func counted(_ position: [Index], along axis: Int) -> Index {
      .counted(integer(position), indices.element, bound: table.shape[axis].coefficient)
    }
    switch unit {
    case .slices:
      let end = axis + indices.rank
      return position[..<axis] + [counted(Array(position[axis..<end]), along: axis)] + position[end...]
    case .elements:
      var place = position
      place[axis] = counted(position, along: axis)
      return place
    case .tuples:
      let outer = Array(position.prefix(indices.rank - 1))
      let chosen = (0..<depth).map { counted(outer + [.constant($0)], along: axis + $0) }
      return position[..<axis] + chosen + position.dropFirst(outer.count)
    }
  }

  /// Leading axes along which values and table correspond.
  var commonRank: Int { zip(values, table.shape).prefix(axis).prefix { $0 == $1 }.count }

  /// The place in the table of a value, with the integers in a buffer.
  func place(_ position: [Index], integersIn buffer: String) -> [Index] { place(position) { .load(buffer, indices.offset($0)) } }

  /// Loops over all axes of `shape` from the common ones on; `body` is given the position.
  func loops(over shape: Shape, _ body: ([Index]) -> [Statement]) -> [Statement] {
    let outer = (0..<commonRank).map { Index.variable("i\($0)") }
    let inner = shape.indices.dropFirst(commonRank)
    let position = outer + inner.map { shape[$0] == 1 ? .constant(0) : .variable("j\($0)") }
    return inner.reversed().reduce(body(position)) { body, axis in
      shape[axis] == 1 ? body : [.loop(Loop("j\(axis)", to: shape[axis].index, body))]
    }
  }
}

extension ONNXCall {
  /// Operand `k`, the integers of an addressing, moved into the axes that they run along unless they are known to lie there: ONNX counts
  /// negative ones from the end too, and refuses others.
  mutating func places(_ k: Int, _ addressing: Addressing) throws -> ONNXTensor {
    let (table, axis) = (addressing.table.shape, addressing.axis)
    let bounds = (axis..<axis + addressing.depth).map { table[$0].coefficient }
    let whole = writer.cast(try operand(k), to: .i64)
    if let known = writer.known(inputs[k])?.integers,
      known.enumerated().allSatisfy({ (-bounds[$0.offset % bounds.count]..<bounds[$0.offset % bounds.count]).contains($0.element) })
    {
      return whole
    }
    let shape = addressing.unit == .tuples ? [bounds.count] : []
    let ends = [bounds.map { -$0 }, bounds.map { $0 - 1 }].map { writer.constant(HostTensor($0, shape: shape)) }
    return try writer.pointwise("Min", [writer.pointwise("Max", [whole, ends[0]]), ends[1]])
  }

  /// `values` at the places in operand `k`, put into `table` or combined with it.
  mutating func scattered(
    _ values: ONNXTensor, _ k: Int, into table: ONNXTensor, _ addressing: Addressing, reduction: String
  ) throws -> [ONNXTensor] {
    let (places, axis) = (try places(k, addressing), addressing.axis)
    let reduction = ONNXAttribute.string(reduction)
    switch addressing.unit {
    case .elements:
      return writer.node("ScatterElements", [table, places, values], ["axis": .int(axis), "reduction": reduction], types: results)
    case .tuples:
      guard axis == 0 else { throw unsupported("ONNX cannot scatter by tuples behind common axes") }
      return writer.node("ScatterND", [table, places, values], ["reduction": reduction], types: results)
    case .slices:
      if axis == 0 {
        let rows = try writer.reshape(places, places.shape + [1])
        return writer.node("ScatterND", [table, rows, values], ["reduction": reduction], types: results)
      }
      // Each slice's number, repeated for all of its elements.
      let count = Dimension.product(places.shape) ?? 0
      let flat = try writer.reshape(values, table.shape[..<axis] + [count] + table.shape[(axis + 1)...])
      let numbers = try writer.reshape(places, flat.shape.indices.map { $0 == axis ? count : 1 })
      let repeated = try writer.expand(numbers, to: flat.shape)
      return writer.node("ScatterElements", [table, repeated, flat], ["axis": .int(axis), "reduction": reduction], types: results)
    }
  }
}

extension Dimension {
  /// Whether an axis of this size lies in one of the other size.
  fileprivate func fits(_ other: Dimension) -> Bool {
    self == other || (symbol == nil && other.symbol == nil && coefficient <= other.coefficient)
  }
}
