import Basics

/// log(1 + e^x) = max(x, 0) + log1p(e^-|x|).
func softplusFunction(_ element: ElementType) -> ScalarFunction {
  var b = MathBuilder(element)
  let x = Scalar.variable("x")
  let e = b.define("e", .call(.exp, [-.unary(.abs, x)]))
  return b.finish(.softplus, .binary(.max, x, b.float(0)) + .call(.log1p, [e]), "log(1 + e^x) = max(x, 0) + log1p(e^-|x|)")
}
