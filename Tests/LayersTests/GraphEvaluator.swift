import Basics
import Foundation
import GraphIR
import LoopIR
import TestSupport

/// A tensor with values; those of integers and bools are whole numbers.
struct Values: Equatable {
  var element: ElementType
  var shape: [Int]
  var numbers: [Number]

  init(_ values: [Double], shape: [Int]? = nil, _ element: ElementType = .f64) {
    self.element = element
    self.shape = shape ?? [values.count]
    numbers = values.map { Number($0, element) }
  }

  init(element: ElementType, shape: [Int], numbers: [Number]) {
    self.element = element
    self.shape = shape
    self.numbers = numbers
  }

  static func scalar(_ value: Double, _ element: ElementType = .f64) -> Values { Values([value], shape: [], element) }

  var doubles: [Double] { numbers.map(\.double) }
}

/// One number of an element type: floats in `real`, the others in the bits of `whole`.
struct Number: Equatable {
  var element: ElementType
  var real = 0.0
  var whole: UInt64 = 0

  init(_ value: Double, _ element: ElementType) {
    self.element = element
    if element.isFloat { real = element == .f32 ? Double(Float(value)) : value } else { whole = UInt64(bitPattern: Int64(value)) }
  }

  init(bits: UInt64, _ element: ElementType) {
    self.element = element
    switch element {
    case .u8: whole = bits & 0xff
    case .bool: whole = bits & 1
    case .u32: whole = bits & 0xffff_ffff
    case .i32: whole = UInt64(bitPattern: Int64(Int32(truncatingIfNeeded: bits)))
    default: whole = bits
    }
  }

  var signed: Int64 { Int64(bitPattern: whole) }
  var double: Double { element.isFloat ? real : element.isUnsigned || element == .bool ? Double(whole) : Double(signed) }
  var isTrue: Bool { whole != 0 }
}

/// Computes graphs by the lowering rules of their operators, one element at a time, with the C library's mathematical functions: slow,
/// and independent of the compiler's passes and approximations.
struct GraphEvaluator {
  var symbols: [String: Int]
  private var graph: Graph
  private var values: [[Values]] = []

  /// All node values; `leaf` gives those of leaves.
  init(_ graph: Graph, n: Int, leaf: (Leaf, TensorType) throws -> Values) throws {
    self.graph = graph
    symbols = ["n": n]
    for node in graph.nodes {
      switch node.kind {
      case .leaf(let name): values.append([try leaf(name, node.types[0])])
      case .apply(let op, let operands): values.append(try apply(op, operands.map { values[$0.rawValue][0] }, operands, node))
      }
    }
  }

  subscript(_ id: ValueID) -> Values { values[id.rawValue][0] }

  private func sizes(_ type: TensorType) -> [Int] { type.shape.map { $0.coefficient * ($0.symbol.map { symbols[$0]! } ?? 1) } }

  private func apply(_ op: any Operator, _ x: [Values], _ operands: [ValueID], _ node: Node) throws -> [Values] {
    if let element = op as? Element { return [values[operands[0].rawValue][element.index]] }
    let types = operands.map { graph.type($0) }
    switch op.lowering(types, node.types) {
    case .map(let scalar):
      return [try fill(node.types[0]) { indices in scalarValue(scalar, Scope(x, indices, [], symbols)) }]
    case .reduction(let reduction):
      let extents = reduction.extents.map { $0.coefficient * ($0.symbol.map { symbols[$0]! } ?? 1) }
      return [
        try fill(node.types[0]) { indices in
          positions(extents).reduce(neutral(reduction.combiner, node.types[0].element)) { total, reduced in
            let value = scalarValue(reduction.body, Scope(x, indices, reduced, symbols))
            return combine(reduction.combiner, total, value)
          }
        }
      ]
    case .contraction(let contraction): return [try product(contraction, x, node.types[0])]
    case .convolution(let convolution): return [convolve(convolution, x[0], x[1], node.types[0])]
    case .composite(let build):
      var builder = GraphBuilder(name: "expansion", symbols: graph.symbols)
      let leaves = types.indices.map { builder.leaf(Leaf("x\($0)", .input($0)), types[$0]) }
      let results = try build(&builder, leaves)
      let inner = try GraphEvaluator(builder.graph, n: symbols["n"]!) { leaf, _ in
        guard case .input(let index) = leaf.role else { throw Diagnostic("unexpected leaf \(leaf.name)") }
        return x[index]
      }
      return results.map { inner[$0] }
    case .custom, .loop: throw Diagnostic("the test evaluator has no loops")
    }
  }

