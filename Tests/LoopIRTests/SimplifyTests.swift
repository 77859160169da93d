import Basics
import LoopIR
import Testing

/// A small generator with a fixed seed, so that a failure can be repeated (xorshift64*, Marsaglia 2003, Vigna 2016).
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }
  mutating func next() -> UInt64 {
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    return state &* 0x2545_F491_4F6C_DD1D
  }
}

@Suite struct SimplifyTests {
  private let i = Index.variable("i"), j = Index.variable("j"), n = Index.variable("n")
  private let ranges = ["i": 0...7, "j": 0...2, "n": 1...32]

  @Test func quotientsAndRemainders() {
    #expect(Index.divide(i * 3 + j, 3).simplified(ranges) == i)
    #expect(Index.remainder(i * 3 + j, 3).simplified(ranges) == j)
    #expect(Index.remainder(i, 8).simplified(ranges) == i)
    #expect(Index.divide(i, 8).simplified(ranges) == .constant(0))
    #expect((Index.divide(i, 4) * 4 + .remainder(i, 4)).simplified(ranges) == i)
    #expect(Index.divide(.divide(n, 4), 8).simplified(ranges) == .divide(n, 32))
    #expect(Index.divide(i * 6 + j, 12).simplified(ranges) == .divide(i, 2))
    #expect(Index.remainder(i * 6 + j, 12).simplified(ranges) == j + Index.remainder(i, 2) * 6)
    #expect(Index.remainder(n * 9, 3).simplified(ranges) == .constant(0))
    #expect(Index.divide(i + 16, 8).simplified(ranges) == .constant(2))
  }

  @Test func boundsDecideMinima() {
    #expect(Index.minimum(i + 4, .constant(11)).simplified(ranges) == i + 4)
    #expect(Index.minimum(i + 4, .constant(10)).simplified(ranges) == .minimum(i + 4, .constant(10)))
    #expect(Index.maximum(i, .constant(0)).simplified(ranges) == i)
    #expect(Index.minimum(n + i, n).simplified(ranges) == n)
  }

  @Test func sumsAreCollected() {
    #expect((i + j - i).simplified(ranges) == j)
    #expect((i * 2 + i * 3).simplified(ranges) == i * 5)
    #expect((i - i).simplified(ranges) == .constant(0))
    #expect(Index.variable("k").simplified(["k": 4...4]) == .constant(4))
  }

  @Test func rangesOfIndices() {
    #expect((i * 3 + j).range(ranges) == 0...23)
    #expect((n - i).range(ranges) == -6...32)
    #expect((i - i).range(ranges) == 0...0)
    #expect(Index.remainder(n, 5).range(ranges) == 0...4)
    #expect(Index.remainder(i + 8, 16).range(ranges) == 8...15)
    #expect(Index.minimum(i, j).range(ranges) == 0...2)
    #expect(Index.indirect(.load("rows", i), bound: 10).range(ranges) == 0...9)
  }

  /// Random expressions: the simplified one has the same value everywhere, and the range holds it.
  @Test func randomExpressionsKeepTheirValue() {
    var generator = SeededGenerator(seed: 7)
    let variables = ["i": 0...7, "j": 0...2, "n": 1...5]
    for _ in 0..<3000 {
      let index = randomIndex(depth: 4, &generator)
      let simple = index.simplified(variables)
      let range = index.range(variables), simpleRange = simple.range(variables)
      for i in 0...7 {
        for j in 0...2 {
          for n in 1...5 {
            let values = ["i": i, "j": j, "n": n]
            let expected = value(index, values)
            #expect(value(simple, values) == expected, "\(index) became \(simple)")
            #expect(range.contains(expected) && simpleRange.contains(expected), "\(index) in \(range)")
          }
        }
      }
    }
  }

  /// Expressions whose dividends are never negative.
  private func randomIndex(depth: Int, _ generator: inout SeededGenerator) -> Index {
    let kind = depth == 0 ? Int.random(in: 0...3, using: &generator) : Int.random(in: 0...9, using: &generator)
    func inner() -> Index { randomIndex(depth: depth - 1, &generator) }
    switch kind {
    case 0: return i
    case 1: return j
    case 2: return n
    case 3: return .constant(Int.random(in: 0...9, using: &generator))
    case 4, 5: return .add(inner(), inner())
    case 6: return .multiply(inner(), [1, 2, 3, 4, 6, 8].randomElement(using: &generator)!)
    case 7: return .divide(inner(), [1, 2, 3, 4, 6, 12].randomElement(using: &generator)!)
    case 8: return .remainder(inner(), [1, 2, 3, 4, 6, 12].randomElement(using: &generator)!)
    default: return Bool.random(using: &generator) ? .minimum(inner(), inner()) : .maximum(inner(), inner())
    }
  }

  private func value(_ index: Index, _ values: [String: Int]) -> Int {
    switch index {
    case .constant(let value): value
    case .variable(let name): values[name]!
    case .add(let a, let b): value(a, values) + value(b, values)
    case .multiply(let a, let factor): value(a, values) * factor
    case .divide(let a, let divisor): value(a, values) / divisor
    case .remainder(let a, let divisor): value(a, values) % divisor
    case .minimum(let a, let b): min(value(a, values), value(b, values))
    case .maximum(let a, let b): max(value(a, values), value(b, values))
    case .indirect: fatalError("not generated")
    }
  }

  @Test func scalarIdentities() {
    let x = Scalar.variable("x")
    func f(_ value: Double) -> Scalar { .float(value, .f32) }
    #expect((x * f(1)).simplified() == x)
    #expect((x / f(4)).simplified() == x * f(0.25))
    #expect((x / f(3)).simplified() == x / f(3))
    #expect((x + f(0)).simplified() == x + f(0), "-0 + 0 is 0")
    #expect((x + f(-0.0)).simplified() == x)
    #expect((x - f(0)).simplified() == x)
    #expect((x * f(0)).simplified() == x * f(0), "inf * 0 is NaN")
    #expect(Scalar.select(.compare(.lt, f(1), f(2)), x, f(0)).simplified() == x)
    #expect((f(0.1) + f(0.2)).simplified() == f(Double(Float(0.1) + Float(0.2))))
    #expect(Scalar.cast(.i32, f(-7.9)).simplified() == .integer(-7, .i32))
    #expect(Scalar.cast(.u8, f(300)).simplified() == .integer(255, .u8))
    #expect(Scalar.cast(.i32, f(.nan)).simplified() == .integer(0, .i32))
    #expect((Scalar.integer(200, .u8) + .integer(100, .u8)).simplified() == .integer(44, .u8))
    #expect(Scalar.binary(.div, .integer(-7, .i32), .integer(2, .i32)).simplified() == .integer(-3, .i32))
    let zero = Scalar.binary(.div, .integer(1, .i32), .integer(0, .i32))
    #expect(zero.simplified() == zero)
  }

  @Test func comparisonsOfIndicesAreDecidedByRanges() {
    let inside = Scalar.compare(.lt, .index(i, .i64), .integer(8, .i64))
    #expect(inside.simplified(ranges) == .literal(.bool(true)))
    let open = Scalar.compare(.lt, .index(i, .i64), .integer(7, .i64))
    #expect(open.simplified(ranges) == open)
    #expect(Scalar.compare(.ge, .index(i - 8, .i32), .integer(0, .i32)).simplified(ranges) == .literal(.bool(false)))
  }
}
