import Basics

/// Collects the definitions of a `ScalarFunction` and knows the layout of its element type. Everything built with it is free of branches
/// (both sides of a `select` are cheap and safe), so that loops over the function become vector code.
struct MathBuilder {
  let element: ElementType
  private(set) var definitions: [ScalarFunction.Definition] = []

  init(_ element: ElementType) {
    precondition(element.isFloat, "math functions are defined for f32 and f64")
    self.element = element
  }

  var isSingle: Bool { element == .f32 }
  /// The unsigned integer of the same size.
  var bits: ElementType { isSingle ? .u32 : .u64 }
  /// Bits of the stored significand.
  var significandBits: Int { isSingle ? 23 : 52 }
  /// The exponent of 1 as stored.
  var exponentBias: Int { isSingle ? 127 : 1023 }

  /// A name for a value.
  mutating func define(_ name: String, _ value: Scalar, _ type: ElementType? = nil) -> Scalar {
    definitions.append(.init(name, type ?? element, value))
    return .variable(name)
  }

  func float(_ value: Double) -> Scalar { .float(value, element) }
  func integer(_ value: Int) -> Scalar { .integer(value, bits) }
  func asBits(_ value: Scalar) -> Scalar { .bitcast(bits, value) }
  func asFloat(_ value: Scalar) -> Scalar { .bitcast(element, value) }
  /// A quiet NaN.
  var notANumber: Scalar { asFloat(integer(isSingle ? 0x7FC0_0000 : 0x7FF8_0000_0000_0000)) }

  /// c[0] + c[1] x + c[2] x² + …, by Horner's rule with fused multiply-add.
  func polynomial(_ x: Scalar, _ coefficients: [Double]) -> Scalar {
    coefficients.dropLast().reversed().reduce(float(coefficients.last!)) { .fma($0, x, float($1)) }
  }

  /// `magnitude` (not negative, or NaN) with the sign of `sign`; keeps the sign of zeros.
  func copySign(_ magnitude: Scalar, _ sign: Scalar) -> Scalar {
    let top = integer(isSingle ? 31 : 63)
    return asFloat(.binary(.or, asBits(magnitude), .binary(.shl, .binary(.shr, asBits(sign), top), top)))
  }

  func finish(_ function: MathFunction, parameters: [String] = ["x"], _ result: Scalar, _ comment: String) -> ScalarFunction {
    ScalarFunction(
      function: function, element: element, parameters: parameters, definitions: definitions, result: result,
      comment: Self.comment(comment, function, element))
  }

  /// The comment with the measured error.
  static func comment(_ text: String, _ function: MathFunction, _ element: ElementType) -> String {
    let errors = largestErrors[function]!
    return "\(text); error up to \(element == .f32 ? errors.single : errors.double) ulp"
  }

  /// Largest differences from long double (from 40 digits for the quantile) that were seen on more than a million arguments (1,500 for the
  /// quantile) of each function's whole range, in units in the last place.
  private static let largestErrors: [MathFunction: (single: Double, double: Double)] = [
    .exp: (0.9, 0.9), .expm1: (1.6, 1.8), .log: (0.8, 0.8), .log1p: (1.4, 1.4), .tanh: (2.5, 2.6), .sigmoid: (2.4, 2.1),
    .softplus: (1.6, 1.6), .erf: (1.7, 2.1), .pow: (0.6, 1.3), .sin: (1.6, 1.6), .cos: (1.6, 1.6), .normalQuantile: (5.3, 4.9),
    .tan: (3.5, 3.4), .asin: (2.9, 2.8), .acos: (2.6, 2.5), .atan: (1.9, 1.8), .sinh: (2.7, 2.7), .cosh: (3, 3), .asinh: (1.8, 1.7),
    .acosh: (2.3, 2.5), .atanh: (2.1, 2),
  ]
}

// The exponential functions share one reduction: x = n ln 2 + r with |r| <= ln 2 / 2.
extension MathBuilder {
  var logarithmOf2: (high: Double, low: Double) {
    isSingle ? (0x1.62e43p-1, -0x1.05c61p-29) : (0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56)
  }

  /// Defines `shifted` (n in its low bits) and `r`. Adding 1.5 * 2^significandBits rounds to an integer and leaves it in the low bits: no
  /// conversion between floats and integers is needed.
  mutating func reduceByLogarithmOf2(_ x: Scalar) -> (shifted: Scalar, r: Scalar) {
    let magic = float(isSingle ? 0x1.8p23 : 0x1.8p52)
    let shifted = define("shifted", .fma(x, float(0x1.71547652b82fep0), magic))
    let n = define("n", shifted - magic)
    let high = define("reduced", .fma(n, float(-logarithmOf2.high), x))
    return (shifted, define("r", .fma(n, float(-logarithmOf2.low), high)))
  }

  /// 2^(n + extra) as a float, for n in the low bits of `shifted`; n + extra is a normal exponent.
  func powerOf2(_ shifted: Scalar, extra: Scalar? = nil) -> Scalar {
    let one = extra ?? integer(exponentBias << significandBits)
    return asFloat(.binary(.shl, asBits(shifted), integer(significandBits)) + one)
  }