  private func fill(_ type: TensorType, _ body: ([Int]) -> Number) throws -> Values {
    let shape = sizes(type)
    let numbers = positions(shape).map(body)
    if let wrong = numbers.first(where: { $0.element != type.element }) {
      throw Diagnostic("a lowering gives \(wrong.element.rawValue) for \(type)")
    }
    return Values(element: type.element, shape: shape, numbers: numbers)
  }

  private func convolve(_ convolution: Convolution, _ a: Values, _ b: Values, _ type: TensorType) -> Values {
    let (left, right, shape) = (a.doubles, b.doubles, sizes(type))
    var sums = Array(repeating: 0.0, count: shape.reduce(1, *))
    switch convolution.direction {
    case .forward: forEachTerm(of: convolution, x: a.shape, w: b.shape, y: shape) { sums[$2] += left[$0] * right[$1] }
    case .inputGradient: forEachTerm(of: convolution, x: shape, w: b.shape, y: a.shape) { sums[$0] += left[$2] * right[$1] }
    case .filterGradient: forEachTerm(of: convolution, x: a.shape, w: shape, y: b.shape) { sums[$1] += left[$0] * right[$2] }
    }
    return Values(sums, shape: shape, type.element)
  }

  private func product(_ contraction: Contraction, _ x: [Values], _ type: TensorType) throws -> Values {
    let (a, b) = (x[0], x[1])
    let rank = a.shape.count
    let depth = a.shape[contraction.transposeA ? rank - 2 : rank - 1]
    return try fill(type) { indices in
      let batch = Array(indices.dropLast(2)), m = indices[rank - 2], n = indices[rank - 1]
      let total = (0..<depth).reduce(0.0) { sum, k in
        let left = at(a, batch + (contraction.transposeA ? [k, m] : [m, k]))
        let right = at(b, (contraction.batchedB ? batch : []) + (contraction.transposeB ? [n, k] : [k, n]))
        return sum + left.real * right.real
      }
      return Number(total, type.element)
    }
  }
}

/// What an expression in a lowering sees.
private struct Scope {
  let operands: [Values]
  var variables: [String: Int]

  init(_ operands: [Values], _ indices: [Int], _ reduced: [Int], _ symbols: [String: Int]) {
    self.operands = operands
    variables = symbols
    for (axis, index) in indices.enumerated() { variables["i\(axis)"] = index }
    for (axis, index) in reduced.enumerated() { variables["r\(axis)"] = index }
  }
}

private func positions(_ shape: [Int]) -> [[Int]] {
  shape.reduce([[]]) { prefixes, size in prefixes.flatMap { prefix in (0..<size).map { prefix + [$0] } } }
}

private func at(_ x: Values, _ indices: [Int]) -> Number {
  x.numbers[zip(indices, x.shape).reduce(0) { $0 * $1.1 + $1.0 }]
}

private func neutral(_ combiner: Reduction.Combiner, _ element: ElementType) -> Number {
  switch combiner {
  case .sum: Number(0, element)
  case .product: Number(1, element)
  case .max: Number(element.isFloat ? -.infinity : -1e9, element)
  case .min: Number(element.isFloat ? .infinity : 1e9, element)
  }
}

private func combine(_ combiner: Reduction.Combiner, _ a: Number, _ b: Number) -> Number {
  let operation: BinaryOperation =
    switch combiner {
    case .sum: .add
    case .product: .mul
    case .max: .max
    case .min: .min
    }
  return binary(operation, a, b)
}

private func indexValue(_ index: Index, _ scope: Scope) -> Int {
  switch index {
  case .constant(let value): value
  case .variable(let name): scope.variables[name]!
  case .add(let a, let b): indexValue(a, scope) + indexValue(b, scope)
  case .multiply(let a, let factor): indexValue(a, scope) * factor
  case .divide(let a, let divisor): indexValue(a, scope) / divisor
  case .remainder(let a, let divisor): indexValue(a, scope) % divisor
  case .minimum(let a, let b): min(indexValue(a, scope), indexValue(b, scope))
  case .maximum(let a, let b): max(indexValue(a, scope), indexValue(b, scope))
  case .indirect(let scalar, _): Int(scalarValue(scalar, scope).signed)
  }
}

