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
}

extension Statement {
  /// Calls `visit` with every index expression of a load, store or index value inside, and with loops' bounds when asked.
  func forEachIndex(withBounds: Bool = false, _ visit: (Index) -> Void) {
    func block(_ statements: [Statement]) { statements.forEach { $0.forEachIndex(withBounds: withBounds, visit) } }
    switch self {
    case .comment, .array: break
    case .loop(let loop):
      if withBounds { [loop.lower, loop.upper].forEach(visit) }
      block(loop.body)
    case .when(let condition, let body, let otherwise):
      condition.forEachIndex(visit)
      block(body + otherwise)
    case .define(_, _, let value), .variable(_, _, let value), .assign(_, let value): value.forEachIndex(visit)
    case .store(_, let index, let value):
      visit(index)
      value.forEachIndex(visit)
    case .gemm(let gemm):
      [gemm.a.offset, gemm.b.offset, gemm.c.offset].forEach(visit)
      if withBounds { [gemm.m, gemm.n, gemm.k].forEach(visit) }
    case .repeatWhile(let condition, _, let body):
      condition.forEachIndex(visit)
      block(body)
    }
  }
}
