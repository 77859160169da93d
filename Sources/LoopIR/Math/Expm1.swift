import Basics

/// e^x - 1 = 2^n (e^r - 1) + (2^n - 1); half of it is computed, so that 2^n stays finite wherever the result is.
func exponentialMinusOne(_ element: ElementType) -> ScalarFunction {
  var b = MathBuilder(element)
  let x = Scalar.variable("x")
  let (low, high) = b.isSingle ? (-30.0, 89.0) : (-60.0, 710.0)
  let clamped = b.define("clamped", .binary(.min, .binary(.max, x, b.float(low)), b.float(high)))
  let (shifted, r) = b.reduceByLogarithmOf2(clamped)
  let q = b.exponentialMinusOneSeries(r)
  let half = b.define("half", b.powerOf2(shifted, extra: b.exponent(-1)))
  let main = b.float(2) * .fma(half, q, half - b.float(0.5))
  let tiny = Scalar.compare(.lt, .unary(.abs, x), b.float(b.isSingle ? 0x1p-25 : 0x1p-54))
  return b.finish(.expm1, .select(tiny, x, main), "e^x - 1 by reduction with ln 2 and a polynomial of degree \(b.isSingle ? 6 : 12)")
}
