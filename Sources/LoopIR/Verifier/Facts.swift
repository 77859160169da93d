import Basics

/// What is known about index variables at a place in a kernel: ranges, and sums that are never negative. Loops and guards add to it.
struct Facts {
  private(set) var ranges: [String: ClosedRange<Int>]
  /// Each of these is >= 0.
  private var sums: [Linear] = []

  init(ranges: [String: ClosedRange<Int>]) { self.ranges = ranges }

  /// Records lower <= variable < upper with the loop's step.
  mutating func enter(_ loop: Loop) {
    let lower = loop.lower.range(ranges).lowerBound
    var upper = loop.upper.range(ranges).upperBound - 1
    let constantBounds = loop.lower.constantValue != nil && loop.upper.constantValue != nil
    if constantBounds, upper >= lower { upper = lower + (upper - lower) / loop.step * loop.step }
    ranges[loop.variable] = lower...max(lower, upper)
    let variable = Linear(.variable(loop.variable))
    for bound in loop.lower.maximumParts { sums.append(variable.minus(Linear(bound))) }
    for bound in loop.upper.minimumParts {
      var last = Linear(bound)
      var span = last
      span.add(Linear(loop.lower), -1)
      // Where the span is a multiple of the step, the last iteration begins a whole step before the end.
      last.constant -= span.isMultiple(of: loop.step) ? loop.step : 1
      sums.append(last.minus(variable))
      upper = min(upper, last.range(ranges).upperBound)
    }
    ranges[loop.variable] = lower...max(lower, upper)
  }

  /// Records what follows from a condition that holds (or does not).
  mutating func assume(_ condition: Scalar, holds: Bool) {
    switch condition {
    case .unary(.not, let inner): assume(inner, holds: !holds)
    case .binary(.and, let a, let b) where holds, .binary(.or, let a, let b) where !holds:
      assume(a, holds: holds)
      assume(b, holds: holds)
    case .select(let test, let a, .literal(.bool(false))) where holds:
      assume(test, holds: true)
      assume(a, holds: true)
    case .compare(let comparison, let a, let b):
      guard let x = a.signedIndex, let y = b.signedIndex else { return }
      let difference = Linear(y).minus(Linear(x))
      switch (comparison, holds) {
      case (.lt, true), (.ge, false): learn(difference.plus(-1))
      case (.le, true), (.gt, false): learn(difference)
      case (.gt, true), (.le, false): learn(difference.negated.plus(-1))
      case (.ge, true), (.lt, false): learn(difference.negated)
      case (.eq, true), (.ne, false):
        learn(difference)
        learn(difference.negated)
      default: break
      }
    default: break
    }
  }

  /// Records that a sum is not negative; about a single variable it narrows the range, so that quotients and remainders of it narrow too.
  private mutating func learn(_ sum: Linear) {
    sums.append(sum)
    guard sum.terms.count == 1, let term = sum.terms.first, term.factor != 0, case .variable(let name) = term.atom, let range = ranges[name]
    else { return }
    let (bound, remainder) = sum.constant.quotientAndRemainder(dividingBy: -term.factor)
    // factor variable + constant >= 0: at least the quotient rounded up, or at most the quotient rounded down.
    let isInexact = remainder != 0
    if term.factor > 0 {
      let lower = isInexact && sum.constant < 0 ? bound + 1 : bound
      if lower > range.lowerBound, lower <= range.upperBound { ranges[name] = lower...range.upperBound }
    } else {
      let upper = isInexact && sum.constant < 0 ? bound - 1 : bound
      if upper < range.upperBound, upper >= range.lowerBound { ranges[name] = range.lowerBound...upper }
    }
  }

  /// Whether lower <= index <= upper can be proved.
  func prove(_ index: Index, in bounds: ClosedRange<Int>) -> Bool {
    let range = index.range(ranges)
    let linear = Linear(index)
    return (range.lowerBound >= bounds.lowerBound || proveNotNegative(linear.plus(-bounds.lowerBound)))
      && (range.upperBound <= bounds.upperBound || proveNotNegative(linear.negated.plus(bounds.upperBound)))
  }

  /// Whether a sum is never negative: by ranges, or after taking away known sums that are not negative either.
  func proveNotNegative(_ sum: Linear) -> Bool {
    var budget = 3000
    if prove(sum, depth: 6, &budget) { return true }
    // Bounds that several minima make need more steps, but not deep ones.
    var more = 60_000
    return prove(sum, depth: 5, &more)
  }

