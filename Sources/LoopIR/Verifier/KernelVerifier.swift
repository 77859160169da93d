import Basics

/// Checks one kernel.
///
/// * Every name is defined before its use and means one thing wherever it is visible; symbols are declared.
/// * Types are consistent; no operand's element is left; conditions are bool.
/// * Every access lies inside its buffer for all values of the symbols: proved from loop bounds, guards and minima.
/// * Stores go to parameters that are written and to local arrays; assignments to variables.
/// * Lanes and unrolled loops have constant trip counts; nesting, length and local memory are bounded.
struct KernelVerifier {
  /// Deepest nest of loops and branches.
  static let maximumDepth = 24
  /// Most statements in a kernel.
  static let maximumStatements = 8192
  /// Most bytes of local arrays alive at once, on the stack of a thread.
  static let maximumLocalBytes = 1 << 18
  /// Deepest expression.
  static let maximumExpressionDepth = 160

  /// A finding and the number of its statement in the order of the text; nil: the kernel itself.
  struct Finding {
    var statement: Int?
    var message: String
  }

  private enum Role { case constant, variable, index, readable, writable, local }

  private(set) var findings: [Finding] = []
  private var roles: [String: Role] = [:]
  private var types = TypeEnvironment()
  private var counts: [String: Int] = [:]
  private var localBytes = 0
  private var depth = 0
  private var number = -1

  /// All findings in a kernel.
  static func findings(in kernel: Kernel, symbols: [Symbol]) -> [Finding] {
    var verifier = KernelVerifier()
    verifier.check(kernel, symbols)
    return verifier.findings
  }

  private mutating func report(_ message: String) { findings.append(Finding(statement: number < 0 ? nil : number, message: message)) }

  private mutating func check(_ kernel: Kernel, _ symbols: [Symbol]) {
    var ranges: [String: ClosedRange<Int>] = [:]
    for name in kernel.symbols {
      guard let symbol = kernel.counters.first(where: { $0.name == name }) ?? symbols.first(where: { $0.name == name }) else {
        report("symbol `\(name)` is not declared by the program")
        continue
      }
      introduce(name, .index)
      ranges[name] = 1...max(1, symbol.maximum)
    }
    for parameter in kernel.parameters {
      introduce(parameter.name, parameter.access == .read ? .readable : .writable)
      types.buffers[parameter.name] = parameter.element
      counts[parameter.name] = parameter.count
      if parameter.count < 0 { report("parameter `\(parameter.name)` has \(parameter.count) elements") }
    }
    let facts = Facts(ranges: ranges)
    check(kernel.parts, facts)
    guard findings.isEmpty else { return }
    let parts = kernel.parts.range(ranges)
    if parts.upperBound < 1 || parts.upperBound >= Interval.limit { report("the number of parts lies in \(parts)") }
    introduce("part", .index)
    var inner = Facts(ranges: ranges)
    inner.enter(Loop("part", to: kernel.parts, []))
    block(kernel.body, inner)
  }

  private mutating func introduce(_ name: String, _ role: Role) {
    if roles[name] != nil { report("`\(name)` is already the name of something visible here") }
    roles[name] = role
  }

  private mutating func block(_ statements: [Statement], _ facts: Facts) {
    let outer = (roles, types, counts, localBytes)
    depth += 1
    if depth > KernelVerifier.maximumDepth {
      report("nested more than \(KernelVerifier.maximumDepth) deep")
    } else {
      for statement in statements {
        number += 1
        if number == KernelVerifier.maximumStatements { report("the kernel has more than \(KernelVerifier.maximumStatements) statements") }
        if number >= KernelVerifier.maximumStatements { break }
        check(statement, facts)
      }
    }
    depth -= 1
    (roles, types, counts, localBytes) = outer
  }

