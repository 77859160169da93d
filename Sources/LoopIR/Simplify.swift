import Basics

extension Index {
  /// All values that the expression can have when each variable lies in its range; a variable without a range may have any value.
  public func range(_ ranges: [String: ClosedRange<Int>]) -> ClosedRange<Int> {
    switch self {
    case .constant(let value): return Interval.clamp(value)...Interval.clamp(value)
    case .variable(let name): return ranges[name] ?? Interval.unknown
    case .add, .multiply:
      let linear = Linear(self)
      return linear.range(ranges)
    case .divide(let a, let divisor):
      let range = a.range(ranges)
      return floorDivide(range.lowerBound, divisor)...floorDivide(range.upperBound, divisor)
    case .remainder(let a, let divisor):
      let range = a.range(ranges)
      let base = floorDivide(range.lowerBound, divisor)
      guard base == floorDivide(range.upperBound, divisor) else { return 0...divisor - 1 }
      return range.lowerBound - base * divisor...range.upperBound - base * divisor
    case .minimum(let a, let b): return Interval.minimum(a.range(ranges), b.range(ranges))
    case .maximum(let a, let b): return Interval.maximum(a.range(ranges), b.range(ranges))
    case .indirect(_, let bound): return 0...max(0, bound - 1)
    }
  }

  /// An equal expression, as simple as the ranges of its variables allow: sums collected, quotients and remainders split where part of the
  /// dividend is a multiple or too small to matter, minima decided.
  ///
  ///     (i*3 + j) / 3   →  i     for j in 0...2
  ///     (i*3 + j) % 3   →  j     for j in 0...2
  ///     i % 8           →  i     for i in 0...7
  ///     i/4*4 + i%4     →  i
  ///     min(i + 4, 9)   →  i + 4 for i in 0...5
  public func simplified(_ ranges: [String: ClosedRange<Int>]) -> Index {
    switch self {
    case .constant: return self
    case .variable(let name):
      if let range = ranges[name], range.lowerBound == range.upperBound { return .constant(range.lowerBound) }
      return self
    case .add, .multiply: return sum(ranges)
    case .divide(let a, let divisor): return quotient(Linear(a.simplified(ranges)), divisor, ranges)
    case .remainder(let a, let divisor): return rest(Linear(a.simplified(ranges)), divisor, ranges)
    case .minimum(let a, let b):
      let a = a.simplified(ranges), b = b.simplified(ranges)
      return Index.compare(a, b, ranges).map { $0 ? a : b } ?? .minimum(a, b)
    case .maximum(let a, let b):
      let a = a.simplified(ranges), b = b.simplified(ranges)
      return Index.compare(a, b, ranges).map { $0 ? b : a } ?? .maximum(a, b)
    case .indirect(let scalar, let bound):
      if bound == 1 { return .constant(0) }
      if case .index(let index, let element) = scalar, element.isInteger {
        let index = index.simplified(ranges), range = index.range(ranges)
        if range.lowerBound >= 0, range.upperBound < bound { return index }
      }
      return .indirect(scalar.simplified(ranges), bound: bound)
    }
  }

  /// Whether a <= b always (true), a >= b always (false), or neither is certain.
  private static func compare(_ a: Index, _ b: Index, _ ranges: [String: ClosedRange<Int>]) -> Bool? {
    var difference = Linear(b)
    difference.add(Linear(a), -1)
    let range = difference.range(ranges)
    return range.lowerBound >= 0 ? true : range.upperBound <= 0 ? false : nil
  }

