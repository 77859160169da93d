import Basics
import LoopIR

/// Emits the statements of one kernel.
struct KernelText {
  var scope: ScalarText
  var gemms: GemmText
  private var names: NameTable
  private var uses: NameUses
  private var lines = CLines()
  /// The C name that a kernel's name had in the block before: blocks side by side use the same one.
  private var earlierNames: [String: String] = [:]
  /// Statements that textual unrolling may still add to this kernel.
  private var unrollBudget = 2048

  /// The C function of a kernel as `static void NAME(...)`, without the comments above it.
  /// `canonical`: parameters are named by position and comments left out, to find kernels that differ in names alone.
  static func function(
    _ kernel: Kernel, named name: String, symbols: [Symbol], helpers: inout Helpers, functions: inout ScalarFunctions,
    gemms: inout GemmText, reserved: Set<String>, canonical: Bool = false
  ) throws -> String {
    var text = KernelText(
      scope: ScalarText(helpers: helpers, functions: functions), gemms: gemms, names: NameTable(taken: reserved), uses: NameUses(kernel))
    if IndexRange.needsWideIndex(kernel, symbols: symbols) { text.scope.indexType = "ptrdiff_t" }
    try text.emit(kernel, named: name, canonical: canonical)
    helpers = text.scope.helpers
    functions = text.scope.functions
    gemms = text.gemms
    return text.lines.text
  }

  private init(scope: ScalarText, gemms: GemmText, names: NameTable, uses: NameUses) {
    self.scope = scope
    self.gemms = gemms
    self.names = names
    self.uses = uses
  }

  private mutating func emit(_ kernel: Kernel, named name: String, canonical: Bool) throws {
    var parameters: [String] = []
    var unused: [String] = []
    for (position, parameter) in kernel.parameters.enumerated() {
      let cName = names.unique(canonical ? "p\(position)" : parameter.name)
      scope.arrays[parameter.name] = (cName, parameter.element)
      parameters.append("\(parameter.access == .read ? "const " : "")\(parameter.element.cMemoryType) *restrict \(cName)")
      if !uses.arrays.contains(parameter.name) { unused.append(cName) }
    }
    for symbol in kernel.symbols + (kernel.hasParts ? ["part"] : []) {
      let cName = names.unique(symbol)
      scope.indices[symbol] = cName
      parameters.append("\(scope.indexType) \(cName)")
      if !uses.indices.contains(symbol) { unused.append(cName) }
    }
    if !kernel.hasParts { scope.unrolled["part"] = 0 }
    lines.line("GRADC_NOINLINE")
    lines.line(wrapped("static void \(name)(\(parameters.isEmpty ? "void" : parameters.joined(separator: ", "))) {"))
    lines.depth += 1
    for name in unused { lines.line("(void)\(name);") }
    try emit(canonical ? kernel.body.filter { !$0.isComment } : kernel.body)
    lines.depth -= 1
    lines.line("}")
  }

  private mutating func emit(_ statements: [Statement]) throws {
    for statement in statements { try emit(statement) }
  }

  private mutating func emit(_ statement: Statement) throws {
    switch statement {
    case .comment(let text): lines.line("/* \(commentText(text)) */")
    case .loop(let loop): try emit(loop)
    case .when(let condition, let body, let otherwise):
      lines.line("if (\(outerParenthesesDropped(try scope.scalar(condition).text))) {")
      try nested(body)
      if !otherwise.isEmpty {
        lines.line("} else {")
        try nested(otherwise)
      }
      lines.line("}")
    case .define(let name, let element, let value):
      // What is never read would only be warned of.
      guard uses.values.contains(name) else { return }
      try declare(name, element, value, prefix: "const ")
    case .variable(let name, let element, let value):
      try declare(name, element, value, prefix: "")
      if !uses.values.contains(name) { lines.line("(void)\(scope.values[name]!.name);") }
    case .assign(let name, let value):
      guard let variable = scope.values[name] else { throw Diagnostic.bug("the variable '\(name)' is not in scope") }
      lines.line("\(variable.name) = \(try scope.stored(value, as: variable.element));")
    case .array(let name, let element, let count):
      let cName = localName(name, isVisible: scope.arrays[name] != nil)
      scope.arrays[name] = (cName, element)
      lines.line("\(element.cMemoryType) \(cName)[\(max(count, 1))];")
      if !uses.loaded.contains(name) { lines.line("(void)\(cName);") }
    case .store(let name, let index, let value):
      guard let array = scope.arrays[name] else { throw Diagnostic.bug("the buffer '\(name)' is not in scope") }
      lines.line("\(array.name)[\(try scope.index(index))] = \(try scope.stored(value, as: array.element));")
    case .gemm(let gemm): lines.line(try gemms.call(gemm, scope: &scope))
    case .repeatWhile(let condition, let limit, let body):
      let trip = names.unique("trip")
      lines.line("for (int \(trip) = 0; \(trip) < \(limit) && \(try scope.scalar(condition).at(.additive)); ++\(trip)) {")
      try nested(body)
      lines.line("}")
    }
  }

  private mutating func declare(_ name: String, _ element: ElementType, _ value: Scalar, prefix: String) throws {
    let text = element.isNarrow ? try scope.stored(value, as: element) : outerParenthesesDropped(try scope.scalar(value).text)
    let cName = localName(name, isVisible: scope.values[name] != nil)
    scope.values[name] = (cName, element)
    lines.line("\(prefix)\(element.cValueType) \(cName) = \(text);")
  }

