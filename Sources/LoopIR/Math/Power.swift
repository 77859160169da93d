import Basics

/// x^y in f32: 2^(y log2 |x|) computed in f64, whose 29 further bits make the result as good as rounded.
func powerSingle() -> ScalarFunction {
  var b = MathBuilder(.f64)
  let x = Scalar.variable("x"), y = Scalar.variable("y")
  let wideX = b.define("wide_x", .cast(.f64, x)), wideY = b.define("wide_y", .cast(.f64, y))
  let magnitude = b.define("magnitude", .unary(.abs, wideX))
  let (_, k, m) = b.splitExponent(magnitude)
  let f = b.define("f", m - b.float(1))
  let s = b.define("s", f / (b.float(2) + f))
  let series = b.polynomial(
    s * s,
    [
      0x1.71547652b824fp1, 0x1.ec709dc5401fdp-1, 0x1.2776c28eea352p-1, 0x1.a61a324a50656p-2, 0x1.4794c320fdf78p-2, 0x1.21b9506d03febp-2,
    ])
  let finite = Scalar.select(.compare(.gt, magnitude, b.float(0)), .fma(s, series, k), b.float(-.infinity))
  let logarithm = b.define("logarithm", .select(.compare(.lt, magnitude, b.float(.infinity)), finite, magnitude))
  let product = b.define("product", .binary(.min, .binary(.max, wideY * logarithm, b.float(-400)), b.float(400)))
  let magic = b.float(0x1.8p52)
  let shifted = b.define("shifted", product + magic)
  let r = b.define("r", product - (shifted - magic))
  let exponential = b.polynomial(
    r,
    [
      1, 0x1.62e42fef7b79ep-1, 0x1.ebfbe07ade942p-3, 0x1.c6b08df44c2cap-5, 0x1.3b29f0d7b2999p-7, 0x1.5d8723bbba522p-10,
      0x1.445e8b85d4e79p-13, 0x1.00f12749fffa8p-16,
    ])
  let wide = b.define("power", exponential * b.powerOf2(shifted))
  let result = b.powerResult(.cast(.f32, wide), x, y, .f32)
  let comment = "x^y = 2^(y log2 |x|) in double precision; signs, zeros and infinities as C's pow"
  return ScalarFunction(
    function: .pow, element: .f32, parameters: ["x", "y"], definitions: b.definitions, result: result,
    comment: MathBuilder.comment(comment, .pow, .f32))
}

/// x^y in f64: e^(y log |x|) with the logarithm and the product as sums of two f64.
func powerDouble() -> ScalarFunction {
  var b = MathBuilder(.f64)
  let x = Scalar.variable("x"), y = Scalar.variable("y")
  let magnitude = b.define("magnitude", .unary(.abs, x))
  let (high, low) = b.preciseLogarithm(magnitude)
  let finite = Scalar.select(.compare(.gt, magnitude, b.float(0)), high, b.float(-.infinity))
  let logarithm = b.define("logarithm", .select(.compare(.lt, magnitude, b.float(.infinity)), finite, magnitude))
  let product = b.define("product", y * logarithm)
  let error = b.define("product_low", .fma(y, low, .fma(y, logarithm, -product)))
  let clamped = b.define("clamped", .binary(.min, .binary(.max, product, b.float(-746)), b.float(710)))
  let (shifted, r) = b.reduceByLogarithmOf2(clamped)
  // Where the product was clamped or is infinite its error is meaningless (and may be NaN).
  let correction = Scalar.select(.compare(.eq, clamped, product), error, b.float(0))
  let series = b.define("series", b.exponentialSeries(r + correction))
  let negative = Scalar.compare(.lt, clamped, b.float(0))
  let first = b.define("first", b.powerOf2(shifted, extra: .select(negative, b.exponent(512), b.exponent(-512))))
  let power = b.define("power", series * first * .select(negative, b.float(0x1p-512), b.float(0x1p512)))
  let result = b.powerResult(power, x, y, .f64)
  return b.finish(
    .pow, parameters: ["x", "y"], result,
    "x^y = e^(y log |x|) with a logarithm of twice the precision; signs, zeros and infinities as C's pow")
}