  private func prove(_ sum: Linear, depth: Int, _ budget: inout Int) -> Bool {
    if sum.range(ranges).lowerBound >= 0 { return true }
    budget -= 1
    guard depth > 0, budget > 0 else { return false }
    // A minimum or maximum is one of its operands: what holds with each of them holds.
    for term in sum.terms {
      let choices = term.atom.choices
      guard choices.count > 1 else { continue }
      var proved = true
      for choice in choices where proved {
        var chosen = sum
        chosen.add(Linear(term.atom), -term.factor)
        chosen.add(Linear(choice), term.factor)
        proved = prove(chosen, depth: depth - 1, &budget)
      }
      if proved { return true }
    }
    for term in sum.terms where term.factor < 0 {
      guard case .divide(let dividend, let divisor) = term.atom, divisor > 0 else { continue }
      // The largest quotient that the rest of the sum has room for: a bound of the dividend, where rounding down is not lost.
      var rest = sum
      rest.add(Linear(term.atom), -term.factor)
      let least = rest.range(ranges).lowerBound
      guard least >= 0 else { continue }
      let room = Interval.clamp(Interval.multiply(least / -term.factor + 1, divisor) - 1)
      if prove(Linear(dividend).negated.plus(room), depth: depth - 1, &budget) { return true }
    }
    for term in sum.terms {
      var known = sums + Facts.facts(about: term.atom)
      // A quotient of what is not negative is not negative.
      if case .divide(let dividend, _) = term.atom, term.factor > 0, prove(Linear(dividend), depth: depth - 1, &budget) {
        known.insert(Linear(term.atom), at: 0)
      }
      for fact in known {
        guard let other = fact.terms.first(where: { $0.atom == term.atom }), (other.factor > 0) == (term.factor > 0) else { continue }
        // The sum is k times itself for every k > 0, so that the term can be cancelled in integers.
        let common = greatestCommonDivisor(other.factor, term.factor)
        let scale = abs(other.factor) / common, times = abs(term.factor) / common
        guard scale <= 1 << 16, times <= 1 << 40 else { continue }
        var rest = Linear()
        rest.add(sum, scale)
        rest.add(fact, -times)
        if prove(rest, depth: depth - 1, &budget) { return true }
      }
    }
    return false
  }

  /// What holds for quotients, remainders, minima and maxima by themselves.
  private static func facts(about atom: Index) -> [Linear] {
    let own = Linear(atom)
    switch atom {
    case .divide(let a, let divisor):
      var low = Linear(a)
      low.add(own, -divisor)
      return [low, low.negated.plus(divisor - 1)]
    case .remainder(let a, _): return [Linear(a).minus(own)]
    case .minimum: return atom.minimumParts.map { Linear($0).minus(own) }
    case .maximum: return atom.maximumParts.map { own.minus(Linear($0)) }
    default: return []
    }
  }
}

extension Linear {
  func minus(_ other: Linear) -> Linear {
    var result = self
    result.add(other, -1)
    return result
  }

  func plus(_ value: Int) -> Linear {
    var result = self
    result.constant = Interval.clamp(result.constant + Interval.clamp(value))
    return result
  }

  var negated: Linear {
    var result = Linear()
    result.add(self, -1)
    return result
  }

  func isMultiple(of divisor: Int) -> Bool { constant % divisor == 0 && terms.allSatisfy { $0.factor % divisor == 0 } }
}

extension Index {
  /// The values that a nest of minima, or of maxima, can have.
  fileprivate var choices: [Index] {
    switch self {
    case .minimum: minimumParts
    case .maximum: maximumParts
    default: [self]
    }
  }

  /// The operands of a nest of minima; itself where it is none.
  fileprivate var minimumParts: [Index] {
    if case .minimum(let a, let b) = self { a.minimumParts + b.minimumParts } else { [self] }
  }

  fileprivate var maximumParts: [Index] {
    if case .maximum(let a, let b) = self { a.maximumParts + b.maximumParts } else { [self] }
  }
}

extension Scalar {
  /// The index that the expression is the value of, in a type in which indices keep their order.
  fileprivate var signedIndex: Index? {
    switch self {
    case .index(let index, .i32), .index(let index, .i64): index
    case .literal(.integer(let value, .i32)), .literal(.integer(let value, .i64)): .constant(value)
    default: nil
    }
  }
}