  /// The C name of a local; a new one when the same name is already visible here.
  private mutating func localName(_ name: String, isVisible: Bool) -> String {
    if !isVisible, let earlier = earlierNames[name] { return earlier }
    let cName = names.unique(name)
    earlierNames[name] = cName
    return cName
  }

  private mutating func nested(_ body: [Statement]) throws {
    lines.depth += 1
    let outer = scope
    try emit(body)
    // Names end with the block; what the file needs stays.
    (scope.values, scope.arrays, scope.indices) = (outer.values, outer.arrays, outer.indices)
    lines.depth -= 1
  }

  private mutating func emit(_ loop: Loop) throws {
    let lower = scope.resolve(loop.lower)
    let upper = scope.resolve(loop.upper)
    if loop.kind == .unrolled, let first = lower.constantValue, let end = upper.constantValue, let size = unrolledSize(loop, first, end) {
      unrollBudget -= size
      return try unroll(loop, from: first, to: end)
    }
    let previous = scope.indices[loop.variable]
    let variable = localName(loop.variable, isVisible: previous != nil)
    let start = try scope.index(lower)
    let bound = try scope.index(upper)
    scope.indices[loop.variable] = variable
    let hidden = scope.unrolled.removeValue(forKey: loop.variable)
    let step = loop.step == 1 ? "++\(variable)" : "\(variable) += \(loop.step)"
    if loop.isShortVector { lines.line("GRADC_VECTOR") }
    if loop.isOddTerms || loop.isTileSum { lines.line("GRADC_TERMS") }
    lines.line("for (\(scope.indexType) \(variable) = \(start); \(variable) < \(bound); \(step)) {")
    try nested(loop.body)
    lines.line("}")
    scope.indices[loop.variable] = previous
    scope.unrolled[loop.variable] = hidden
  }

  /// Statements of the loop written out, when that stays small.
  private func unrolledSize(_ loop: Loop, _ first: Int, _ end: Int) -> Int? {
    guard end > first, end - first <= 64 * loop.step else { return nil }
    let size = (end - first + loop.step - 1) / loop.step * statementCount(loop.body)
    return size <= unrollBudget ? size : nil
  }

  /// Writes the iterations one after another. Compilers do not unroll an inner loop early enough to see that the lanes loop around it
  /// works on neighbouring elements (clang 21 falls to 2.4 GFLOP/s on a tile of four rows); written out, all of them do: see `Loop.Kind`.
  private mutating func unroll(_ loop: Loop, from first: Int, to end: Int) throws {
    let hidden = scope.unrolled[loop.variable]
    for value in stride(from: first, to: end, by: loop.step) {
      scope.unrolled[loop.variable] = value
      if loop.body.contains(where: \.isDeclaration) {
        lines.line("{")
        try nested(loop.body)
        lines.line("}")
      } else {
        try emit(loop.body)
      }
    }
    scope.unrolled[loop.variable] = hidden
  }
}

private func statementCount(_ statements: [Statement]) -> Int {
  statements.reduce(0) { count, statement in
    switch statement {
    case .loop(let loop):
      let trips = loop.kind == .unrolled ? max(1, ((loop.upper.constantValue ?? 1) - (loop.lower.constantValue ?? 0)) / loop.step) : 1
      return count + min(1 << 20, trips * statementCount(loop.body))
    case .when(_, let body, let otherwise): return count + 1 + statementCount(body) + statementCount(otherwise)
    case .repeatWhile(_, _, let body): return count + 1 + statementCount(body)
    default: return count + 1
    }
  }
}

extension Statement {
  fileprivate var isComment: Bool { if case .comment = self { true } else { false } }

  fileprivate var isDeclaration: Bool {
    switch self {
    case .define, .variable, .array: true
    default: false
    }
  }
}

extension Loop {
  /// Whether this is an innermost loop over a few neighbouring elements: clang would unroll it whole, and then gather the elements of the
  /// loop around it (a quarter of a training step of a small network).
  var isShortVector: Bool {
    guard kind == .serial, step == 1, let first = lower.constantValue, let end = upper.constantValue, (8...64).contains(end - first) else {
      return false
    }
    return body.allSatisfy { statement in
      switch statement {
      case .define, .store, .comment: true
      default: false
      }
    }
  }
}

extension Loop {
  /// Whether this is a register tile's loop over a constant number of terms that four does not divide: clang unrolls it by another factor, of
  /// 63 terms by 7, and gives up keeping the sums in registers after 250 accesses (a third of the speed).
  fileprivate var isOddTerms: Bool {
    guard kind == .serial, step == 1, let first = lower.constantValue, let end = upper.constantValue, end - first > 4,
      (end - first) % 4 != 0, body.count == 1, case .loop(let inner) = body[0]
    else { return false }
    return inner.kind == .lanes
  }

  /// Whether this adds products to a register tile of several rows: unrolled by six, of 4,608 terms, the loop has more accesses to the tile
  /// than clang looks at to keep it in registers (20 GFLOP/s for 95).
  fileprivate var isTileSum: Bool {
    guard kind == .serial, body.count == 1, case .loop(let lanes) = body[0], lanes.kind == .lanes, lanes.body.count == 1,
      case .loop(let rows) = lanes.body[0], rows.kind == .unrolled, let first = lower.constantValue, let end = upper.constantValue
    else { return false }
    return end - first >= 24
  }
}

extension Kernel {
  /// Whether the kernel is a function of a part's number.
  var hasParts: Bool { parts != .constant(1) }
}
