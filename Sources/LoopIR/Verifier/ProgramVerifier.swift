import Basics

extension Program {
  /// Everything that is wrong with the program; empty when it may be run and emitted. Locations are lines of `description`, so that
  /// `rendered(source: description)` shows the statement. What a kernel must satisfy stands at `KernelVerifier`; the rest:
  ///
  /// * Names of kernels, entries and symbols are unique; buffers lie inside their blocks, aligned to their elements.
  /// * Calls pass buffers of the right type and size; what a kernel writes overlaps none of its other buffers (which makes `restrict` true)
  ///   and is not an input, a target, the row factors or a constant.
  /// * Within an entry, arena memory is read only after it was written, and not after another buffer took its place.
  public func verify() -> [Diagnostic] {
    var verifier = ProgramVerifier(self)
    verifier.check()
    return verifier.diagnostics
  }

  /// Throws a bug with the listing of the statements concerned unless `verify` finds nothing; `pass` is what made the program.
  public func requireVerified(after pass: String) throws(Diagnostic) {
    let found = verify()
    guard let first = found.first else { return }
    let source = description
    let shown = found.prefix(8).map { $0.rendered(source: source) }.joined(separator: "\n")
    throw Diagnostic.bug("the program after \(pass) has \(found.count) defects (\(first.message)):\n\(shown)")
  }
}

struct ProgramVerifier {
  let program: Program
  private let listing: Listing
  private(set) var diagnostics: [Diagnostic] = []

  init(_ program: Program) {
    self.program = program
    listing = Listing(program)
  }

  private mutating func report(_ message: String, line: Int = 1) {
    let text = listing.lines[line - 1]
    let margin = text.prefix { $0 == " " }.count
    diagnostics.append(
      Diagnostic(
        message, kind: .bug, at: SourceLocation(file: program.name, line: line, column: margin + 1), length: max(1, text.count - margin)))
  }

  mutating func check() {
    if !program.element.isFloat { report("a program of \(program.element)") }
    unique(program.symbols.map(\.name), "symbol")
    unique(program.kernels.map(\.name), "kernel")
    unique(program.entries.map(\.name), "entry")
    for symbol in program.symbols where symbol.maximum < 1 || symbol.maximum > 1 << 40 {
      report("symbol \(symbol.name) has the maximum \(symbol.maximum)")
    }
    for table in program.constants where table.bytes.count % table.element.size != 0 {
      report("constant \(table.name) has \(table.bytes.count) bytes, not a multiple of \(table.element.size)")
    }
    for position in program.buffers.indices { checkBuffer(position) }
    for (position, kernel) in program.kernels.enumerated() {
      for finding in KernelVerifier.findings(in: kernel, symbols: program.symbols) {
        let lines = listing.statementLines[position]
        let line = finding.statement.map { $0 < lines.count ? lines[$0] : listing.kernelLines[position] }
        report("kernel \(kernel.name): \(finding.message)", line: line ?? listing.kernelLines[position])
      }
    }
    for (position, entry) in program.entries.enumerated() { check(entry, listing.stepLines[position]) }
  }

  private mutating func unique(_ names: [String], _ what: String) {
    var seen: Set<String> = []
    for name in names where !seen.insert(name).inserted { report("two \(what)s are named `\(name)`") }
  }

  private mutating func checkBuffer(_ position: Int) {
    let buffer = program.buffers[position], line = listing.bufferLines[position]
    guard buffer.count >= 0, buffer.offset >= 0, buffer.count <= 1 << 40, buffer.offset <= 1 << 50 else {
      return report("buffer \(buffer.name) has \(buffer.count) elements at byte \(buffer.offset)", line: line)
    }
    if buffer.offset % buffer.element.size != 0 {
      report(
        "buffer \(buffer.name) of \(buffer.element) begins at byte \(buffer.offset), not a multiple of \(buffer.element.size)", line: line)
    }
    guard let (bytes, what) = capacity(of: buffer.block) else {
      return report("buffer \(buffer.name) lies in \(buffer.block), which the program does not have", line: line)
    }
    let end = buffer.offset + buffer.count * buffer.element.size
    if end > bytes { report("buffer \(buffer.name) ends at byte \(end) of \(what), which has \(bytes)", line: line) }
  }

