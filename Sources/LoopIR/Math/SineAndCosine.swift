import Basics

/// sin x or cos x: x = n pi/2 + r, pi/2 in three parts. Sound for |x| <= 2^17 (f32) and 2^45 (f64); beyond, results stay in -1 ... 1 but
/// lose their meaning by and by.
func sineOrCosine(_ function: MathFunction, _ element: ElementType) -> ScalarFunction {
  var b = MathBuilder(element)
  let x = Scalar.variable("x")
  let magic = b.float(b.isSingle ? 0x1.8p23 : 0x1.8p52)
  let halfTurn =
    b.isSingle
    ? [0x1.921fb6p0, -0x1.777a5cp-25, -0x1.ee59dap-50] : [0x1.921fb54442d18p0, 0x1.1a62633145c07p-54, -0x1.f1976b7ed8fbcp-110]
  let shifted = b.define("shifted", .fma(x, b.float(0x1.45f306dc9c883p-1), magic))
  let n = b.define("n", shifted - magic)
  let first = b.define("first", .fma(n, b.float(-halfTurn[0]), x))
  let second = b.define("second", .fma(n, b.float(-halfTurn[1]), first))
  let third = b.define("third", .fma(n, b.float(-halfTurn[2]), second))
  let r = b.define("r", .binary(.min, .binary(.max, third, b.float(-1)), b.float(1)))
  let z = b.define("z", r * r)
  let sine = b.define("sine", .fma(r * z, b.polynomial(z, sineCoefficients(single: b.isSingle)), r))
  let cosine = b.define("cosine", .fma(z * z, b.polynomial(z, cosineCoefficients(single: b.isSingle)), .fma(z, b.float(-0.5), b.float(1))))
  let quarter = b.define("quarter", function == .sin ? b.asBits(shifted) : b.asBits(shifted) + b.integer(1), b.bits)
  let odd = Scalar.compare(.ne, .binary(.and, quarter, b.integer(1)), b.integer(0))
  let value = b.define("value", .select(odd, cosine, sine))
  let sign = Scalar.binary(.shl, .binary(.and, quarter, b.integer(2)), b.integer(b.isSingle ? 30 : 62))
  let signed = b.asFloat(.binary(.xor, b.asBits(value), sign))
  // Keeps the sign of zero.
  let result = function == .sin ? Scalar.select(.compare(.eq, x, b.float(0)), x, signed) : signed
  return b.finish(
    function, result, "\(function.rawValue) x by reduction with pi/2 in three parts, sound for |x| <= 2^\(b.isSingle ? 17 : 45)")
}

/// Of (sin r - r) / r³ in r².
private func sineCoefficients(single: Bool) -> [Double] {
  single
    ? [-0x1.555546p-3, 0x1.11077ap-7, -0x1.9954a4p-13]
    : [
      -0x1.5555555555549p-3, 0x1.111111110f892p-7, -0x1.a01a019c121a8p-13, 0x1.71de3576bc5f5p-19, -0x1.ae5e64a75bb91p-26,
      0x1.5d925d453b1c5p-33,
    ]
}

/// Of (cos r - 1 + r² / 2) / r⁴ in r².
private func cosineCoefficients(single: Bool) -> [Double] {
  single
    ? [0x1.55554ap-5, -0x1.6c0c28p-10, 0x1.99e80cp-16]
    : [
      0x1.555555555554bp-5, -0x1.6c16c16c15005p-10, 0x1.a01a019c8c7dep-16, -0x1.27e4f7ef0e289p-22, 0x1.1ee9d9c75eb0cp-29,
      -0x1.8fa55419ac70bp-37,
    ]
}
