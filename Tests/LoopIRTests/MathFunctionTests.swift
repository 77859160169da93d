import Basics
import LoopIR
import Testing

@Suite struct MathFunctionTests {
  /// The function applied to constants, by folding its definition.
  private func apply(_ function: MathFunction, _ element: ElementType, _ arguments: [Double]) -> Double {
    let call = Scalar.call(function, arguments.map { .float($0, element) })
    guard case .literal(let literal) = call.simplified(), let value = literal.floatValue else {
      Issue.record("\(function) is not folded")
      return .nan
    }
    return value
  }

  /// How far a value is from the exact one, in units in the last place of the type.
  private func ulps(_ value: Double, _ exact: Double, _ element: ElementType) -> Double {
    if value == exact { return 0 }
    let unit = element == .f32 ? Double(Float(exact).ulp) : exact.ulp
    return (value - exact).magnitude / unit
  }

  /// The largest error allowed in these tests; the measured maxima stand in the definitions' comments.
  private func limit(_ function: MathFunction) -> Double {
    function == .normalQuantile ? 6 : function == .tan ? 4 : function == .pow ? 2 : 3
  }

  @Test func valuesInSinglePrecision() {
    for (function, rows) in MathReference.single {
      for row in rows {
        let value = apply(function, .f32, [row.argument])
        #expect(ulps(value, row.value, .f32) <= limit(function), "\(function)(\(row.argument)) is \(value), not \(row.value)")
      }
    }
    for row in MathReference.powerSingle {
      let value = apply(.pow, .f32, [row.x, row.y])
      #expect(ulps(value, row.value, .f32) <= limit(.pow), "pow(\(row.x), \(row.y)) is \(value), not \(row.value)")
    }
  }

  @Test func valuesInDoublePrecision() {
    for (function, rows) in MathReference.double {
      for row in rows {
        let value = apply(function, .f64, [row.argument])
        #expect(ulps(value, row.value, .f64) <= limit(function), "\(function)(\(row.argument)) is \(value), not \(row.value)")
      }
    }
    for row in MathReference.powerDouble {
      let value = apply(.pow, .f64, [row.x, row.y])
      #expect(ulps(value, row.value, .f64) <= limit(.pow), "pow(\(row.x), \(row.y)) is \(value), not \(row.value)")
    }
  }

  /// Function, argument, result; compared with the sign of zeros.
  private static let special: [(MathFunction, Double, Double)] = [
    (.exp, 0, 1), (.exp, -0.0, 1), (.exp, .infinity, .infinity), (.exp, -.infinity, 0), (.exp, 1000, .infinity), (.exp, -1000, 0),
    (.expm1, 0, 0), (.expm1, -0.0, -0.0), (.expm1, .infinity, .infinity), (.expm1, -.infinity, -1), (.expm1, 1e-40, 1e-40),
    (.log, 1, 0), (.log, 0, -.infinity), (.log, -0.0, -.infinity), (.log, .infinity, .infinity), (.log, -1, .nan), (.log, -.infinity, .nan),
    (.log1p, 0, 0), (.log1p, -0.0, -0.0), (.log1p, -1, -.infinity), (.log1p, .infinity, .infinity), (.log1p, -2, .nan),
    (.log1p, 1e-40, 1e-40), (.tanh, 0, 0), (.tanh, -0.0, -0.0), (.tanh, .infinity, 1), (.tanh, -.infinity, -1), (.tanh, 1e-40, 1e-40),
    (.sigmoid, 0, 0.5), (.sigmoid, .infinity, 1), (.sigmoid, -.infinity, 0), (.sigmoid, 1000, 1), (.sigmoid, -1000, 0),
    (.softplus, .infinity, .infinity), (.softplus, -.infinity, 0), (.softplus, 1000, 1000), (.softplus, -1000, 0),
    (.erf, 0, 0), (.erf, -0.0, -0.0), (.erf, .infinity, 1), (.erf, -.infinity, -1), (.erf, 7, 1), (.sin, 0, 0), (.sin, -0.0, -0.0),
    (.sin, .infinity, .nan), (.cos, 0, 1), (.cos, .infinity, .nan), (.normalQuantile, 0.5, 0), (.normalQuantile, 0, -.infinity),
    (.normalQuantile, 1, .infinity), (.tan, 0, 0), (.tan, -0.0, -0.0), (.asin, -0.0, -0.0), (.asin, 1.5, .nan), (.acos, 1, 0),
    (.acos, 2, .nan),
    (.atan, -0.0, -0.0), (.sinh, -0.0, -0.0), (.sinh, .infinity, .infinity), (.sinh, -.infinity, -.infinity), (.sinh, 1e-40, 1e-40),
    (.cosh, 0, 1), (.cosh, -.infinity, .infinity), (.asinh, -0.0, -0.0), (.asinh, .infinity, .infinity), (.asinh, -.infinity, -.infinity),
    (.acosh, 1, 0), (.acosh, 0.5, .nan), (.acosh, .infinity, .infinity), (.atanh, -0.0, -0.0), (.atanh, 1, .infinity),
    (.atanh, -1, -.infinity), (.atanh, 1.5, .nan),
  ]