private func scalarValue(_ scalar: Scalar, _ scope: Scope) -> Number {
  switch scalar {
  case .literal(.float(let bits, let element)): Number(Double(bitPattern: bits), element)
  case .literal(.integer(let value, let element)): Number(bits: UInt64(bitPattern: Int64(value)), element)
  case .literal(.bool(let value)): Number(bits: value ? 1 : 0, .bool)
  case .element(let operand, let indices): at(scope.operands[operand], indices.map { indexValue($0, scope) })
  case .index(let index, let element): Number(Double(indexValue(index, scope)), element)
  case .unary(let operation, let a): unary(operation, scalarValue(a, scope))
  case .binary(let operation, let a, let b): binary(operation, scalarValue(a, scope), scalarValue(b, scope))
  case .fma(let a, let b, let c):
    Number(fma(scalarValue(a, scope).real, scalarValue(b, scope).real, scalarValue(c, scope).real), scalarValue(a, scope).element)
  case .compare(let comparison, let a, let b): compare(comparison, scalarValue(a, scope), scalarValue(b, scope))
  case .select(let condition, let a, let b): scalarValue(scalarValue(condition, scope).isTrue ? a : b, scope)
  case .cast(let element, let a): cast(scalarValue(a, scope), to: element)
  case .bitcast(let element, let a): bitcast(scalarValue(a, scope), to: element)
  case .call(let function, let arguments): call(function, arguments.map { scalarValue($0, scope) })
  case .variable, .load: fatalError("not in lowerings")
  }
}

private func unary(_ operation: UnaryOperation, _ a: Number) -> Number {
  switch operation {
  case .neg: a.element.isFloat ? Number(-a.real, a.element) : Number(bits: 0 &- a.whole, a.element)
  case .abs: a.element.isFloat ? Number(abs(a.real), a.element) : Number(bits: UInt64(bitPattern: abs(a.signed)), a.element)
  case .sqrt: Number(a.real.squareRoot(), a.element)
  case .floor: Number(a.real.rounded(.down), a.element)
  case .ceil: Number(a.real.rounded(.up), a.element)
  case .trunc: Number(a.real.rounded(.towardZero), a.element)
  case .rint: Number(a.real.rounded(.toNearestOrEven), a.element)
  case .not: Number(bits: ~a.whole, a.element)
  case .isNaN: Number(bits: a.real.isNaN ? 1 : 0, .bool)
  }
}

private func binary(_ operation: BinaryOperation, _ a: Number, _ b: Number) -> Number {
  guard a.element == b.element else { fatalError("\(operation) of \(a.element) and \(b.element)") }
  if a.element.isFloat {
    let (x, y) = (a.real, b.real)
    switch operation {
    case .add: return Number(x + y, a.element)
    case .sub: return Number(x - y, a.element)
    case .mul: return Number(x * y, a.element)
    case .div: return Number(x / y, a.element)
    case .rem: return Number(fmod(x, y), a.element)
    case .min: return y < x ? b : a
    case .max: return y > x ? b : a
    default: fatalError("\(operation) of floats")
    }
  }
  let isUnsigned = a.element.isUnsigned || a.element == .bool
  let isLess = isUnsigned ? a.whole < b.whole : a.signed < b.signed
  let bits: UInt64 =
    switch operation {
    case .add: a.whole &+ b.whole
    case .sub: a.whole &- b.whole
    case .mul: a.whole &* b.whole
    case .div: isUnsigned ? a.whole / b.whole : UInt64(bitPattern: a.signed / b.signed)
    case .rem: isUnsigned ? a.whole % b.whole : UInt64(bitPattern: a.signed % b.signed)
    case .min: isLess ? a.whole : b.whole
    case .max: isLess ? b.whole : a.whole
    case .and: a.whole & b.whole
    case .or: a.whole | b.whole
    case .xor: a.whole ^ b.whole
    case .shl: a.whole << b.whole
    case .shr: a.whole >> b.whole
    }
  return Number(bits: bits, a.element)
}

