import Basics

/// tan x, sound where sine and cosine are.
func tangent(_ element: ElementType) -> ScalarFunction {
  var b = MathBuilder(element)
  let x = Scalar.variable("x")
  let sine = b.define("sine", .call(.sin, [x]))
  let cosine = b.define("cosine", .call(.cos, [x]))
  return b.finish(.tan, sine / cosine, "tan x = sin x / cos x, sound for |x| <= 2^\(b.isSingle ? 17 : 45)")
}
