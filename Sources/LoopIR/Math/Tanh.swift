import Basics

/// tanh |x| = -t / (2 + t) with t = e^(-2|x|) - 1.
func hyperbolicTangent(_ element: ElementType) -> ScalarFunction {
  var b = MathBuilder(element)
  let x = Scalar.variable("x")
  let doubled = b.define(
    "doubled", .binary(.max, .unary(.abs, x) * b.float(-2), b.float(b.isSingle ? -20 : -40)))
  let (shifted, r) = b.reduceByLogarithmOf2(doubled)
  let q = b.exponentialMinusOneSeries(r)
  let power = b.define("power", b.powerOf2(shifted))
  let t = b.define("t", .fma(power, q, power - b.float(1)))
  let magnitude = b.define("magnitude", -t / (b.float(2) + t))
  return b.finish(.tanh, b.copySign(magnitude, x), "tanh |x| = -t / (2 + t), t = e^(-2|x|) - 1")
}
