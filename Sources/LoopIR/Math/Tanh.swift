import Basics

/// tanh |x| = t / (t + 2) with t = e^(2|x|) - 1; relative errors of t matter less the larger it is.
func hyperbolicTangent(_ element: ElementType) -> ScalarFunction {
  var b = MathBuilder(element)
  let x = Scalar.variable("x")
  let doubled = b.define("doubled", .binary(.min, .unary(.abs, x) * b.float(2), b.float(b.isSingle ? 20 : 40)))
  let (shifted, r) = b.reduceByLogarithmOf2(doubled)
  let q = b.exponentialMinusOneSeries(r)
  let power = b.define("power", b.powerOf2(shifted))
  let t = b.define("t", .fma(power, q, power - b.float(1)))
  let magnitude = b.define("magnitude", t / (t + b.float(2)))
  return b.finish(.tanh, b.copySign(magnitude, x), "tanh |x| = t / (t + 2), t = e^(2|x|) - 1")
}
