import Basics

/// 64 random bits for a seed, a key and a counter: B. Widynski, Squares: a fast counter-based RNG, arXiv 2004.06278 (2020), in its 64-bit
/// form; its key is seed + key times the golden ratio, mixed by the 13th variant of D. Stafford's finalizer and made odd. The upper 32 bits
/// are those of the 32-bit form.
func randomBitsFunction() -> ScalarFunction {
  let u64 = { (value: UInt64) in Scalar.integer(Int(bitPattern: UInt(value)), .u64) }
  var definitions: [ScalarFunction.Definition] = []
  func define(_ name: String, _ value: Scalar) -> Scalar {
    definitions.append(.init(name, .u64, value))
    return .variable(name)
  }
  func mix(_ name: String, _ x: Scalar, _ shift: UInt64, _ factor: UInt64) -> Scalar {
    define(name, .binary(.xor, x, .binary(.shr, x, u64(shift))) * u64(factor))
  }
  func halvesExchanged(_ name: String, _ x: Scalar) -> Scalar {
    define(name, .binary(.or, .binary(.shr, x, u64(32)), .binary(.shl, x, u64(32))))
  }
  let mixed1 = define("mixed1", .variable("seed") + .variable("key") * u64(0x9E37_79B9_7F4A_7C15))
  let mixed2 = mix("mixed2", mixed1, 30, 0xBF58_476D_1CE4_E5B9)
  let mixed3 = mix("mixed3", mixed2, 27, 0x94D0_49BB_1331_11EB)
  let odd = define("odd", .binary(.or, .binary(.xor, mixed3, .binary(.shr, mixed3, u64(31))), u64(1)))
  let y = define("y", .variable("counter") * odd)
  let z = define("z", y + odd)
  var x = y
  for (round, addend) in [y, z, y].enumerated() {
    let square = define("square\(round + 1)", x * x + addend)
    x = halvesExchanged("x\(round + 1)", square)
  }
  let upper = define("upper", x * x + z)
  x = halvesExchanged("x4", upper)
  return ScalarFunction(
    function: .randomBits, element: .u64, parameters: ["seed", "key", "counter"], definitions: definitions,
    result: .binary(.xor, upper, .binary(.shr, x * x + y, u64(32))),
    comment: "64 random bits by Widynski's counter-based generator Squares (2020)")
}