  private mutating func check(_ statement: Statement, _ facts: Facts) {
    switch statement {
    case .comment: break
    case .loop(let loop): check(loop, facts)
    case .when(let condition, let then, let otherwise):
      expect(.bool, condition, "the condition", facts)
      var inside = facts
      inside.assume(condition, holds: true)
      block(then, inside)
      var outside = facts
      outside.assume(condition, holds: false)
      block(otherwise, outside)
    case .define(let name, let element, let value):
      expect(element, value, "`\(name)`", facts)
      introduce(name, .constant)
      types.variables[name] = element
    case .variable(let name, let element, let value):
      expect(element, value, "`\(name)`", facts)
      introduce(name, .variable)
      types.variables[name] = element
    case .assign(let name, let value):
      guard let element = types.variables[name] else { return report("no variable is named `\(name)`") }
      if roles[name] != .variable { report("`\(name)` is a definition and cannot be assigned") }
      expect(element, value, "`\(name)`", facts)
    case .array(let name, let element, let count):
      introduce(name, .local)
      types.buffers[name] = element
      counts[name] = count
      let (bytes, overflow) = count.multipliedReportingOverflow(by: element.size)
      localBytes = overflow || count <= 0 ? .max : min(localBytes, 1 << 40) + min(bytes, 1 << 40)
      if localBytes > KernelVerifier.maximumLocalBytes {
        report("local arrays of \(count) elements: between 1 element and \(KernelVerifier.maximumLocalBytes) bytes in all are allowed")
        localBytes = 0
      }
    case .store(let name, let index, let value):
      guard let element = types.buffers[name] else { return report("no buffer or array is named `\(name)`") }
      if roles[name] == .readable { report("`\(name)` is only read by this kernel and cannot be stored to") }
      expect(element, value, "an element of `\(name)`", facts)
      check(index, facts)
      bound(name, index, facts)
    case .gemm(let gemm): check(gemm, facts)
    case .repeatWhile(let condition, let limit, let body):
      if limit < 1 { report("a limit of \(limit) repetitions") }
      expect(.bool, condition, "the condition", facts)
      var inside = facts
      inside.assume(condition, holds: true)
      block(body, inside)
    }
  }

  private mutating func check(_ loop: Loop, _ facts: Facts) {
    check(loop.lower, facts)
    check(loop.upper, facts)
    guard loop.step > 0, loop.step < 1 << 40 else { return report("a step of \(loop.step)") }
    if loop.kind != .serial {
      let span = Linear(loop.upper).minus(Linear(loop.lower))
      if !span.terms.isEmpty { report("a loop of \(loop.kind.rawValue) needs a constant trip count, not \(loop.upper) - \(loop.lower)") }
    }
    let outer = roles
    introduce(loop.variable, .index)
    var inside = facts
    inside.enter(loop)
    block(loop.body, inside)
    roles = outer
  }

  private mutating func check(_ gemm: Gemm, _ facts: Facts) {
    guard gemm.element.isFloat else { return report("gemm of \(gemm.element)") }
    if !gemm.alpha.isFinite { report("gemm with alpha \(gemm.alpha)") }
    expect(gemm.element, gemm.beta, "beta", facts)
    for size in [gemm.m, gemm.n, gemm.k] {
      check(size, facts)
      if !facts.prove(size, in: 0...Int(Int32.max)) { report("the size \(size) of a gemm is not proved to lie in 0 ... 2^31 - 1") }
    }
    for (matrix, rows, columns) in [
      (gemm.a, gemm.transposeA ? gemm.k : gemm.m, gemm.transposeA ? gemm.m : gemm.k),
      (gemm.b, gemm.transposeB ? gemm.n : gemm.k, gemm.transposeB ? gemm.k : gemm.n), (gemm.c, gemm.m, gemm.n),
    ] {
      guard let element = types.buffers[matrix.buffer] else {
        report("no buffer or array is named `\(matrix.buffer)`")
        continue
      }
      if element != gemm.element { report("gemm of \(gemm.element) on `\(matrix.buffer)` of \(element)") }
      check(matrix.offset, facts)
      guard matrix.stride > 0, matrix.stride < 1 << 40 else {
        report("a stride of \(matrix.stride)")
        continue
      }
      if !facts.prove(columns, in: 0...matrix.stride) { report("rows of \(columns) elements do not fit a stride of \(matrix.stride)") }
      // The element after the last row's last.
      let end = matrix.offset + (rows + -1) * matrix.stride + columns
      if !facts.prove(matrix.offset, in: 0...Interval.limit) || !facts.prove(end, in: -Interval.limit...(counts[matrix.buffer] ?? 0)) {
        report(
          "gemm takes \(rows) rows of \(columns) from `\(matrix.buffer)`[\(matrix.offset)] with stride \(matrix.stride): not proved to lie in its "
            + "\(counts[matrix.buffer] ?? 0) elements")
      }
    }
    if roles[gemm.c.buffer] == .readable { report("`\(gemm.c.buffer)` is only read by this kernel and cannot hold a product") }
    if gemm.c.buffer == gemm.a.buffer || gemm.c.buffer == gemm.b.buffer { report("the product is written over its own operand") }
  }

