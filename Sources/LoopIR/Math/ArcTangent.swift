import Basics

/// atan |x| = base + atan t with |t| <= tan(pi / 8): t is x, (x - 1) / (x + 1) or -1 / x, and base 0, pi/4 or pi/2.
func arcTangent(_ element: ElementType) -> ScalarFunction {
  var b = MathBuilder(element)
  let x = Scalar.variable("x")
  let m = b.define("m", .unary(.abs, x))
  let large = Scalar.compare(.gt, m, b.float(2.414213562373095)), middle = Scalar.compare(.gt, m, b.float(0.4142135623730951))
  let (one, zero) = (b.float(1), b.float(0))
  let above = b.define("above", .select(large, b.float(-1), .select(middle, m - one, m)))
  let below = b.define("below", .select(large, m, .select(middle, m + one, one)))
  let t = b.define("t", above / below)
  let z = b.define("z", t * t)
  let quarter = b.isSingle ? (high: 0x1.921fb6p-1, low: -0x1.777a5cp-26) : (high: 0x1.921fb54442d18p-1, low: 0x1.1a62633145c07p-55)
  func base(_ part: Double) -> Scalar { .select(large, b.float(2 * part), .select(middle, b.float(part), zero)) }
  let small = b.define("small", .fma(t * z, b.polynomial(z, arcTangentCoefficients(single: b.isSingle)), base(quarter.low)))
  let magnitude = b.define("magnitude", base(quarter.high) + (t + small))
  return b.finish(
    .atan, b.copySign(magnitude, x), "atan |x| = atan t + 0, pi/4 or pi/2, an odd polynomial of degree \(b.isSingle ? 11 : 23) in t")
}

/// Of (atan(t) / t - 1) / t² in t², for |t| <= tan(pi / 8).
private func arcTangentCoefficients(single: Bool) -> [Double] {
  single
    ? [-0x1.55554ap-2, 0x1.9991eap-3, -0x1.23ba68p-3, 0x1.b23150p-4, -0x1.f32adep-5]
    : [
      -0x1.5555555555543p-2, 0x1.99999999963a1p-3, -0x1.24924922e90d1p-3, 0x1.c71c70fa785d8p-4, -0x1.745cfaea2501dp-4,
      0x1.3b113a5c4c7f9p-4, -0x1.10ed1465f352dp-4, 0x1.df21b01c9ff7bp-5, -0x1.9d2055dbfa0aap-5, 0x1.388f508cc3de9p-5,
      -0x1.26eb34094f36cp-6,
    ]
}

/// asin x = atan(x / sqrt(1 - x²)); NaN outside -1 ... 1.
func arcSine(_ element: ElementType) -> ScalarFunction {
  var b = MathBuilder(element)
  let x = Scalar.variable("x")
  let cosine = b.define("cosine", .unary(.sqrt, (b.float(1) - x) * (b.float(1) + x)))
  return b.finish(.asin, .call(.atan, [x / cosine]), "asin x = atan(x / sqrt((1 - x) (1 + x)))")
}

/// acos x = 2 atan(sqrt((1 - x) / (1 + x))); NaN outside -1 ... 1.
func arcCosine(_ element: ElementType) -> ScalarFunction {
  var b = MathBuilder(element)
  let x = Scalar.variable("x")
  let half = b.define("half", .unary(.sqrt, (b.float(1) - x) / (b.float(1) + x)))
  return b.finish(.acos, b.float(2) * .call(.atan, [half]), "acos x = 2 atan(sqrt((1 - x) / (1 + x)))")
}