private func compare(_ comparison: Comparison, _ a: Number, _ b: Number) -> Number {
  func holds<T: Comparable>(_ x: T, _ y: T) -> Bool {
    switch comparison {
    case .lt: x < y
    case .le: x <= y
    case .gt: x > y
    case .ge: x >= y
    case .eq: x == y
    case .ne: x != y
    }
  }
  let result = a.element.isFloat ? holds(a.real, b.real) : a.element.isUnsigned ? holds(a.whole, b.whole) : holds(a.signed, b.signed)
  return Number(bits: result ? 1 : 0, .bool)
}

private func cast(_ a: Number, to element: ElementType) -> Number {
  if element.isFloat { return Number(a.double, element) }
  guard a.element.isFloat else { return element == .bool ? Number(bits: a.whole != 0 ? 1 : 0, .bool) : Number(bits: a.whole, element) }
  if element == .bool { return Number(bits: a.real != 0 ? 1 : 0, .bool) }
  let whole = a.real.isNaN ? 0 : a.real.rounded(.towardZero)
  let signed: (Double, Double) = element == .i32 ? (-0x1p31, 0x1p31 - 1) : (-0x1p63, 0x1p63 - 1024)
  if element.isUnsigned { return Number(bits: UInt64(min(max(whole, 0), element == .u64 ? 0x1p64 - 2048 : 0x1p32 - 1)), element) }
  return Number(bits: UInt64(bitPattern: Int64(min(max(whole, signed.0), signed.1))), element)
}

private func bitcast(_ a: Number, to element: ElementType) -> Number {
  let bits = a.element == .f64 ? a.real.bitPattern : a.element == .f32 ? UInt64(Float(a.real).bitPattern) : a.whole
  switch element {
  case .f64: return Number(Double(bitPattern: bits), .f64)
  case .f32: return Number(Double(Float(bitPattern: UInt32(truncatingIfNeeded: bits))), .f32)
  default: return Number(bits: bits, element)
  }
}

/// The generator Squares in its 64-bit form, with the key from seed and stream number.
private func randomBits(seed: UInt64, key: UInt64, counter: UInt64) -> UInt64 {
  var k = seed &+ key &* 0x9e37_79b9_7f4a_7c15
  k = (k ^ (k >> 30)) &* 0xbf58_476d_1ce4_e5b9
  k = (k ^ (k >> 27)) &* 0x94d0_49bb_1331_11eb
  k = (k ^ (k >> 31)) | 1
  func turned(_ x: UInt64) -> UInt64 { x >> 32 | x << 32 }
  let y = counter &* k, z = counter &* k &+ k
  var x = turned(y &* y &+ y)
  x = turned(x &* x &+ z)
  x = turned(x &* x &+ y)
  let upper = x &* x &+ z
  x = turned(upper)
  return upper ^ ((x &* x &+ y) >> 32)
}

private func call(_ function: MathFunction, _ x: [Number]) -> Number {
  if function == .randomBits { return Number(bits: randomBits(seed: x[0].whole, key: x[1].whole, counter: x[2].whole), .u64) }
  let a = x[0].real
  let value =
    switch function {
    case .exp: exp(a)
    case .expm1: expm1(a)
    case .log: log(a)
    case .log1p: log1p(a)
    case .tanh: tanh(a)
    case .sigmoid: 1 / (1 + exp(-a))
    case .softplus: a > 30 ? a : log1p(exp(a))
    case .erf: erf(a)
    case .pow: pow(a, x[1].real)
    case .sin: sin(a)
    case .cos: cos(a)
    case .tan: tan(a)
    case .asin: asin(a)
    case .acos: acos(a)
    case .atan: atan(a)
    case .sinh: sinh(a)
    case .cosh: cosh(a)
    case .asinh: asinh(a)
    case .acosh: acosh(a)
    case .atanh: atanh(a)
    case .normalQuantile: normalQuantile(a)
    case .randomBits: Double.nan
    }
  return Number(value, x[0].element)
}

/// By bisection of the error function.
private func normalQuantile(_ p: Double) -> Double {
  var (low, high) = (-40.0, 40.0)
  for _ in 0..<200 {
    let middle = (low + high) / 2
    if 0.5 * erfc(-middle / 2.0.squareRoot()) < p { low = middle } else { high = middle }
  }
  return (low + high) / 2
}
