import LoopIR

/// An index expression as a sum of constant multiples of variables. Indirect and minimum terms count as opaque.
struct AffineForm: Equatable {
  var coefficients: [String: Int] = [:]
  /// Variables inside terms that are not affine (division, remainder, minimum).
  var opaque: Set<String> = []
  var constant = 0

  init(_ index: Index) { add(index, 1) }

  /// The factor of a variable; 0 where it does not occur.
  subscript(name: String) -> Int { coefficients[name] ?? 0 }

  private mutating func add(_ index: Index, _ factor: Int) {
    switch index {
    case .constant(let value): constant += value * factor
    case .variable(let name): coefficients[name, default: 0] += factor
    case .add(let a, let b):
      add(a, factor)
      add(b, factor)
    case .multiply(let a, let k): add(a, factor * k)
    case .divide(let a, _), .remainder(let a, _): opaque.formUnion(a.variables)
    case .minimum(let a, let b), .maximum(let a, let b): opaque.formUnion(a.variables.union(b.variables))
    case .indirect: break
    }
  }
}

extension Scalar {
  /// Calls `visit` with every index expression inside, those of indirect indices included.
  func forEachIndex(_ visit: (Index) -> Void) {
    switch self {
    case .load(_, let index), .index(let index, _): index.visitNested(visit)
    case .element(_, let indices): indices.forEach { $0.visitNested(visit) }
    default: children.forEach { $0.forEachIndex(visit) }
    }
  }
}

extension Index {
  fileprivate func visitNested(_ visit: (Index) -> Void) {
    visit(self)
    forEachIndirect { $0.forEachIndex(visit) }
  }

  private func forEachIndirect(_ visit: (Scalar) -> Void) {
    switch self {
    case .constant, .variable: break
    case .add(let a, let b), .minimum(let a, let b), .maximum(let a, let b):
      a.forEachIndirect(visit)
      b.forEachIndirect(visit)
    case .multiply(let a, _), .divide(let a, _), .remainder(let a, _): a.forEachIndirect(visit)
    case .indirect(let scalar, _): visit(scalar)
    }
  }

  /// Replaces variables and the scalars of indirect indices.
  func rewritten(_ variables: [String: Index], _ scalar: (Scalar) -> Scalar) -> Index {
    switch self {
    case .constant: self
    case .variable(let name): variables[name] ?? self
    case .add(let a, let b): a.rewritten(variables, scalar) + b.rewritten(variables, scalar)
    case .multiply(let a, let k): a.rewritten(variables, scalar) * k
    case .divide(let a, let k): Index.quotient(a.rewritten(variables, scalar), k)
    case .remainder(let a, let k): Index.modulo(a.rewritten(variables, scalar), k)
    case .minimum(let a, let b): .minimum(a.rewritten(variables, scalar), b.rewritten(variables, scalar))
    case .maximum(let a, let b): .maximum(a.rewritten(variables, scalar), b.rewritten(variables, scalar))
    case .indirect(let inner, let bound): .indirect(scalar(inner), bound: bound)
    }
  }

  private static func quotient(_ a: Index, _ k: Int) -> Index {
    if k == 1 { return a }
    if let value = a.constantValue { return .constant(value / k) }
    return .divide(a, k)
  }

  private static func modulo(_ a: Index, _ k: Int) -> Index {
    if k == 1 { return .constant(0) }
    if let value = a.constantValue { return .constant(value % k) }
    return .remainder(a, k)
  }
}

extension Statement {
  /// The same statement with index variables replaced everywhere.
  func rewritingIndices(_ variables: [String: Index]) -> Statement {
    func index(_ i: Index) -> Index { i.rewritten(variables, scalar) }
    func scalar(_ s: Scalar) -> Scalar {
      switch s {
      case .load(let buffer, let i): .load(buffer, index(i))
      case .index(let i, let element): .index(index(i), element)
      case .element(let k, let indices): .element(k, indices.map(index))
      default: s.mapChildren(scalar)
      }
    }
    func block(_ body: [Statement]) -> [Statement] { body.map { $0.rewritingIndices(variables) } }
    switch self {
    case .comment, .array: return self
    case .loop(var loop):
      loop.lower = index(loop.lower)
      loop.upper = index(loop.upper)
      loop.body = block(loop.body)
      return .loop(loop)
    case .when(let condition, let body, let otherwise): return .when(scalar(condition), block(body), otherwise: block(otherwise))
    case .define(let name, let element, let value): return .define(name, element, scalar(value))
    case .variable(let name, let element, let value): return .variable(name, element, scalar(value))
    case .assign(let name, let value): return .assign(name, scalar(value))
    case .store(let buffer, let i, let value): return .store(buffer, index(i), scalar(value))
    case .gemm(var gemm):
      gemm.m = index(gemm.m)
      gemm.n = index(gemm.n)
      gemm.k = index(gemm.k)
      gemm.a.offset = index(gemm.a.offset)
      gemm.b.offset = index(gemm.b.offset)
      gemm.c.offset = index(gemm.c.offset)
      gemm.beta = scalar(gemm.beta)
      return .gemm(gemm)
    case .repeatWhile(let condition, let limit, let body): return .repeatWhile(scalar(condition), limit: limit, block(body))
    }
  }

  /// Calls `visit` with every index expression of a load, store or index value inside.
  func forEachIndex(_ visit: (Index) -> Void) {
    switch self {
    case .comment, .array: break
    case .loop(let loop): loop.body.forEach { $0.forEachIndex(visit) }
    case .when(let condition, let body, let otherwise):
      condition.forEachIndex(visit)
      (body + otherwise).forEach { $0.forEachIndex(visit) }
    case .define(_, _, let value), .variable(_, _, let value), .assign(_, let value): value.forEachIndex(visit)
    case .store(_, let index, let value):
      visit(index)
      value.forEachIndex(visit)
    case .gemm(let gemm): [gemm.a.offset, gemm.b.offset, gemm.c.offset].forEach(visit)
    case .repeatWhile(let condition, _, let body):
      condition.forEachIndex(visit)
      body.forEach { $0.forEachIndex(visit) }
    }
  }
}
