import Basics

/// The p-quantile of the standard normal distribution for p in (0, 1); -inf at 0, inf at 1. M. J. Wichura, Algorithm AS 241: The percentage
/// points of the normal distribution, Applied Statistics 37 (1988) 477-484; the coefficients of PPND7 (f32) and PPND16 (f64).
func normalQuantileFunction(_ element: ElementType) -> ScalarFunction {
  var b = MathBuilder(element)
  let p = Scalar.variable("p")
  let table = b.isSingle ? NormalQuantileTable.single : NormalQuantileTable.double
  let q = b.define("q", p - b.float(0.5))
  let centralArgument = b.define("central_argument", .fma(-q, q, b.float(0.180625)))
  let central = b.define("central", q * b.rational(centralArgument, table.central))
  let outside = b.define("outside", .binary(.min, p, b.float(1) - p))
  let s = b.define("s", .unary(.sqrt, -.call(.log, [outside])))
  let near = b.define("near", b.rational(s - b.float(1.6), table.near))
  let far = b.define("far", b.rational(s - b.float(5), table.far))
  let finite = Scalar.select(.compare(.le, s, b.float(5)), near, far)
  let tail = b.define("tail", .select(.compare(.eq, s, b.float(.infinity)), s, finite))
  let result = Scalar.select(.compare(.le, .unary(.abs, q), b.float(0.425)), central, b.copySign(tail, q))
  let comment = "the normal quantile by Wichura's AS 241 (\(b.isSingle ? "PPND7" : "PPND16"))"
  return b.finish(.normalQuantile, parameters: ["p"], result, comment)
}

extension MathBuilder {
  fileprivate func rational(_ x: Scalar, _ table: NormalQuantileTable.Rational) -> Scalar {
    polynomial(x, table.numerator) / polynomial(x, [1] + table.denominator)
  }
}

/// Coefficients from the lowest power up; denominators begin with 1, left out.
private struct NormalQuantileTable {
  struct Rational {
    var numerator: [Double]
    var denominator: [Double]
  }

  var central: Rational
  var near: Rational
  var far: Rational

  static let single = NormalQuantileTable(
    central: Rational(
      numerator: [3.3871327179, 50.434271938, 159.29113202, 59.109374720], denominator: [17.895169469, 78.757757664, 67.187563600]),
    near: Rational(numerator: [1.4234372777, 2.7568153900, 1.3067284816, 0.17023821103], denominator: [0.73700164250, 0.12021132975]),
    far: Rational(numerator: [6.6579051150, 3.0812263860, 0.42868294337, 0.017337203997], denominator: [0.24197894225, 0.012258202635]))

  static let double = NormalQuantileTable(
    central: Rational(
      numerator: [
        3.3871328727963666080e0, 1.3314166789178437745e+2, 1.9715909503065514427e+3, 1.3731693765509461125e+4, 4.5921953931549871457e+4,
        6.7265770927008700853e+4, 3.3430575583588128105e+4, 2.5090809287301226727e+3,
      ],
      denominator: [
        4.2313330701600911252e+1, 6.8718700749205790830e+2, 5.3941960214247511077e+3, 2.1213794301586595867e+4, 3.9307895800092710610e+4,
        2.8729085735721942674e+4, 5.2264952788528545610e+3,
      ]),
    near: Rational(
      numerator: [
        1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
        1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4,
      ],
      denominator: [
        2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1, 1.48103976427480074590e-1,
        1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9,
      ]),
    far: Rational(
      numerator: [
        6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1,
        2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7,
      ],
      denominator: [
        5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2, 7.86869131145613259100e-4,
        1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15,
      ]))
}