  // Expressions.

  private mutating func expect(_ element: ElementType, _ value: Scalar, _ what: String, _ facts: Facts) {
    guard check(value, facts) else { return }
    do {
      let found = try value.type(in: types)
      if found != element { report("\(what) is \(element), the value \(found)") }
    } catch { report(error.message.replacingPrefix("internal error: ")) }
  }

  /// Checks names, bounds and depth inside an expression; false where it is too deep to look at.
  @discardableResult
  private mutating func check(_ value: Scalar, _ facts: Facts, depth: Int = 0) -> Bool {
    guard depth < KernelVerifier.maximumExpressionDepth else {
      report("an expression nested more than \(KernelVerifier.maximumExpressionDepth) deep")
      return false
    }
    switch value {
    case .load(let name, let index):
      guard check(index, facts, depth: depth) else { return false }
      guard types.buffers[name] != nil else { break }
      bound(name, index, facts)
    case .index(let index, _): return check(index, facts, depth: depth)
    case .element:
      report("an operand's element is left: \(value)")
      return false
    case .select(let condition, let a, let b):
      guard check(condition, facts, depth: depth + 1) else { return false }
      var chosen = facts
      chosen.assume(condition, holds: true)
      guard check(a, chosen, depth: depth + 1) else { return false }
      var other = facts
      other.assume(condition, holds: false)
      return check(b, other, depth: depth + 1)
    default:
      for child in value.children { guard check(child, facts, depth: depth + 1) else { return false } }
    }
    return true
  }

  @discardableResult
  private mutating func check(_ index: Index, _ facts: Facts, depth: Int = 0) -> Bool {
    guard depth < KernelVerifier.maximumExpressionDepth else {
      report("an index nested more than \(KernelVerifier.maximumExpressionDepth) deep")
      return false
    }
    switch index {
    case .constant: return true
    case .variable(let name):
      if roles[name] != .index {
        report("no index variable is named `\(name)`")
        return false
      }
      return true
    case .add(let a, let b), .minimum(let a, let b), .maximum(let a, let b):
      return check(a, facts, depth: depth + 1) && check(b, facts, depth: depth + 1)
    case .multiply(let a, _): return check(a, facts, depth: depth + 1)
    case .divide(let a, let divisor), .remainder(let a, let divisor):
      guard check(a, facts, depth: depth + 1) else { return false }
      guard divisor > 0 else {
        report("division of an index by \(divisor)")
        return false
      }
      if !facts.prove(a, in: 0...Interval.limit) { report("the dividend \(a) may be negative, where C and the interpreter differ") }
      return true
    case .indirect(let scalar, let bound):
      guard check(scalar, facts, depth: depth + 1) else { return false }
      if bound < 1 { report("an indirect index with bound \(bound)") }
      do {
        let element = try scalar.type(in: types)
        if !element.isInteger { report("an indirect index is \(element), not an integer") }
      } catch { report(error.message.replacingPrefix("internal error: ")) }
      return true
    }
  }

  private mutating func bound(_ name: String, _ index: Index, _ facts: Facts) {
    guard let count = counts[name], !index.hasUnsafeDivision else { return }
    if facts.prove(index, in: 0...count - 1) { return }
    let range = index.range(facts.ranges)
    report(
      "`\(name)`[\(index)] is not proved to lie in 0 ..< \(count); by ranges alone it lies in \(range.lowerBound) ... \(range.upperBound)")
  }
}

extension Index {
  /// Whether a divisor inside is not positive, so that no range can be computed.
  fileprivate var hasUnsafeDivision: Bool {
    switch self {
    case .constant, .variable, .indirect: false
    case .add(let a, let b), .minimum(let a, let b), .maximum(let a, let b): a.hasUnsafeDivision || b.hasUnsafeDivision
    case .multiply(let a, _): a.hasUnsafeDivision
    case .divide(let a, let divisor), .remainder(let a, let divisor): divisor <= 0 || a.hasUnsafeDivision
    }
  }
}

extension String {
  fileprivate func replacingPrefix(_ prefix: String) -> String { hasPrefix(prefix) ? String(dropFirst(prefix.count)) : self }
}
