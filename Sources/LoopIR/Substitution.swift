import Basics

extension Index {
  /// The same expression with index variables replaced.
  public func substituting(_ replacements: [String: Index]) -> Index {
    if replacements.isEmpty { return self }
    switch self {
    case .constant: return self
    case .variable(let name): return replacements[name] ?? self
    case .add(let a, let b): return a.substituting(replacements) + b.substituting(replacements)
    case .multiply(let a, let factor): return a.substituting(replacements) * factor
    case .divide(let a, let divisor): return .divide(a.substituting(replacements), divisor)
    case .remainder(let a, let divisor): return .remainder(a.substituting(replacements), divisor)
    case .minimum(let a, let b): return .minimum(a.substituting(replacements), b.substituting(replacements))
    case .maximum(let a, let b): return .maximum(a.substituting(replacements), b.substituting(replacements))
    case .indirect(let scalar, let bound): return .indirect(scalar.substituting(indices: replacements), bound: bound)
    }
  }

  /// The same expression with the scalars inside `indirect` replaced.
  public func mapScalars(_ transform: (Scalar) throws -> Scalar) rethrows -> Index {
    switch self {
    case .constant, .variable: self
    case .add(let a, let b): .add(try a.mapScalars(transform), try b.mapScalars(transform))
    case .multiply(let a, let factor): .multiply(try a.mapScalars(transform), factor)
    case .divide(let a, let divisor): .divide(try a.mapScalars(transform), divisor)
    case .remainder(let a, let divisor): .remainder(try a.mapScalars(transform), divisor)
    case .minimum(let a, let b): .minimum(try a.mapScalars(transform), try b.mapScalars(transform))
    case .maximum(let a, let b): .maximum(try a.mapScalars(transform), try b.mapScalars(transform))
    case .indirect(let scalar, let bound): .indirect(try transform(scalar), bound: bound)
    }
  }
}

extension Scalar {
  /// The same expression with each index that stands directly in it (of a load, an element, an index value) replaced; subexpressions are
  /// left as they are.
  public func mapOwnIndices(_ transform: (Index) throws -> Index) rethrows -> Scalar {
    switch self {
    case .load(let buffer, let index): .load(buffer, try transform(index))
    case .element(let operand, let indices): .element(operand, try indices.map(transform))
    case .index(let index, let element): .index(try transform(index), element)
    default: self
    }
  }

  /// The same expression with index variables replaced everywhere.
  public func substituting(indices replacements: [String: Index]) -> Scalar {
    mapChildren { $0.substituting(indices: replacements) }.mapOwnIndices { $0.substituting(replacements) }
  }

  /// The same expression with scalar variables replaced everywhere, inside indirect indices too.
  public func substituting(variables replacements: [String: Scalar]) -> Scalar {
    if case .variable(let name) = self { return replacements[name] ?? self }
    return mapChildren { $0.substituting(variables: replacements) }
      .mapOwnIndices { $0.mapScalars { $0.substituting(variables: replacements) } }
  }

  /// The same expression with buffers and local arrays renamed.
  public func renaming(buffers names: [String: String]) -> Scalar {
    let renamed = mapChildren { $0.renaming(buffers: names) }.mapOwnIndices { $0.mapScalars { $0.renaming(buffers: names) } }
    if case .load(let buffer, let index) = renamed { return .load(names[buffer] ?? buffer, index) }
    return renamed
  }
}

extension Statement {
  /// The same statement with every scalar and index that stands directly in it replaced, then those in its nested statements.
  public func map(scalar: (Scalar) -> Scalar, index: (Index) -> Index) -> Statement {
    func block(_ statements: [Statement]) -> [Statement] { statements.map { $0.map(scalar: scalar, index: index) } }
    switch self {
    case .comment, .array: return self
    case .loop(var loop):
      loop.lower = index(loop.lower)
      loop.upper = index(loop.upper)
      loop.body = block(loop.body)
      return .loop(loop)
    case .when(let condition, let then, let otherwise): return .when(scalar(condition), block(then), otherwise: block(otherwise))
    case .define(let name, let element, let value): return .define(name, element, scalar(value))
    case .variable(let name, let element, let value): return .variable(name, element, scalar(value))
    case .assign(let name, let value): return .assign(name, scalar(value))
    case .store(let buffer, let position, let value): return .store(buffer, index(position), scalar(value))
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

  /// The same statement with index variables replaced everywhere; a loop inside that counts with one of them keeps its own.
  public func substituting(indices replacements: [String: Index]) -> Statement {
    if case .loop(var loop) = self, replacements[loop.variable] != nil {
      var inner = replacements
      inner[loop.variable] = nil
      loop.lower = loop.lower.substituting(replacements)
      loop.upper = loop.upper.substituting(replacements)
      loop.body = loop.body.map { $0.substituting(indices: inner) }
      return .loop(loop)
    }
    return mapNested(
      { $0.map { $0.substituting(indices: replacements) } }, scalar: { $0.substituting(indices: replacements) },
      index: { $0.substituting(replacements) })
  }

  /// The same statement with scalar variables replaced by expressions (not the targets of definitions and assignments).
  public func substituting(variables replacements: [String: Scalar]) -> Statement {
    map(
      scalar: { $0.substituting(variables: replacements) },
      index: { $0.mapScalars { $0.substituting(variables: replacements) } })
  }

  /// The same statement with its own scalars and indices replaced by `scalar` and `index`, its nested blocks by `block`.
  public func mapNested(_ block: ([Statement]) -> [Statement], scalar: (Scalar) -> Scalar, index: (Index) -> Index) -> Statement {
    switch self {
    case .loop(var loop):
      loop.lower = index(loop.lower)
      loop.upper = index(loop.upper)
      loop.body = block(loop.body)
      return .loop(loop)
    case .when(let condition, let then, let otherwise): return .when(scalar(condition), block(then), otherwise: block(otherwise))
    case .repeatWhile(let condition, let limit, let body): return .repeatWhile(scalar(condition), limit: limit, block(body))
    default: return map(scalar: scalar, index: index)
    }
  }

  /// The same statements with all indices and scalars simplified, without loops that never run; the ranges of loop variables are added
  /// on the way down.
  public static func simplified(_ statements: [Statement], _ ranges: [String: ClosedRange<Int>]) -> [Statement] {
    statements.compactMap { statement in
      var inner = ranges
      if case .loop(let loop) = statement {
        let (lower, upper) = (loop.lower.range(ranges).lowerBound, loop.upper.range(ranges).upperBound)
        if upper <= lower { return nil }
        inner[loop.variable] = lower...upper - 1
      }
      let nestedRanges = inner
      return statement.mapNested(
        { simplified($0, nestedRanges) }, scalar: { $0.simplified(ranges) }, index: { $0.simplified(ranges) })
    }
  }
}
