import Basics
import GraphIR
import LoopIR

/// The element type of the only operand, which must be a float.
func requireFloat(_ name: String, _ operands: [ElementType]) throws -> ElementType {
  guard operands[0].isFloat else { throw TypeError("\(name) needs f32 or f64, got \(operands[0].rawValue)") }
  return operands[0]
}

/// The element type of the only operand, which must not be bool.
func requireNumber(_ name: String, _ operands: [ElementType]) throws -> ElementType {
  guard operands[0] != .bool else { throw TypeError("\(name) needs numbers, got bool") }
  return operands[0]
}

/// The element type of the only operand, which must have a sign.
func requireSigned(_ name: String, _ operands: [ElementType]) throws -> ElementType {
  guard operands[0].isFloat || operands[0].isInteger && !operands[0].isUnsigned else {
    throw TypeError("\(name) needs floats or signed integers, got \(operands[0].rawValue)")
  }
  return operands[0]
}

/// The common element type of the operands.
func requireEqualElements(_ name: String, _ operands: [ElementType]) throws -> ElementType {
  guard operands.allSatisfy({ $0 == operands[0] }) else {
    throw TypeError(
      "\(name) needs operands of one element type, got \(operands.map(\.rawValue).joined(separator: " and ")); cast one of them")
  }
  return operands[0]
}

/// The common element type of the operands, which must not be bool.
func requireNumbers(_ name: String, _ operands: [ElementType]) throws -> ElementType {
  try requireNumber(name, [requireEqualElements(name, operands)])
}

/// The common element type of the operands, which must be a float.
func requireFloats(_ name: String, _ operands: [ElementType]) throws -> ElementType {
  try requireFloat(name, [requireEqualElements(name, operands)])
}

/// The common element type of the operands, which must be an integer.
func requireIntegers(_ name: String, _ operands: [ElementType]) throws -> ElementType {
  let element = try requireEqualElements(name, operands)
  guard element.isInteger else { throw TypeError("\(name) needs integers, got \(element.rawValue)") }
  return element
}

/// Bool, when all operands are bool.
func requireBools(_ name: String, _ operands: [ElementType]) throws -> ElementType {
  guard operands.allSatisfy({ $0 == .bool }) else {
    throw TypeError("\(name) needs bool operands, got \(operands.map(\.rawValue).joined(separator: " and "))")
  }
  return .bool
}

/// Throws unless there are as many operands as the operator has names for.
func requireCount(_ op: any Operator.Type, _ operands: [TensorType]) throws {
  guard operands.count == op.operandNames.count else {
    throw TypeError(
      "\(op.name) takes \(op.operandNames.count) operands (\(op.operandNames.joined(separator: ", "))), got \(operands.count)")
  }
}

/// The axis counted from the front; a negative one counts from the end.
func resolveAxis(_ name: String, _ axis: Int, _ x: TensorType) throws -> Int {
  let resolved = axis < 0 ? axis + x.rank : axis
  guard (0..<x.rank).contains(resolved) else {
    throw TypeError("\(name): axis \(axis) does not fit \(x); it must lie in \(-x.rank) ..< \(x.rank)")
  }
  return resolved
}

/// The size of an axis that must be known at compile time.
func requireConstant(_ name: String, axis: Int, of x: TensorType) throws -> Int {
  guard let size = x.shape[axis].constant else {
    throw TypeError("\(name): axis \(axis) of \(x) must have a size known at compile time")
  }
  return size
}

/// The type with other sizes along the last axes, whose own sizes must be known at compile time.
func resizedType(_ name: String, _ x: TensorType, _ sizes: [Int]) throws -> TensorType {
  guard !sizes.isEmpty, sizes.count <= x.rank, sizes.allSatisfy((1...1 << 20).contains) else {
    throw TypeError("\(name) of \(x) needs a size from 1 to \(1 << 20) for each of the last axes that change, got \(sizes)")
  }
  let first = x.rank - sizes.count
  for axis in first..<x.rank { _ = try requireConstant(name, axis: axis, of: x) }
  return TensorType(x.element, x.shape.prefix(first) + sizes.map { Dimension($0) })
}
