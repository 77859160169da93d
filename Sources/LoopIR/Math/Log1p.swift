import Basics

/// log(1 + x): 2^k is taken from the rounded sum, f = (1 + x) / 2^k - 1 from x itself with one rounding.
func logarithmOfOnePlus(_ element: ElementType) -> ScalarFunction {
  var b = MathBuilder(element)
  let x = Scalar.variable("x")
  let sum = b.define("sum", b.float(1) + x)
  let (biased, k, m) = b.splitExponent(sum)
  let scale = b.define("scale", b.asFloat(.binary(.shl, b.integer(2 * b.exponentBias) - biased, b.integer(b.significandBits))))
  let large = Scalar.compare(.gt, x, b.float(b.isSingle ? 0x1p40 : 0x1p80))
  let f = b.define("f", .select(large, m - b.float(1), .fma(x, scale, scale - b.float(1))))
  let main = b.define("main", b.logarithm(k, f))
  let degenerate = Scalar.select(.compare(.eq, x, b.float(-1)), b.float(-.infinity), b.notANumber)
  let inDomain = Scalar.select(.compare(.gt, x, b.float(-1)), main, degenerate)
  let finite = Scalar.select(.compare(.lt, x, b.float(.infinity)), inDomain, x)
  // Keeps the sign of zero.
  let result = Scalar.select(.compare(.eq, x, b.float(0)), x, finite)
  return b.finish(.log1p, result, "log(1 + x) = k ln 2 + log(1 + f), f = (1 + x) / 2^k - 1 rounded once")
}
