import Basics
import GraphIR
import LoopIR

/// The common loops around a body, with neighbouring loops made one where every access allows it, cut into parts where there is
/// enough work.
struct LoopNest {
  /// Scalar operations in a part, about: small enough to share out evenly, large enough to outweigh handing it to a thread.
  static let partWork = 1 << 17

  var variables: [(name: String, size: Dimension)]
  var body: [Statement]
  /// Scalar operations in one run of the body, about.
  var work: Int

  /// Merges a loop into the next inner one when every index moves through both as through one.
  ///
  ///     for i in 0..<n { for j in 0..<16 { y[16*i + j] = x[16*i + j] } }   =>   for j in 0..<16*n { y[j] = x[j] }
  mutating func collapse(_ ranges: inout [String: ClosedRange<Int>], symbols: [Symbol]) {
    var forms: [AffineForm] = []
    for statement in body { statement.forEachIndex { forms.append(AffineForm($0)) } }
    var inner = variables.count - 1
    while inner > 0 {
      let (outer, last) = (variables[inner - 1], variables[inner])
      guard let size = last.size.constant, let merged = Dimension.product([outer.size, last.size]),
        forms.allSatisfy({ form in
          !form.opaque.contains(outer.name) && !form.opaque.contains(last.name) && form[outer.name] == form[last.name] * size
        })
      else {
        inner -= 1
        continue
      }
      body = body.map { $0.substituting(indices: [outer.name: .constant(0)]) }
      for index in forms.indices { forms[index].coefficients[outer.name] = nil }
      variables[inner].size = merged
      variables.remove(at: inner - 1)
      ranges[last.name] = 0...max(0, TensorType(.u8, [merged]).maximumCount(symbols) - 1)
      inner -= 1
    }
  }

  /// The loops, and the number of parts that the outermost is cut into.
  func build(symbols: [Symbol]) -> (statements: [Statement], parts: Index) {
    guard let outermost = variables.first else { return (body, .constant(1)) }
    var statements = body
    for variable in variables.dropFirst().reversed() {
      statements = [.loop(Loop(variable.name, to: variable.size.index, statements))]
    }
    let inner = variables.dropFirst().reduce(max(1, work)) { $0 * max(1, TensorType(.u8, [$1.size]).maximumCount(symbols)) }
    let total = TensorType(.u8, [outermost.size]).maximumCount(symbols)
    let chunk = max(1, Self.partWork / inner)
    // A multiple of the widest vector, so that parts begin where vectors do.
    let aligned = chunk > 16 ? chunk / 16 * 16 : chunk
    guard total > aligned + aligned / 2 else {
      return ([.loop(Loop(outermost.name, to: outermost.size.index, statements))], .constant(1))
    }
    let (lower, upper, parts) = partition(outermost.size, chunk: aligned)
    return ([.loop(Loop(outermost.name, from: lower, to: upper, statements))], parts)
  }
}

/// The bounds of part `part` of 0 ..< size in chunks, and the number of parts.
func partition(_ size: Dimension, chunk: Int) -> (lower: Index, upper: Index, parts: Index) {
  let part = Index.variable("part")
  let lower = part * chunk
  let parts: Index = size.constant.map { .constant(($0 + chunk - 1) / chunk) } ?? .divide(size.index + (chunk - 1), chunk)
  return (lower, .minimum(lower + chunk, size.index), parts)
}

/// Scalar operations in a list of statements, about: calls weigh like the polynomial they are, loops multiply.
func estimatedWork(_ statements: [Statement], symbols: [Symbol]) -> Int {
  func scalar(_ s: Scalar) -> Int {
    let own: Int
    switch s {
    case .literal, .variable, .index: own = 0
    case .call: own = 16
    case .binary(.div, _, _), .unary(.sqrt, _): own = 4
    default: own = 1
    }
    return s.children.reduce(own) { $0 + scalar($1) }
  }
  return statements.reduce(0) { sum, statement in
    switch statement {
    case .define(_, _, let value), .variable(_, _, let value), .assign(_, let value): sum + scalar(value)
    case .store(_, _, let value): sum + 1 + scalar(value)
    case .loop(let loop): min(1 << 30, sum + estimatedWork(loop.body, symbols: symbols) * tripCount(loop, symbols))
    case .when(let condition, let a, let b):
      sum + scalar(condition) + estimatedWork(a, symbols: symbols) + estimatedWork(b, symbols: symbols)
    case .repeatWhile(_, let limit, let body): sum + limit * estimatedWork(body, symbols: symbols)
    case .comment, .array, .gemm: sum
    }
  }
}

private func tripCount(_ loop: Loop, _ symbols: [Symbol]) -> Int {
  let ranges = Dictionary(uniqueKeysWithValues: symbols.map { ($0.name, 1...$0.maximum) })
  let known = ranges.merging(["part": 0...0]) { first, _ in first }
  // Where the lower bound is not known it is at least 0.
  let upper = min((loop.upper + loop.lower * -1).range(known).upperBound, loop.upper.range(known).upperBound, 1 << 20)
  return max(1, upper / loop.step)
}

extension Program {
  /// Scalar operations of the entry that has most, about, at the largest batch; those inside CBLAS left out.
  public var longestCall: Int {
    var ranges = Dictionary(uniqueKeysWithValues: symbols.map { ($0.name, $0.maximum...$0.maximum) })
    ranges["part"] = 0...0
    let work = kernels.map { kernel in
      let ranges = ranges.merging(kernel.counters.map { ($0.name, 1...$0.maximum) }) { first, _ in first }
      return operations(kernel.body, ranges) * Double(max(1, kernel.parts.range(ranges).upperBound))
    }
    let calls = entries.map { entry in
      entry.flatSteps.reduce(0.0) { sum, step in
        if case .call(let kernel, _) = step.step { sum + work[kernel] * Double(step.rounds) } else { sum }
      }
    }
    return Int(min(calls.max() ?? 0, 1e18))
  }
}

/// Scalar operations of statements, about, with loops' lengths where outer variables begin.
private func operations(_ statements: [Statement], _ ranges: [String: ClosedRange<Int>]) -> Double {
  statements.reduce(0) { sum, statement in
    switch statement {
    case .loop(let loop):
      let trips = max(0, (loop.upper - loop.lower).range(ranges).upperBound)
      var inner = ranges
      let first = loop.lower.range(ranges).lowerBound
      inner[loop.variable] = first...first
      return sum + operations(loop.body, inner) * Double((trips + loop.step - 1) / loop.step)
    case .when(_, let body, let otherwise): return sum + max(operations(body, ranges), operations(otherwise, ranges)) + 1
    default: return sum + Double(estimatedWork([statement], symbols: []))
    }
  }
}
