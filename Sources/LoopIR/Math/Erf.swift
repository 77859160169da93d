import Basics

/// erf x: an odd polynomial for small |x|, 1 - e^L(|x|) above, L a polynomial fitted to the logarithm of erfc.
func errorFunction(_ element: ElementType) -> ScalarFunction {
  var b = MathBuilder(element)
  let x = Scalar.variable("x")
  let (split, limit, center) = b.isSingle ? (0.92, 3.95, 2.0) : (1.0, 5.95, 3.0)
  let magnitude = b.define("magnitude", .unary(.abs, x))
  let z = b.define("z", x * x)
  let central = b.define("central", .fma(x, b.polynomial(z, centralCoefficients(single: b.isSingle)), x))
  let u = b.define("u", .binary(.min, magnitude, b.float(limit)) - b.float(center))
  let exponent = b.define("exponent", b.polynomial(u, tailCoefficients(single: b.isSingle)))
  let (shifted, r) = b.reduceByLogarithmOf2(exponent)
  let complement = b.define("complement", b.exponentialSeries(r) * b.powerOf2(shifted))
  let tail = b.copySign(b.float(1) - complement, x)
  let result = Scalar.select(.compare(.lt, magnitude, b.float(split)), central, tail)
  return b.finish(.erf, result, "erf x: an odd polynomial below \(split), 1 - e^polynomial(|x|) above")
}

/// Of erf(x) / x - 1 in x².
private func centralCoefficients(single: Bool) -> [Double] {
  single
    ? [0x1.06eba8p-3, -0x1.81274p-2, 0x1.ce2d64p-4, -0x1.b80118p-6, 0x1.5449e4p-8, -0x1.a606cp-11, 0x1.4f561ap-14]
    : [
      0x1.06eba8214db69p-3, -0x1.812746b037a25p-2, 0x1.ce2f21a0458e2p-4, -0x1.b82ce313552d4p-6, 0x1.565bcd2c7826bp-8,
      -0x1.c02db9380ea78p-11, 0x1.f9a3ba03702d9p-14, -0x1.f4dd00dcb5e09p-17, 0x1.ba69f7cb34f02p-20, -0x1.63993161c3edbp-23,
      0x1.13529321e548p-26, -0x1.c609eec6ca10fp-30, 0x1.3d8a6d1967ac4p-33,
    ]
}

/// Of log(erfc(center + u)) in u.
private func tailCoefficients(single: Bool) -> [Double] {
  single
    ? [
      -0x1.575b32p2, -0x1.1ac324p2, -0x1.d8f65ap-1, -0x1.0dfbc8p-6, 0x1.d3130ep-9, -0x1.7559cp-11, 0x1.55bde4p-13, -0x1.a81144p-17,
    ]
    : [
      -0x1.570d36cb51caap3, -0x1.9370b35013bcap2, -0x1.ea2f933641f4p-1, -0x1.e5bee8d9e7b11p-8, 0x1.62c320541334ap-10,
      -0x1.01a07c0cb9e08p-12, 0x1.696559a35b79fp-15, -0x1.dd82eec6e7c6ep-18, 0x1.1f15cbdc660e2p-20, -0x1.2430d13622023p-23,
      0x1.89eddf5a38f44p-27, 0x1.22bf018180317p-31, -0x1.7d80a5564e65fp-31, 0x1.a264f2cb29282p-33, -0x1.1c6b41d34183cp-37,
      0x1.e37da0550a75p-36, -0x1.e3b584f1d684fp-41, -0x1.99fe538ac47b4p-39, -0x1.5cf30f818a7ffp-40, -0x1.91b9814f24574p-43,
    ]
}
