import Basics
import GraphIR
import LoopIR

/// What the random operators share: operands are the seed (u64) and the step (i64), both scalars; the numbers are a pure function of
/// seed, key, step and element, whatever the threads and the order.
enum RandomNumbers {
  static func check(_ op: any Operator.Type, _ operands: [TensorType], _ result: TensorType) throws {
    try requireCount(op, operands)
    guard operands[0] == TensorType(.u64, []), operands[1] == TensorType(.i64, []) else {
      throw TypeError("\(op.name) needs a seed u64[] and a step i64[], got \(operands[0]) and \(operands[1])")
    }
    guard result.element.isFloat else { throw TypeError("\(op.name) makes f32 or f64, not \(result.element.rawValue)") }
  }

  /// The upper `count` of the 64 random bits of the result's element as a number of its type. Steps are 2^32 counters apart.
  static func bits(_ count: Int, key: UInt64, _ result: TensorType) -> Scalar {
    let position = result.offset(result.shape.indices.map { .variable("i\($0)") })
    let step = Scalar.binary(.shl, .cast(.u64, .element(1, [])), .integer(32, .u64))
    let key = Scalar.integer(Int(bitPattern: UInt(key)), .u64)
    let bits = Scalar.call(.randomBits, [.element(0, []), key, step + .index(position, .u64)])
    return .cast(result.element, .binary(.shr, bits, .integer(64 - count, .u64)))
  }
}

/// The key of a random operator in the layer of that path: the 64-bit FNV-1a hash of its UTF-8.
public func randomKey(_ path: String) -> UInt64 {
  path.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
}
