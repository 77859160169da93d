import Basics

/// 1 / (1 + e^-x), from e^-|x| so that nothing overflows and small results keep their precision.
func logisticSigmoid(_ element: ElementType) -> ScalarFunction {
  var b = MathBuilder(element)
  let x = Scalar.variable("x")
  let (limit, extra) = b.isSingle ? (-104.0, 64) : (-746.0, 512)
  let negative = b.define("negative", .binary(.max, -.unary(.abs, x), b.float(limit)))
  let (shifted, r) = b.reduceByLogarithmOf2(negative)
  let series = b.define("series", b.exponentialSeries(r))
  let power = b.powerOf2(shifted, extra: b.exponent(extra))
  let e = b.define("e", series * power * b.float(b.isSingle ? 0x1p-64 : 0x1p-512))
  let result = Scalar.select(.compare(.lt, x, b.float(0)), e, b.float(1)) / (b.float(1) + e)
  return b.finish(.sigmoid, result, "1 / (1 + e^-x) from e^-|x|")
}