  /// The bytes of a block; nil where there is no such block.
  private func capacity(of block: Block) -> (bytes: Int, name: String)? {
    let size = program.element.size
    // The caller's blocks hold one row for each of the batch, the first symbol.
    let rows = min(program.symbols.first?.maximum ?? 1, 1 << 40)
    func rowsOf(_ ports: [Port], _ number: Int) -> (Int, String)? {
      guard ports.indices.contains(number) else { return nil }
      let row = ports[number].rowCount.multipliedReportingOverflow(by: ports[number].element.size)
      let (bytes, overflow) = row.partialValue.multipliedReportingOverflow(by: rows)
      return row.overflow || overflow ? nil : (bytes, block.description)
    }
    switch block {
    case .parameters: return (program.parameterCount * size, "the parameters")
    case .state: return (program.stateCount * size, "the state")
    case .gradients: return (program.gradientCount * size, "the gradients")
    case .moments: return (program.momentCount * size, "the moments")
    case .prepared: return (program.preparedCount * size, "the prepared values")
    case .memory: return (program.memoryBytes, "the memory")
    case .controls: return (Controls.size, "the controls")
    case .weights: return (rows * size, "the row factors")
    case .arena: return (program.entries.map(\.arenaBytes).max() ?? 0, "the arena")
    case .input(let number): return rowsOf(program.inputs, number)
    case .output(let number): return rowsOf(program.outputs, number)
    case .target(let number): return rowsOf(program.targets, number)
    case .constant(let number):
      return program.constants.indices.contains(number)
        ? (program.constants[number].bytes.count, "constant \(program.constants[number].name)") : nil
    }
  }

  private mutating func check(_ entry: Entry, _ lines: [Int]) {
    var arena = ArenaHistory()
    var line = 0
    check(entry.steps, of: entry, counters: [], lines, &line, &arena)
  }

  /// Checks steps in order; `line` counts them, and stands behind the last one afterwards. What a loop does is checked twice: its second
  /// round finds the arena as the first one left it.
  private mutating func check(
    _ steps: [Step], of entry: Entry, counters: [Symbol], _ lines: [Int], _ number: inout Int, _ arena: inout ArenaHistory
  ) {
    for step in steps {
      let line = number < lines.count ? lines[number] : 1
      number += 1
      switch step {
      case .loop(let counter, let body):
        if counter.maximum < 1 || counters.contains(where: { $0.name == counter.name }) {
          report("the counter \(counter.name) has no rounds, or is that of a loop around it", line: line)
        }
        let first = number
        for _ in 0..<2 {
          number = first
          check(body, of: entry, counters: counters + [counter], lines, &number, &arena)
        }
      case .requireFinite(let number):
        guard program.buffers.indices.contains(number) else {
          report("there is no buffer \(number)", line: line)
          continue
        }
        let buffer = program.buffers[number]
        if !buffer.element.isFloat { report("buffer \(buffer.name) of \(buffer.element) is required to be finite", line: line) }
        if let problem = arena.read(buffer, number) { report(problem, line: line) }
      case .call(let kernel, let buffers):
        guard program.kernels.indices.contains(kernel), buffers.allSatisfy(program.buffers.indices.contains) else {
          report("a call of a kernel or with a buffer that the program does not have", line: line)
          continue
        }
        for counter in program.kernels[kernel].counters
        where !counters.contains(where: { $0.name == counter.name && $0.maximum <= counter.maximum }) {
          report(
            "kernel \(program.kernels[kernel].name) counts \(counter.name) up to \(counter.maximum), but no loop around it does", line: line
          )
        }
        check(program.kernels[kernel], buffers, entry, line, &arena)
      }
    }
  }

