/// A sum of integer multiples of atoms (indices that are no sums themselves) and a constant: the form in which indices are compared and
/// simplified. Terms keep the order of their first appearance.
struct Linear: Hashable {
  struct Term: Hashable {
    var atom: Index
    var factor: Int
  }

  var terms: [Term] = []
  var constant = 0

  init(constant: Int = 0) { self.constant = constant }

  /// The sum that `index` is; products and sums inside are multiplied out, everything else is an atom.
  init(_ index: Index) { add(index, 1) }

  mutating func add(_ index: Index, _ factor: Int) {
    switch index {
    case .constant(let value): constant = Interval.clamp(constant + Interval.multiply(value, factor))
    case .add(let a, let b):
      add(a, factor)
      add(b, factor)
    case .multiply(let a, let k): add(a, Interval.multiply(factor, k))
    default: add(atom: index, factor)
    }
  }

  mutating func add(atom: Index, _ factor: Int) {
    if let position = terms.firstIndex(where: { $0.atom == atom }) {
      terms[position].factor = Interval.clamp(terms[position].factor + factor)
      if terms[position].factor == 0 { terms.remove(at: position) }
    } else if factor != 0 {
      terms.append(Term(atom: atom, factor: factor))
    }
  }

  mutating func add(_ other: Linear, _ factor: Int = 1) {
    for term in other.terms { add(atom: term.atom, Interval.multiply(term.factor, factor)) }
    constant = Interval.clamp(constant + Interval.multiply(other.constant, factor))
  }

  /// The terms whose factor satisfies the condition, and the rest with the constant.
  func split(_ condition: (Int) -> Bool) -> (Linear, Linear) {
    var first = Linear(), second = Linear(constant: constant)
    for term in terms {
      if condition(term.factor) { first.terms.append(term) } else { second.terms.append(term) }
    }
    return (first, second)
  }

  /// All factors and the constant divided; they are multiples.
  func divided(by divisor: Int) -> Linear {
    var result = self
    for position in result.terms.indices { result.terms[position].factor /= divisor }
    result.constant /= divisor
    return result
  }

  /// All values of the sum. A minimum or maximum in it is tried with either side in its place, so that what cancels cancels:
  /// min(a + 8, b) - a lies in the range of min(8, b - a).
  func range(_ ranges: [String: ClosedRange<Int>], choices: Int = 4) -> ClosedRange<Int> {
    let plain = terms.reduce(constant...constant) { Interval.add($0, Interval.multiply($1.atom.range(ranges), $1.factor)) }
    guard choices > 0, terms.count > 1, let choice = terms.firstIndex(where: { $0.atom.sides != nil }) else { return plain }
    let term = terms[choice]
    let (a, b, isMinimum) = term.atom.sides!
    let sides = [a, b].map { side -> ClosedRange<Int> in
      var sum = self
      sum.terms.remove(at: choice)
      sum.add(side, term.factor)
      return sum.range(ranges, choices: choices - 1)
    }
    let chosen = isMinimum == (term.factor > 0) ? Interval.minimum(sides[0], sides[1]) : Interval.maximum(sides[0], sides[1])
    return Swift.max(plain.lowerBound, chosen.lowerBound)...Swift.min(plain.upperBound, chosen.upperBound)
  }

  /// The sum as an index: positive terms first, so that a difference reads as one.
  var index: Index {
    let ordered = terms.filter { $0.factor > 0 } + terms.filter { $0.factor < 0 }
    guard let first = ordered.first else { return .constant(constant) }
    func product(_ term: Term) -> Index { term.factor == 1 ? term.atom : .multiply(term.atom, term.factor) }
    let sum = ordered.dropFirst().reduce(product(first)) { .add($0, product($1)) }
    return constant == 0 ? sum : .add(sum, .constant(constant))
  }
}

extension Index {
  /// The two sides of a minimum or maximum.
  fileprivate var sides: (Index, Index, isMinimum: Bool)? {
    switch self {
    case .minimum(let a, let b): (a, b, true)
    case .maximum(let a, let b): (a, b, false)
    default: nil
    }
  }
}

/// Arithmetic of closed integer ranges that saturates far outside every address.
enum Interval {
  static let limit = 1 << 60
  static let unknown = -limit...limit

  static func clamp(_ value: Int) -> Int { Swift.min(Swift.max(value, -limit), limit) }

  static func add(_ a: ClosedRange<Int>, _ b: ClosedRange<Int>) -> ClosedRange<Int> {
    clamp(a.lowerBound + b.lowerBound)...clamp(a.upperBound + b.upperBound)
  }

  static func multiply(_ a: Int, _ factor: Int) -> Int {
    let (value, overflow) = a.multipliedReportingOverflow(by: factor)
    return overflow ? ((a < 0) == (factor < 0) ? limit : -limit) : clamp(value)
  }

  static func multiply(_ a: ClosedRange<Int>, _ factor: Int) -> ClosedRange<Int> {
    let x = multiply(a.lowerBound, factor), y = multiply(a.upperBound, factor)
    return Swift.min(x, y)...Swift.max(x, y)
  }

  static func minimum(_ a: ClosedRange<Int>, _ b: ClosedRange<Int>) -> ClosedRange<Int> {
    Swift.min(a.lowerBound, b.lowerBound)...Swift.min(a.upperBound, b.upperBound)
  }

  static func maximum(_ a: ClosedRange<Int>, _ b: ClosedRange<Int>) -> ClosedRange<Int> {
    Swift.max(a.lowerBound, b.lowerBound)...Swift.max(a.upperBound, b.upperBound)
  }
}

/// Quotient rounded down; the divisor is positive.
func floorDivide(_ a: Int, _ divisor: Int) -> Int {
  let quotient = a / divisor
  return a % divisor < 0 ? quotient - 1 : quotient
}

/// Remainder in 0 ..< divisor; the divisor is positive.
func floorRemainder(_ a: Int, _ divisor: Int) -> Int { a - floorDivide(a, divisor) * divisor }

/// The greatest common divisor, not negative.
func greatestCommonDivisor(_ a: Int, _ b: Int) -> Int {
  var (a, b) = (abs(a), abs(b))
  while b != 0 { (a, b) = (b, a % b) }
  return a
}