extension MathBuilder {
  /// The sign and the special cases of C's pow around |x|^y.
  fileprivate mutating func powerResult(_ power: Scalar, _ x: Scalar, _ y: Scalar, _ type: ElementType) -> Scalar {
    let (bits, top) = type == .f32 ? (ElementType.u32, 31) : (.u64, 63)
    func number(_ value: Double) -> Scalar { .float(value, type) }
    let whole = define("whole", .compare(.eq, .unary(.trunc, y), y), .bool)
    let halfOfY = define("half_y", y * number(0.5), type)
    let odd = define("odd", .binary(.and, whole, .compare(.ne, .unary(.trunc, halfOfY), halfOfY)), .bool)
    let signBit = Scalar.integer(top, .u32)
    let shift = type == .f32 ? signBit : .integer(top, .u64)
    let sign = Scalar.binary(.shl, .binary(.shr, .bitcast(bits, x), shift), shift)
    let signed = Scalar.bitcast(type, .binary(.or, .bitcast(bits, power), .select(odd, sign, .integer(0, bits))))
    let negative = Scalar.binary(.and, .compare(.lt, x, number(0)), .compare(.gt, x, number(-.infinity)))
    let undefined = define("undefined", .binary(.and, negative, .unary(.not, whole)), .bool)
    let nan = Scalar.bitcast(type, .integer(type == .f32 ? 0x7FC0_0000 : 0x7FF8_0000_0000_0000, bits))
    let invalid = Scalar.binary(.and, undefined, .compare(.eq, y, y))
    let general = define("general", .select(invalid, nan, signed), type)
    let isOne = Scalar.binary(.or, .compare(.eq, y, number(0)), .compare(.eq, x, number(1)))
    // (-1)^(±inf) is 1, as in C.
    let minusOne = Scalar.binary(
      .and, .compare(.eq, x, number(-1)), .compare(.eq, .unary(.abs, y), number(.infinity)))
    return .select(.binary(.or, isOne, minusOne), number(1), general)
  }

  /// log x as a sum of two numbers for positive finite x (f64): about 2^-65 of it.
  fileprivate mutating func preciseLogarithm(_ x: Scalar) -> (high: Scalar, low: Scalar) {
    let subnormal = define("subnormal", .compare(.lt, x, float(0x1p-1022)), .bool)
    let normal = define("normal", .select(subnormal, x * float(0x1p52), x))
    let bias = 0x1p52 + 1023.0
    let (_, k, m) = splitExponent(normal, subtracting: .select(subnormal, float(bias + 52), float(bias)))
    // s = f / (2 + f) as s + s_low; f and 2 + f are exact up to one rounding, whose error is known.
    let f = define("f", m - float(1))
    let d = define("d", m + float(1))
    let dLow = define("d_low", m - (d - float(1)))
    let s = define("s", f / d)
    let sLow = define("s_low", .fma(-s, dLow, .fma(-s, d, f)) / d)
    let z = define("z", s * s)
    let zLow = define("z_low", .fma(s, s, -z) + float(2) * s * sLow)
    // atanh(s) / s = 1 + z/3 + z² R(z).
    let third = define("third", z * float(0x1.5555555555555p-2))
    let thirdLow = define(
      "third_low",
      .fma(z, float(0x1.5555555555555p-2), -third) + .fma(z, float(0x1.5555555555555p-56), zLow * float(0x1.5555555555555p-2)))
    let series = polynomial(
      z,
      [
        0x1.999999999999ap-3, 0x1.2492492492363p-3, 0x1.c71c71c747e9fp-4, 0x1.745d172bc8e86p-4, 0x1.3b13ba5a777f1p-4,
        0x1.110f1c3ccd881p-4, 0x1.e2657de4fcb22p-5, 0x1.a508e35652edcp-5, 0x1.eca2e497b9da4p-5,
      ])
    let rest = define("rest", .fma(z * z, series, thirdLow))
    let w = define("w", third + rest)
    let wLow = define("w_low", rest - (w - third))
    // 2 (s + s_low) (1 + w + w_low).
    let sw = define("sw", s * w)
    let swLow = define("sw_low", .fma(s, w, -sw) + .fma(s, wLow, .fma(sLow, w, sLow)))
    let inner = define("inner", s + sw)
    let innerLow = define("inner_low", (sw - (inner - s)) + swLow)
    // k ln 2 is split so that its first part is exact; its magnitude is above that of 2 atanh(s), or zero.
    let kLn2 = define("k_ln2", k * float(0x1.62e42fefa3800p-1))
    let kLn2Low = define("k_ln2_low", k * float(0x1.ef35793c7673p-45))
    let both = define("both", float(2) * inner)
    let sum = define("sum", kLn2 + both)
    let sumLow = define(
      "sum_low", .select(.compare(.eq, k, float(0)), float(0), both - (sum - kLn2)) + .fma(float(2), innerLow, kLn2Low))
    let high = define("log_high", sum + sumLow)
    return (high, define("log_low", sumLow - (high - sum)))
  }
}