  private mutating func check(_ kernel: Kernel, _ numbers: [Int], _ entry: Entry, _ line: Int, _ arena: inout ArenaHistory) {
    guard numbers.count == kernel.parameters.count else {
      return report("kernel \(kernel.name) takes \(kernel.parameters.count) buffers, not \(numbers.count)", line: line)
    }
    let pairs = zip(kernel.parameters, numbers).map { ($0, program.buffers[$1], $1) }
    for (position, (parameter, buffer, number)) in pairs.enumerated() {
      if parameter.element != buffer.element {
        report("`\(parameter.name)` is \(parameter.element), buffer \(buffer.name) \(buffer.element)", line: line)
      }
      if parameter.count > buffer.count {
        report("`\(parameter.name)` has \(parameter.count) elements, buffer \(buffer.name) \(buffer.count)", line: line)
      }
      if buffer.block == .arena, buffer.end > entry.arenaBytes {
        report("buffer \(buffer.name) ends at byte \(buffer.end) of the arena of \(entry.name), which has \(entry.arenaBytes)", line: line)
      }
      if parameter.access != .write, let problem = arena.read(buffer, number) { report(problem, line: line) }
      guard parameter.access != .read else { continue }
      if buffer.block.isReadOnly { report("kernel \(kernel.name) writes buffer \(buffer.name) in \(buffer.block)", line: line) }
      for (other, (otherParameter, otherBuffer, _)) in pairs.enumerated() where other != position && buffer.overlaps(otherBuffer) {
        // Two written parameters that overlap are said once.
        if otherParameter.access != .read, other < position { continue }
        report(
          "kernel \(kernel.name) writes `\(parameter.name)` (buffer \(buffer.name)), which overlaps `\(otherParameter.name)` (buffer \(otherBuffer.name))",
          line: line)
      }
    }
    for (parameter, buffer, number) in pairs where parameter.access != .read { arena.write(buffer, number) }
  }
}

/// What lies in the arena while an entry runs.
private struct ArenaHistory {
  private struct Write {
    var buffer: Buffer
    var number: Int
  }

  private var writes: [Write] = []

  /// A buffer is written; what it overlaps is gone, except what lies inside it or around it (a view).
  mutating func write(_ buffer: Buffer, _ number: Int) {
    guard buffer.block == .arena, buffer.count > 0 else { return }
    writes.removeAll { $0.number == number }
    writes.append(Write(buffer: buffer, number: number))
  }

  /// What is wrong with reading a buffer now.
  func read(_ buffer: Buffer, _ number: Int) -> String? {
    guard buffer.block == .arena, buffer.count > 0 else { return nil }
    if let own = writes.lastIndex(where: { $0.number == number }) {
      let later = writes[(own + 1)...].first { $0.buffer.overlaps(buffer) && !buffer.contains($0.buffer) }
      return later.map { "buffer \(buffer.name) is read after buffer \($0.buffer.name) took its place in the arena" }
    }
    // Never written under this name: its bytes must have been, by other names.
    var position = buffer.offset
    for write in writes.map(\.buffer).sorted(by: { $0.offset < $1.offset }) where write.offset <= position {
      position = max(position, write.end)
    }
    return position >= buffer.end ? nil : "buffer \(buffer.name) is read before it is written"
  }
}

extension Buffer {
  /// The byte after the last.
  fileprivate var end: Int { offset + count * element.size }

  fileprivate func overlaps(_ other: Buffer) -> Bool {
    block == other.block && count > 0 && other.count > 0 && offset < other.end && other.offset < end
  }

  fileprivate func contains(_ other: Buffer) -> Bool { block == other.block && offset <= other.offset && other.end <= end }
}

extension Block {
  fileprivate var isReadOnly: Bool {
    switch self {
    case .input, .target, .weights, .constant: true
    default: false
    }
  }
}
