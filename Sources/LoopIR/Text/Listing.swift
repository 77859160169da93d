import Basics

/// A program as lines of text, and where in them each statement stands.
public struct Listing {
  /// The lines, without line ends.
  public private(set) var lines: [String] = []
  /// For each kernel the line (from 1) of its head.
  public private(set) var kernelLines: [Int] = []
  /// For each kernel the line of each statement, in the order of the text.
  public private(set) var statementLines: [[Int]] = []
  /// For each entry the line of each step, those inside loops after their loop.
  public private(set) var stepLines: [[Int]] = []
  /// For each buffer its line.
  public private(set) var bufferLines: [Int] = []
  private var indentation = 0

  /// The whole text.
  public var text: String { lines.joined(separator: "\n") + "\n" }

  /// The lines of a program.
  public init(_ program: Program) {
    head(program)
    for buffer in program.buffers {
      line("buffer \(written(buffer.name)): \(buffer.element)[\(buffer.count)] = \(buffer.block) + \(buffer.offset)")
      bufferLines.append(lines.count)
    }
    for kernel in program.kernels { add(kernel) }
    for entry in program.entries { add(entry, program) }
    indentation = 0
    line("}")
  }

  /// The lines of one kernel.
  init(_ kernel: Kernel) { add(kernel) }

  /// The first line of a statement.
  static func firstLine(of statement: Statement) -> String { statement.head + (statement.blocks.isEmpty ? "" : " {") }

  private mutating func line(_ text: String) { lines.append(String(repeating: "  ", count: indentation) + text) }
  private func written(_ name: String) -> String { ReservedWords.written(name) }

  private mutating func head(_ program: Program) {
    line("program \(written(program.name)): \(program.element) {")
    indentation = 1
    line("task \(program.task.rawValue)")
    for symbol in program.symbols { line("symbol \(written(symbol.name)) <= \(symbol.maximum)") }
    line("parameters \(program.parameterCount)")
    line("state \(program.stateCount)")
    line("gradients \(program.gradientCount)")
    line("moments \(program.momentCount)")
    if program.preparedCount > 0 { line("prepared \(program.preparedCount)") }
    if program.memoryBytes > 0 { line("memory \(program.memoryBytes)") }
    if program.contextLength > 0 { line("context \(program.contextLength)") }
    for tensor in program.tensors {
      let kind = tensor.isState ? " state" : ""
      line("tensor \(tensor.name.quotedForLexer): [\(list(tensor.dims))] at \(tensor.offset)\(kind)\(tensor.trainable ? " trainable" : "")")
    }
    for (kind, ports) in [("input", program.inputs), ("output", program.outputs), ("target", program.targets)] {
      for port in ports { line("\(kind) \(port.name.quotedForLexer): \(port.element)[\(list(port.dims))]") }
    }
    for table in program.constants {
      line("constant \(written(table.name)): \(table.element) = \"\(hexadecimal(table.bytes))\"")
    }
  }

  private func list(_ dims: [Int]) -> String { dims.map(String.init).joined(separator: ", ") }

