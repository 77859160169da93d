extension Statement {
  /// Segments of a loop are at least this long: shorter ones cost more than the comparisons that they save.
  private static let leastSegment = 16
  private static let mostSegments = 8

  /// The same statements with innermost loops cut where a comparison of their variable with a constant is decided otherwise: each segment then
  /// has no such comparison, and compilers make vector code of it.
  ///
  ///     for j in 0 ..< 512 { y[j] = select(j < 256, a[j], b[j - 256]) }
  ///     =>  for j in 0 ..< 256 { y[j] = a[j] }  for j in 256 ..< 512 { y[j] = b[j - 256] }    (after `simplified`)
  public static func split(_ statements: [Statement]) -> [Statement] {
    statements.flatMap { statement -> [Statement] in
      guard case .loop(let loop) = statement else { return [statement.mapNested(split, scalar: { $0 }, index: { $0 })] }
      return segments(of: loop) ?? [statement.mapNested(split, scalar: { $0 }, index: { $0 })]
    }
  }

  private static func segments(of loop: Loop) -> [Statement]? {
    guard loop.kind == .serial, loop.step == 1, let lower = loop.lower.constantValue, let upper = loop.upper.constantValue,
      loop.body.allSatisfy(\.blocks.isEmpty)
    else { return nil }
    var cuts: Set<Int> = []
    for statement in loop.body { statement.forEachOwnScalar { $0.collectThresholds(of: loop.variable, in: &cuts) } }
    let bounds = [lower] + cuts.filter { $0 > lower && $0 < upper }.sorted() + [upper]
    guard (3...mostSegments + 1).contains(bounds.count), zip(bounds, bounds.dropFirst()).allSatisfy({ $1 - $0 >= leastSegment }) else {
      return nil
    }
    return zip(bounds, bounds.dropFirst()).map { from, to in
      .loop(Loop(loop.variable, from: .constant(from), to: .constant(to), loop.body))
    }
  }

  private func forEachOwnScalar(_ visit: (Scalar) -> Void) {
    switch self {
    case .define(_, _, let value), .variable(_, _, let value), .assign(_, let value), .store(_, _, let value): visit(value)
    default: break
    }
  }
}

extension Scalar {
  /// The values of a variable from which on a comparison inside turns out otherwise.
  fileprivate func collectThresholds(of variable: String, in cuts: inout Set<Int>) {
    if case .compare(let comparison, .index(let index, _), .literal(.integer(let bound, _))) = self {
      let linear = Linear(index)
      if linear.terms == [Linear.Term(atom: .variable(variable), factor: 1)] {
        switch comparison {
        case .lt, .ge: cuts.insert(bound - linear.constant)
        case .le, .gt: cuts.insert(bound - linear.constant + 1)
        case .eq, .ne: break
        }
      }
    }
    children.forEach { $0.collectThresholds(of: variable, in: &cuts) }
  }
}