  @Test(arguments: [ElementType.f32, .f64]) func specialValues(_ element: ElementType) {
    for (function, argument, expected) in Self.special {
      let exact = element == .f32 ? Double(Float(expected)) : expected
      let value = apply(function, element, [argument])
      #expect(same(value, exact), "\(function)(\(argument)) is \(value), not \(exact), in \(element)")
    }
    for function in MathFunction.allCases where function.arity == 1 {
      #expect(apply(function, element, [.nan]).isNaN, "\(function)(nan)")
    }
  }

  private func same(_ a: Double, _ b: Double) -> Bool { a.isNaN && b.isNaN || a == b && a.sign == b.sign }

  /// As C's pow: x, y, result.
  private static let powers: [(Double, Double, Double)] = [
    (2, 0, 1), (.nan, 0, 1), (.nan, -0.0, 1), (1, .nan, 1), (1, .infinity, 1), (-1, .infinity, 1), (-1, -.infinity, 1), (0, 3, 0),
    (-0.0, 3, -0.0), (-0.0, 2, 0), (0, -1, .infinity), (-0.0, -1, -.infinity), (-0.0, -2, .infinity), (0, .infinity, 0),
    (0, -.infinity, .infinity), (0.5, .infinity, 0), (0.5, -.infinity, .infinity), (2, .infinity, .infinity), (2, -.infinity, 0),
    (-2, .infinity, .infinity), (-.infinity, 3, -.infinity), (-.infinity, 2, .infinity), (-.infinity, -3, -0.0),
    (-.infinity, 0.5, .infinity),
    (.infinity, 2, .infinity), (.infinity, -2, 0), (-8, 1.0 / 3, .nan), (-2, 3, -8), (-2, 2, 4), (-2, -1, -0.5), (2, .nan, .nan),
    (.nan, 2, .nan), (10, 400, .infinity), (10, -400, 0), (-10, 399, -.infinity), (3, 1, 3), (0.5, 2, 0.25),
  ]

  @Test(arguments: [ElementType.f32, .f64]) func specialPowers(_ element: ElementType) {
    for (x, y, expected) in Self.powers {
      let value = apply(.pow, element, [x, y])
      #expect(same(value, expected), "pow(\(x), \(y)) is \(value), not \(expected), in \(element)")
    }
  }

  @Test(arguments: MathFunction.allCases) func definitionsAreTyped(_ function: MathFunction) throws {
    for element in function == .randomBits ? [ElementType.u64] : [.f32, .f64] {
      let definition = function.definition(for: element)
      var environment = TypeEnvironment()
      for parameter in definition.parameters { environment.variables[parameter] = element }
      for step in definition.definitions {
        #expect(environment.variables[step.name] == nil, "\(step.name) is defined twice")
        #expect(try step.value.type(in: environment) == step.element)
        environment.variables[step.name] = step.element
      }
      #expect(try definition.result.type(in: environment) == element)
      #expect(definition.parameters.count == function.arity)
      #expect(function == .randomBits || definition.comment.contains("ulp"))
    }
  }

  @Test func calleesComeFirst() {
    #expect(MathFunction.closure(of: [.softplus], for: .f32) == [.exp, .log1p, .softplus])
    #expect(MathFunction.closure(of: [.normalQuantile, .exp], for: .f64) == [.exp, .log, .normalQuantile])
  }
}