  private func hexadecimal(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    text.reserveCapacity(bytes.count * 2)
    for byte in bytes {
      text.append(digits[Int(byte >> 4)])
      text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
  }

  private mutating func add(_ kernel: Kernel) {
    let parameters = kernel.parameters.map { "\(written($0.name)): \($0.access.rawValue) \($0.element)[\($0.count)]" }
    let names = kernel.symbols.map { name in
      written(name) + (kernel.counters.first { $0.name == name }.map { " <= \($0.maximum)" } ?? "")
    }
    let symbols = names.isEmpty ? "" : "; " + names.joined(separator: ", ")
    let parts = kernel.parts == .constant(1) ? "" : " parts \(kernel.parts)"
    line("kernel \(written(kernel.name))(\(parameters.joined(separator: ", "))\(symbols))\(parts) {")
    kernelLines.append(lines.count)
    statementLines.append([])
    indentation += 1
    for comment in kernel.comments { line("describe \(comment.quotedForLexer)") }
    for statement in kernel.body { add(statement) }
    indentation -= 1
    line("}")
  }

  private mutating func add(_ statement: Statement) {
    let blocks = statement.blocks
    line(Listing.firstLine(of: statement))
    statementLines[statementLines.count - 1].append(lines.count)
    for (position, block) in blocks.enumerated() {
      if position > 0 { line("} otherwise {") }
      indentation += 1
      for inner in block { add(inner) }
      indentation -= 1
    }
    if !blocks.isEmpty { line("}") }
  }

  private mutating func add(_ entry: Entry, _ program: Program) {
    let kernels = program.kernels.map(\.name), buffers = program.buffers.map(\.name)
    line("entry \(written(entry.name)): arena \(entry.arenaBytes) {")
    stepLines.append([])
    indentation += 1
    for step in entry.steps { add(step, kernels, buffers) }
    indentation -= 1
    line("}")
  }

  private mutating func add(_ step: Step, _ kernels: [String], _ buffers: [String]) {
    switch step {
    case .call(let kernel, let arguments):
      line("call \(reference(kernel, kernels))(\(arguments.map { reference($0, buffers) }.joined(separator: ", ")))")
    case .requireFinite(let buffer): line("require_finite \(reference(buffer, buffers))")
    case .loop(let counter, _): line("for \(written(counter.name)) <= \(counter.maximum) {")
    }
    stepLines[stepLines.count - 1].append(lines.count)
    guard case .loop(_, let body) = step else { return }
    indentation += 1
    for inner in body { add(inner, kernels, buffers) }
    indentation -= 1
    line("}")
  }

  /// A kernel or a buffer: by name where that is enough, else by number.
  private func reference(_ number: Int, _ names: [String]) -> String {
    guard names.indices.contains(number), names.firstIndex(of: names[number]) == number else { return "@\(number)" }
    return written(names[number])
  }
}

extension Statement {
  /// The statements inside, block by block.
  var blocks: [[Statement]] {
    switch self {
    case .loop(let loop): [loop.body]
    case .when(_, let then, let otherwise): otherwise.isEmpty ? [then] : [then, otherwise]
    case .repeatWhile(_, _, let body): [body]
    default: []
    }
  }

  /// The statement without its blocks.
  var head: String {
    func written(_ name: String) -> String { ReservedWords.written(name) }
    switch self {
    case .comment(let text): return "comment \(text.quotedForLexer)"
    case .loop(let loop):
      let step = loop.step == 1 ? "" : " step \(loop.step)"
      let kind = loop.kind == .serial ? "" : " \(loop.kind.rawValue)"
      return "for \(written(loop.variable)) in \(loop.lower) ..< \(loop.upper)\(step)\(kind)"
    case .when(let condition, _, _): return "when \(condition)"
    case .define(let name, let element, let value): return "let \(written(name)): \(element) = \(value)"
    case .variable(let name, let element, let value): return "var \(written(name)): \(element) = \(value)"
    case .assign(let name, let value): return "\(written(name)) = \(value)"
    case .array(let name, let element, let count): return "array \(written(name)): \(element)[\(count)]"
    case .store(let buffer, let index, let value): return "\(written(buffer))[\(index)] = \(value)"
    case .gemm(let gemm):
      func matrix(_ matrix: Gemm.Matrix, _ transposed: Bool) -> String {
        "\(written(matrix.buffer))\(transposed ? "'" : "")[\(matrix.offset), stride \(matrix.stride)]"
      }
      let alpha = Literal.float(gemm.alpha.bitPattern, .f64)
      return "gemm \(gemm.element) (\(gemm.m), \(gemm.n), \(gemm.k)) \(matrix(gemm.c, false)) = \(alpha) * "
        + "\(matrix(gemm.a, gemm.transposeA)) * \(matrix(gemm.b, gemm.transposeB)) + beta \(gemm.beta)"
    case .repeatWhile(let condition, let limit, _): return "while \(condition) limit \(limit)"
    }
  }
}

extension Block: CustomStringConvertible {
  /// `parameters`, `input(0)`, `arena` …
  public var description: String {
    switch self {
    case .parameters: "parameters"
    case .state: "state"
    case .gradients: "gradients"
    case .moments: "moments"
    case .prepared: "prepared"
    case .memory: "memory"
    case .controls: "controls"
    case .input(let number): "input(\(number))"
    case .output(let number): "output(\(number))"
    case .target(let number): "target(\(number))"
    case .weights: "weights"
    case .arena: "arena"
    case .constant(let number): "constant(\(number))"
    }
  }
}

extension Program: CustomStringConvertible {
  /// The text form, which `Program(text:)` reads back to an equal program.
  public var description: String { Listing(self).text }
}

extension Kernel: CustomStringConvertible {
  /// The text form.
  public var description: String { Listing(self).text }
}

extension Statement: CustomStringConvertible {
  /// The first line of the text form.
  public var description: String { Listing.firstLine(of: self) }
}