  private func sum(_ ranges: [String: ClosedRange<Int>]) -> Index {
    var result = Linear()
    let original = Linear(self)
    result.constant = original.constant
    for term in original.terms { result.add(term.atom.simplified(ranges), term.factor) }
    // c*d * (e / d) + c * (e % d) is c * e.
    for term in result.terms {
      guard case .remainder(let e, let divisor) = term.atom else { continue }
      var partner = Linear.Term(atom: .divide(e, divisor), factor: term.factor * divisor)
      // A quotient of a quotient is written as one.
      if case .divide(let inner, let first) = e, !result.terms.contains(partner) { partner.atom = .divide(inner, first * divisor) }
      guard result.terms.contains(partner), result.terms.contains(term) else { continue }
      result.terms.removeAll { $0 == partner || $0 == term }
      result.add(e, term.factor)
    }
    return result.index
  }

  private func quotient(_ dividend: Linear, _ divisor: Int, _ ranges: [String: ClosedRange<Int>]) -> Index {
    if divisor == 1 { return dividend.index }
    var (multiples, rest) = dividend.split { $0 % divisor == 0 }
    let whole = floorDivide(rest.constant, divisor)
    rest.constant -= whole * divisor
    var result = multiples.divided(by: divisor)
    result.constant = whole
    let range = rest.range(ranges)
    let (low, high) = (floorDivide(range.lowerBound, divisor), floorDivide(range.upperBound, divisor))
    if low == high {
      result.constant += low
      return result.index
    }
    // The dividend of a quotient that stays must not be negative.
    guard range.lowerBound >= 0 else {
      return .divide(dividend.index, divisor)
    }
    result.add(Index.smallQuotient(rest, divisor, ranges), 1)
    return result.index
  }

  /// The quotient of a sum none of whose factors is a multiple of the divisor.
  private static func smallQuotient(_ rest: Linear, _ divisor: Int, _ ranges: [String: ClosedRange<Int>]) -> Index {
    // (g*a + b) / (g*d) is a / d where b lies in 0 ..< g.
    for term in rest.terms {
      let common = greatestCommonDivisor(term.factor, divisor)
      guard common > 1 else { continue }
      let (large, small) = rest.split { $0 % common == 0 }
      let range = small.range(ranges)
      guard range.lowerBound >= 0, range.upperBound < common, large.range(ranges).lowerBound >= 0 else { continue }
      return Index.divide(large.divided(by: common).index, divisor / common).simplified(ranges)
    }
    if rest.constant == 0, rest.terms.count == 1, rest.terms[0].factor == 1, case .divide(let inner, let first) = rest.terms[0].atom {
      return Index.divide(inner, first * divisor).simplified(ranges)
    }
    return .divide(rest.index, divisor)
  }

  private func rest(_ dividend: Linear, _ divisor: Int, _ ranges: [String: ClosedRange<Int>]) -> Index {
    if divisor == 1 { return .constant(0) }
    var rest = dividend.split { $0 % divisor == 0 }.1
    rest.constant = floorRemainder(rest.constant, divisor)
    let range = rest.range(ranges)
    let base = floorDivide(range.lowerBound, divisor)
    if base == floorDivide(range.upperBound, divisor) {
      rest.constant -= base * divisor
      return rest.index
    }
    guard range.lowerBound >= 0 else { return .remainder(dividend.index, divisor) }
    // (g*a + b) % (g*d) is g * (a % d) + b where b lies in 0 ..< g.
    for term in rest.terms {
      let common = greatestCommonDivisor(term.factor, divisor)
      guard common > 1 else { continue }
      let (large, small) = rest.split { $0 % common == 0 }
      let range = small.range(ranges)
      guard range.lowerBound >= 0, range.upperBound < common, large.range(ranges).lowerBound >= 0 else { continue }
      var result = small
      result.add(Index.remainder(large.divided(by: common).index, divisor / common).simplified(ranges), common)
      return result.index
    }
    if rest.constant == 0, rest.terms.count == 1, rest.terms[0].factor == 1, case .remainder(let inner, let first) = rest.terms[0].atom,
      first % divisor == 0
    {
      return Index.remainder(inner, divisor).simplified(ranges)
    }
    return .remainder(rest.index, divisor)
  }
}
