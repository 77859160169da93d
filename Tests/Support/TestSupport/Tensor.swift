import Basics
import Foundation
import GraphIR
import LoopIR

/// A tensor with concrete sizes; values are bits as `Literal.bits` has them, row major.
struct Tensor: Hashable {
  var element: ElementType
  var shape: [Int]
  var values: [UInt64]

  init(_ element: ElementType, _ shape: [Int], _ values: [UInt64]) {
    self.element = element
    self.shape = shape
    self.values = values
  }

  /// An example's tensor; its floats as `float` when that is given.
  init(_ literal: TensorLiteral, float: ElementType? = nil) {
    element = literal.element.isFloat ? float ?? literal.element : literal.element
    shape = literal.shape
    values = literal.values.map { [element] in Scalar.constant($0, element).literalBits }
  }

  /// From memory, little-endian; what is left over is not read.
  init(_ element: ElementType, _ shape: [Int], bytes: [UInt8]) {
    let size = element.size
    let values = (0..<shape.reduce(1, *)).map { position in
      (0..<size).reduce(UInt64(0)) { $0 | UInt64(bytes[position * size + $1]) << (8 * UInt64($1)) }
    }
    self.init(element, shape, values)
  }

  /// As memory holds it, little-endian.
  var bytes: [UInt8] {
    values.flatMap { bits in (0..<element.size).map { UInt8(truncatingIfNeeded: bits >> (8 * UInt64($0))) } }
  }

  var count: Int { values.count }
  var type: TensorType { TensorType(element, shape.map { Dimension($0) }) }

  /// The values as numbers.
  var doubles: [Double] { values.map { number(Literal(bits: $0, element)) } }

  /// The row-major place of a position; throws outside the tensor.
  func offset(_ position: [Int]) throws -> Int {
    guard position.count == shape.count, zip(position, shape).allSatisfy({ $0 >= 0 && $0 < $1 }) else {
      throw EvaluationError("position \(position) is outside \(shape)")
    }
    return zip(position, shape).reduce(0) { $0 * $1.1 + $1.0 }
  }
}

struct EvaluationError: Error, CustomStringConvertible {
  var description: String
  init(_ description: String) { self.description = description }
}

extension Scalar {
  var literalBits: UInt64 { if case .literal(let literal) = self { literal.bits } else { 0 } }
}

func number(_ literal: Literal) -> Double {
  switch literal {
  case .float(let bits, _): Double(bitPattern: bits)
  case .integer(let value, .u64): Double(UInt64(bitPattern: Int64(value)))
  case .integer(let value, _): Double(value)
  case .bool(let value): value ? 1 : 0
  }
}

/// All positions of a shape, row major.
func positions(_ shape: [Int]) -> [[Int]] {
  shape.reduce([[]]) { positions, size in positions.flatMap { position in (0..<size).map { position + [$0] } } }
}

/// Some numbers that are not special, as a cotangent of a type with known sizes.
func cotangent(_ type: TensorType, _ seed: Int) -> Tensor {
  let numbers = (0..<type.count.coefficient).map { 0.4 + 0.7 * sin(Double($0 * 3 + seed * 5 + 1)) }
  return Tensor(TensorLiteral(numbers, shape: type.shape.map(\.coefficient), element: type.element))
}
