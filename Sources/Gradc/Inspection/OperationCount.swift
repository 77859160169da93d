import LoopIR

extension Program {
  /// Floating point operations of an entry for `rows` rows: additions, multiplications, divisions, minima and maxima one each, a fused
  /// multiply-add two, a function such as exp or tanh one.
  public func operations(of entry: Entry, rows: Int) -> Double {
    entry.flatSteps.reduce(0) { total, step in
      guard case .call(let kernel, _) = step.step else { return total }
      return total + Double(step.rounds) * kernels[kernel].operations(["n": rows])
    }
  }
}

extension Kernel {
  /// Floating point operations of one call, for values of the symbols.
  public func operations(_ symbols: [String: Int]) -> Double {
    var count = OperationCount(floats: Set(parameters.filter(\.element.isFloat).map(\.name)))
    var values = symbols.merging(counters.map { ($0.name, $0.maximum) }) { first, _ in first }
    let parts = count.value(self.parts, values) ?? 1
    let dependsOnPart = OperationCount.controls(body).contains("part")
    guard dependsOnPart else { return Double(parts) * count.operations(body, values) }
    var total = 0.0
    for part in 0..<parts {
      values["part"] = part
      total += count.operations(body, values)
    }
    return total
  }
}

/// Walks through statements and scalar expressions.
struct OperationCount {
  /// Buffers, arrays and variables of floating point numbers.
  var floats: Set<String>
  /// For expressions in operand elements: which operands are floating point numbers.
  var operands: [Bool] = []

  /// Variables that decide how often something runs.
  static func controls(_ body: [Statement]) -> Set<String> {
    body.reduce(into: []) { result, statement in
      switch statement {
      case .loop(let loop):
        result.formUnion(loop.lower.variables.union(loop.upper.variables))
        result.formUnion(controls(loop.body))
      case .when(let condition, let yes, let no):
        result.formUnion(condition.indexVariables.union(controls(yes)).union(controls(no)))
      case .gemm(let gemm): result.formUnion(gemm.m.variables.union(gemm.n.variables).union(gemm.k.variables))
      case .repeatWhile(_, _, let inner): result.formUnion(controls(inner))
      default: break
      }
    }
  }

  mutating func operations(_ body: [Statement], _ values: [String: Int]) -> Double {
    body.reduce(0) { $0 + operations($1, values) }
  }

  private mutating func operations(_ statement: Statement, _ values: [String: Int]) -> Double {
    switch statement {
    case .comment: return 0
    case .array(let name, let element, _):
      if element.isFloat { floats.insert(name) }
      return 0
    case .define(let name, let element, let scalar), .variable(let name, let element, let scalar):
      if element.isFloat { floats.insert(name) }
      return operations(scalar)
    case .assign(_, let scalar), .store(_, _, let scalar): return operations(scalar)
    case .gemm(let gemm):
      return [gemm.m, gemm.n, gemm.k].reduce(2) { $0 * Double(value($1, values) ?? 0) }
    case .repeatWhile(let condition, _, let inner): return operations(condition) + operations(inner, values)
    case .when(let condition, let yes, let no):
      guard let isTrue = truth(condition, values) else { return max(operations(yes, values), operations(no, values)) }
      return operations(isTrue ? yes : no, values)
    case .loop(let loop): return operations(loop, values)
    }
  }

  private mutating func operations(_ loop: Loop, _ values: [String: Int]) -> Double {
    guard let lower = value(loop.lower, values), let upper = value(loop.upper, values), upper > lower else { return 0 }
    let trips = (upper - lower + loop.step - 1) / loop.step
    var inner = values
    inner[loop.variable] = lower
    guard Self.controls(loop.body).contains(loop.variable) else { return Double(trips) * operations(loop.body, inner) }
    var total = 0.0
    for iteration in stride(from: lower, to: upper, by: loop.step) {
      inner[loop.variable] = iteration
      total += operations(loop.body, inner)
    }
    return total
  }

  func operations(_ scalar: Scalar) -> Double {
    let own: Double =
      switch scalar {
      case .fma: 2
      case .call: 1
      case .binary(let operation, _, _): operation.isArithmetic && isFloat(scalar) ? 1 : 0
      case .unary(let operation, _): operation != .not && operation != .isNaN && isFloat(scalar) ? 1 : 0
      default: 0
      }
    return scalar.children.reduce(own) { $0 + operations($1) }
  }

  private func isFloat(_ scalar: Scalar) -> Bool {
    switch scalar {
    case .literal(let literal): literal.element.isFloat
    case .variable(let name), .load(let name, _): floats.contains(name)
    case .index(_, let element), .cast(let element, _), .bitcast(let element, _): element.isFloat
    case .unary(_, let a), .binary(_, let a, _), .select(_, let a, _): isFloat(a)
    case .fma, .call: true
    case .element(let operand, _): operands.indices.contains(operand) && operands[operand]
    case .compare: false
    }
  }

  /// The value of an index; nil where memory decides.
  func value(_ index: Index, _ values: [String: Int]) -> Int? {
    func both(_ a: Index, _ b: Index, _ combine: (Int, Int) -> Int) -> Int? {
      guard let x = value(a, values), let y = value(b, values) else { return nil }
      return combine(x, y)
    }
    return switch index {
    case .constant(let value): value
    case .variable(let name): values[name]
    case .add(let a, let b): both(a, b, +)
    case .multiply(let a, let factor): value(a, values).map { $0 * factor }
    case .divide(let a, let divisor): value(a, values).map { $0 / divisor }
    case .remainder(let a, let divisor): value(a, values).map { $0 % divisor }
    case .minimum(let a, let b): both(a, b, min)
    case .maximum(let a, let b): both(a, b, max)
    case .indirect: nil
    }
  }

  /// The truth of a comparison of indices; nil where memory decides.
  private func truth(_ condition: Scalar, _ values: [String: Int]) -> Bool? {
    switch condition {
    case .literal(.bool(let value)): return value
    case .compare(let comparison, .index(let a, _), .index(let b, _)):
      guard let x = value(a, values), let y = value(b, values) else { return nil }
      return switch comparison {
      case .lt: x < y
      case .le: x <= y
      case .gt: x > y
      case .ge: x >= y
      case .eq: x == y
      case .ne: x != y
      }
    default: return nil
    }
  }
}

extension BinaryOperation {
  fileprivate var isArithmetic: Bool {
    switch self {
    case .add, .sub, .mul, .div, .rem, .min, .max: true
    case .and, .or, .xor, .shl, .shr: false
    }
  }
}
