import Basics

/// sinh |x| = (t + t / (t + 1)) / 2 with t = e^|x| - 1; where t alone counts, from the square of e^(|x| / 2), which overflows no sooner
/// than the result.
func hyperbolicSine(_ element: ElementType) -> ScalarFunction {
  var b = MathBuilder(element)
  let x = Scalar.variable("x")
  let m = b.define("m", .unary(.abs, x))
  let limit = b.float(b.isSingle ? 20 : 40)
  let t = b.define("t", .call(.expm1, [.binary(.min, m, limit)]))
  let small = b.define("small", b.float(0.5) * (t + t / (t + b.float(1))))
  let root = b.define("root", .call(.exp, [b.float(0.5) * m]))
  let magnitude = b.define("magnitude", .select(.compare(.gt, m, limit), b.float(0.5) * root * root, small))
  return b.finish(.sinh, b.copySign(magnitude, x), "sinh |x| = (t + t / (t + 1)) / 2, t = e^|x| - 1")
}

/// cosh x = h / 2 + 1 / (2 h), h the square of e^(|x| / 2), halved before it is squared.
func hyperbolicCosine(_ element: ElementType) -> ScalarFunction {
  var b = MathBuilder(element)
  let x = Scalar.variable("x")
  let root = b.define("root", .call(.exp, [b.float(0.5) * .unary(.abs, x)]))
  let half = b.define("half", b.float(0.5) * root * root)
  return b.finish(.cosh, half + b.float(0.25) / half, "cosh x = h + 1 / (4 h), h = e^|x| / 2")
}

/// asinh |x| = log1p(|x| + x² / (1 + sqrt(1 + x²))); log1p(|x| - 1) + ln 2 where x² is all that counts.
func inverseHyperbolicSine(_ element: ElementType) -> ScalarFunction {
  var b = MathBuilder(element)
  let x = Scalar.variable("x")
  let m = b.define("m", .unary(.abs, x))
  let large = Scalar.compare(.gt, m, b.float(0x1p28))
  let bounded = b.define("bounded", .select(large, b.float(1), m))
  let square = b.define("square", bounded * bounded)
  let sum = bounded + square / (b.float(1) + .unary(.sqrt, b.float(1) + square))
  let argument = b.define("argument", .select(large, m - b.float(1), sum))
  let offset = Scalar.select(large, b.float(0x1.62e42fefa39efp-1), b.float(0))
  let magnitude = b.define("magnitude", .call(.log1p, [argument]) + offset)
  return b.finish(.asinh, b.copySign(magnitude, x), "asinh |x| = log1p(|x| + x² / (1 + sqrt(1 + x²)))")
}

/// acosh x = log1p(t + sqrt(t (t + 2))) with t = x - 1; NaN below 1.
func inverseHyperbolicCosine(_ element: ElementType) -> ScalarFunction {
  var b = MathBuilder(element)
  let x = Scalar.variable("x")
  let large = Scalar.compare(.gt, x, b.float(0x1p28))
  let t = b.define("t", .select(large, b.float(1), x) - b.float(1))
  let sum = t + .unary(.sqrt, t * (t + b.float(2)))
  let argument = b.define("argument", .select(large, x - b.float(1), sum))
  let offset = Scalar.select(large, b.float(0x1.62e42fefa39efp-1), b.float(0))
  return b.finish(.acosh, .call(.log1p, [argument]) + offset, "acosh x = log1p(t + sqrt(t (t + 2))), t = x - 1")
}

/// atanh |x| = log1p(2 |x| / (1 - |x|)) / 2; NaN outside -1 ... 1.
func inverseHyperbolicTangent(_ element: ElementType) -> ScalarFunction {
  var b = MathBuilder(element)
  let x = Scalar.variable("x")
  let m = b.define("m", .unary(.abs, x))
  let magnitude = b.define("magnitude", b.float(0.5) * .call(.log1p, [b.float(2) * m / (b.float(1) - m)]))
  return b.finish(.atanh, b.copySign(magnitude, x), "atanh |x| = log1p(2 |x| / (1 - |x|)) / 2")
}
