import Basics

/// e^x = 2^n e^r. The power of two is applied in two factors, so that overflow and subnormal results round once.
func exponential(_ element: ElementType) -> ScalarFunction {
  var b = MathBuilder(element)
  let x = Scalar.variable("x")
  let (low, high, extra) = b.isSingle ? (-104.0, 89.0, 64) : (-746.0, 710.0, 512)
  let clamped = b.define("clamped", .binary(.min, .binary(.max, x, b.float(low)), b.float(high)))
  let (shifted, r) = b.reduceByLogarithmOf2(clamped)
  let series = b.define("series", b.exponentialSeries(r))
  let negative = Scalar.compare(.lt, x, b.float(0))
  let first = b.define("first", b.powerOf2(shifted, extra: .select(negative, b.exponent(extra), b.exponent(-extra))))
  let factor = b.isSingle ? 0x1p64 : 0x1p512
  let result = series * first * .select(negative, b.float(1 / factor), b.float(factor))
  return b.finish(.exp, result, "e^x by reduction with ln 2 and a polynomial of degree \(b.isSingle ? 6 : 11)")
}
