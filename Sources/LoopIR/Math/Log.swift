import Basics

/// log(2^k (1 + f)) = k ln 2 + log(1 + f).
func naturalLogarithm(_ element: ElementType) -> ScalarFunction {
  var b = MathBuilder(element)
  let x = Scalar.variable("x")
  let (smallest, factor, shift) = b.isSingle ? (0x1p-126, 0x1p23, 23.0) : (0x1p-1022, 0x1p52, 52.0)
  let subnormal = b.define("subnormal", .compare(.lt, x, b.float(smallest)), .bool)
  let normal = b.define("normal", .select(subnormal, x * b.float(factor), x))
  let bias = (b.isSingle ? 0x1p23 : 0x1p52) + Double(b.exponentBias)
  let (_, k, m) = b.splitExponent(normal, subtracting: .select(subnormal, b.float(bias + shift), b.float(bias)))
  let f = b.define("f", m - b.float(1))
  let main = b.define("main", b.logarithm(k, f))
  let degenerate = Scalar.select(.compare(.eq, x, b.float(0)), b.float(-.infinity), b.notANumber)
  let positive = Scalar.select(.compare(.gt, x, b.float(0)), main, degenerate)
  let comment = b.isSingle ? "a polynomial of degree 11" : "a polynomial in (f / (2 + f))² of degree 7"
  return b.finish(.log, .select(.compare(.lt, x, b.float(.infinity)), positive, x), "log x = k ln 2 + log(1 + f), \(comment)")
}
