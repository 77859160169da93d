import LoopIR

/// Bounds the integers that a kernel computes, to decide whether int is wide enough for its indices.
struct IndexRange {
  private var largest: [String: Int]
  private var isWide = false
  /// Whether the statements looked at are inside a loop of lanes.
  private var isInLanes = false
  private var isInParts = false

  /// Memory accesses in a short loop over neighbouring elements up to which clang proves that their ints do not wrap (it looks at 16 sums).
  private static let mostNarrowAccesses = 8

  /// Whether an index, or a step on the way to one, can leave the range of a 32-bit int; or is better not one: inside lanes clang sees that
  /// neighbouring lanes read neighbouring elements only where no sum of ints can wrap, which it cannot tell of differences, of values
  /// from memory and of what follows from a part's number (a depthwise convolution with ints: 12 GFLOP/s, without: 90), nor of many
  /// accesses (Winograd's transforms of 36 elements become scalar code: a whole filter gradient at 134 GFLOP/s, without at 232).
  static func needsWideIndex(_ kernel: Kernel, symbols: [Symbol]) -> Bool {
    var range = IndexRange(largest: Dictionary(symbols.map { ($0.name, $0.maximum) }, uniquingKeysWith: { $1 }))
    range.largest["part"] = range.magnitude(kernel.parts)
    range.isInParts = kernel.hasParts
    range.visit(kernel.body)
    return range.isWide || kernel.parameters.contains { $0.count > Int(Int32.max) }
  }

  private init(largest: [String: Int]) { self.largest = largest }

  private mutating func visit(_ statements: [Statement]) {
    for statement in statements {
      switch statement {
      case .comment, .array: break
      case .loop(let loop):
        _ = magnitude(loop.lower)
        largest[loop.variable] = note(magnitude(loop.upper).addingReportingOverflow(loop.step))
        let outer = isInLanes
        if loop.kind == .lanes {
          isInLanes = true
          if isInParts { isWide = true }
        }
        visit(loop.body)
        isInLanes = outer
        if loop.isShortVector, loop.body.reduce(0, { $0 + $1.accessCount }) > Self.mostNarrowAccesses { isWide = true }
      case .when(let condition, let body, let otherwise):
        visit(condition)
        visit(body)
        visit(otherwise)
      case .define(_, _, let value), .variable(_, _, let value), .assign(_, let value): visit(value)
      case .store(_, let index, let value):
        _ = magnitude(index)
        visit(value)
      case .gemm(let gemm):
        for index in [gemm.m, gemm.n, gemm.k, gemm.a.offset, gemm.b.offset, gemm.c.offset] { _ = magnitude(index) }
        visit(gemm.beta)
      case .repeatWhile(let condition, _, let body):
        visit(condition)
        visit(body)
      }
    }
  }

  private mutating func visit(_ scalar: Scalar) {
    switch scalar {
    case .load(_, let index), .index(let index, _): _ = magnitude(index)
    default: for child in scalar.children { visit(child) }
    }
  }

  /// An upper bound of the absolute value.
  private mutating func magnitude(_ index: Index) -> Int {
    switch index {
    case .constant(let value):
      if isInLanes, value < 0 { isWide = true }
      return note((abs(value), false))
    case .variable(let name): return largest[name] ?? 0
    case .add(let a, let b): return note(magnitude(a).addingReportingOverflow(magnitude(b)))
    case .multiply(let a, let factor):
      if isInLanes, factor < 0 { isWide = true }
      return note(magnitude(a).multipliedReportingOverflow(by: abs(factor)))
    case .divide(let a, let divisor): return magnitude(a) / divisor
    case .remainder(let a, let divisor): return min(magnitude(a), divisor)
    case .minimum(let a, let b), .maximum(let a, let b): return max(magnitude(a), magnitude(b))
    case .indirect(let scalar, let bound):
      if isInLanes { isWide = true }
      visit(scalar)
      return note((bound, false))
    }
  }

  private mutating func note(_ result: (partialValue: Int, overflow: Bool)) -> Int {
    if result.overflow || result.partialValue > Int(Int32.max) { isWide = true }
    return result.overflow ? Int.max / 2 : result.partialValue
  }
}

extension Statement {
  /// Loads and stores of a definition or store.
  fileprivate var accessCount: Int {
    switch self {
    case .define(_, _, let value): value.loadCount
    case .store(_, _, let value): 1 + value.loadCount
    default: 0
    }
  }
}

extension Scalar {
  fileprivate var loadCount: Int { if case .load = self { 1 } else { children.reduce(0) { $0 + $1.loadCount } } }
}
