import Basics

extension MathFunction {
  /// The function in the loop language for f32 or f64 (`randomBits` has only one form, on u64).
  public func definition(for element: ElementType) -> ScalarFunction {
    switch self {
    case .exp: exponential(element)
    case .expm1: exponentialMinusOne(element)
    case .log: naturalLogarithm(element)
    case .log1p: logarithmOfOnePlus(element)
    case .tanh: hyperbolicTangent(element)
    case .sigmoid: logisticSigmoid(element)
    case .softplus: softplusFunction(element)
    case .erf: errorFunction(element)
    case .pow: element == .f32 ? powerSingle() : powerDouble()
    case .sin: sineOrCosine(.sin, element)
    case .cos: sineOrCosine(.cos, element)
    case .tan: tangent(element)
    case .asin: arcSine(element)
    case .acos: arcCosine(element)
    case .atan: arcTangent(element)
    case .sinh: hyperbolicSine(element)
    case .cosh: hyperbolicCosine(element)
    case .asinh: inverseHyperbolicSine(element)
    case .acosh: inverseHyperbolicCosine(element)
    case .atanh: inverseHyperbolicTangent(element)
    case .normalQuantile: normalQuantileFunction(element)
    case .randomBits: randomBitsFunction()
    }
  }

  /// The functions that the definition calls, itself excepted.
  public func callees(for element: ElementType) -> Set<MathFunction> {
    let function = definition(for: element)
    return function.definitions.reduce(into: function.result.calledFunctions) { $0.formUnion($1.value.calledFunctions) }
  }

  /// The functions needed to define all of `used`, each after those that it calls; always in the same order.
  public static func closure(of used: Set<MathFunction>, for element: ElementType) -> [MathFunction] {
    var order: [MathFunction] = []
    func visit(_ function: MathFunction) {
      guard !order.contains(function) else { return }
      for callee in MathFunction.allCases where function.callees(for: element).contains(callee) { visit(callee) }
      order.append(function)
    }
    for function in MathFunction.allCases where used.contains(function) { visit(function) }
    return order
  }
}

extension Scalar {
  /// The math functions called anywhere inside, indices included.
  public var calledFunctions: Set<MathFunction> {
    var found: Set<MathFunction> = []
    if case .call(let function, _) = self { found.insert(function) }
    for child in children { found.formUnion(child.calledFunctions) }
    return found
  }
}