  /// The stored exponent 1 with `extra` added, for `powerOf2`.
  func exponent(_ extra: Int) -> Scalar { integer((exponentBias + extra) << significandBits) }

  /// e^r for |r| <= ln 2 / 2.
  func exponentialSeries(_ r: Scalar) -> Scalar {
    let tail =
      isSingle
      ? [0x1.fffffcp-2, 0x1.55548cp-3, 0x1.555858p-5, 0x1.123ddep-7, 0x1.6ac722p-10]
      : [
        0x1.000000000000ap-1, 0x1.5555555555503p-3, 0x1.555555555060bp-5, 0x1.1111111124d5dp-7, 0x1.6c16c184b24ddp-10,
        0x1.a01a013d1fe8fp-13, 0x1.a019989cb8a2p-16, 0x1.71def52692eadp-19, 0x1.28aec32034d51p-22, 0x1.add47a3d8b9dcp-26,
      ]
    return polynomial(r, [1, 1] + tail)
  }

  /// Defines `q` = e^r - 1 for |r| <= ln 2 / 2, with small relative error.
  mutating func exponentialMinusOneSeries(_ r: Scalar) -> Scalar {
    let tail =
      isSingle
      ? [0x1.fffffep-2, 0x1.5554aap-3, 0x1.55579ep-5, 0x1.122c7ep-7, 0x1.6ab24ap-10]
      : [
        0x1p-1, 0x1.5555555555559p-3, 0x1.5555555555558p-5, 0x1.111111110f724p-7, 0x1.6c16c16c177b8p-10, 0x1.a01a01af9425p-13,
        0x1.a01a0197fbb7ap-16, 0x1.71ddf942edbf5p-19, 0x1.27e507fd09ea8p-22, 0x1.af5d06c242dbdp-26, 0x1.1f1fc25d5767fp-29,
      ]
    let tailValue = define("tail", polynomial(r, tail))
    return define("q", .fma(r * r, tailValue, r))
  }
}

// The logarithms share one reduction: x = 2^k (1 + f) with 1 + f between sqrt(1/2) and sqrt(2).
extension MathBuilder {
  private var rootOfHalf: Int { isSingle ? 0x3F35_04F3 : 0x3FE6_A09E_667F_3BCD }
  private var one: Int { exponentBias << significandBits }

  /// Defines `biased` (k plus the exponent bias, as bits), `k` and `m` = 1 + f, for positive normal x.
  mutating func splitExponent(_ x: Scalar, subtracting extra: Scalar? = nil) -> (biased: Scalar, k: Scalar, m: Scalar) {
    let moved = define("moved", asBits(x) + integer(one - rootOfHalf), bits)
    let biased = define("biased", .binary(.shr, moved, integer(significandBits)), bits)
    // An integer below 2^significandBits in the low bits of 2^significandBits is the sum of the two.
    let base = isSingle ? 0x1p23 : 0x1p52
    let wide = asFloat(.binary(.or, biased, integer((exponentBias + significandBits) << significandBits)))
    let k = define("k", wide - (extra ?? float(base + Double(exponentBias))))
    let fraction = Scalar.binary(.and, moved, integer((1 << significandBits) - 1))
    return (biased, k, define("m", asFloat(fraction + integer(rootOfHalf))))
  }

  /// k ln 2 + log(1 + f).
  mutating func logarithm(_ k: Scalar, _ f: Scalar) -> Scalar {
    let low = k * float(logarithmOf2.low)
    if isSingle {
      let tail = define(
        "tail",
        polynomial(
          f,
          [
            0x1.555548p-2, -0x1.ffffbcp-3, 0x1.99a38ap-3, -0x1.5566cp-3, 0x1.2359d8p-3, -0x1.fb5cd2p-4, 0x1.e46f7ap-4, -0x1.e0042p-4,
            0x1.1a872ap-4,
          ]))
      let square = define("square", f * f)
      let small = define("small", .fma(square * f, tail, .fma(square, float(-0.5), low)))
      return .fma(k, float(logarithmOf2.high), f + small)
    }
    // With s = f / (2 + f): log(1 + f) = f - (h - s (h + R)), h = f² / 2, R = log((1 + s) / (1 - s)) / s - 2.
    let s = define("s", f / (float(2) + f))
    let z = define("z", s * s)
    let series = polynomial(
      z,
      [
        0x1.5555555555593p-1, 0x1.999999997f9f3p-2, 0x1.249249422aac4p-2, 0x1.c71c51d76db65p-3, 0x1.746649c55bc8fp-3,
        0x1.39a093369e435p-3, 0x1.2f1197f85747dp-3,
      ])
    let remainder = define("remainder", z * series)
    let half = define("half", float(0.5) * f * f)
    let small = define("small", half - .fma(s, half + remainder, low))
    return .fma(k, float(logarithmOf2.high), f - small)
  }
}
