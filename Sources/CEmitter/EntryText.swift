import Basics
import LoopIR

/// Emits one public function: pointers to the buffers that its steps use, under their names, then the steps.
struct EntryText {
  private var model: ModelText
  private let entry: Entry
  private var names: NameTable
  private var pointers: [Int: String] = [:]
  /// The C variables of the loops around a step, by counter.
  private var counters: [String: String] = [:]

  /// The statements of the entry, without its signature.
  static func body(of entry: Entry, in model: inout ModelText) throws -> String {
    var text = EntryText(model: model, entry: entry)
    let lines = try text.emit()
    model = text.model
    return lines.text
  }

  private init(model: ModelText, entry: Entry) {
    self.model = model
    self.entry = entry
    names = NameTable(taken: model.reserved.union(model.kernelNames).union(model.kernelNames.map { "\($0)_arguments" }))
  }

  private mutating func emit() throws -> CLines {
    var lines = CLines()
    lines.depth = 1
    var written: Set<Int> = []
    var hasPointers = false
    for case .call(let kernel, let buffers) in entry.flatSteps.map(\.step) {
      guard model.program.kernels.indices.contains(kernel), buffers.count == model.program.kernels[kernel].parameters.count else {
        throw Diagnostic.bug("entry '\(entry.name)' calls kernel \(kernel) with \(buffers.count) buffers")
      }
      for (buffer, parameter) in zip(buffers, model.program.kernels[kernel].parameters) where parameter.access != .read {
        written.insert(buffer)
      }
    }
    for buffer in usedBuffers() {
      if let direct = directName(of: model.program.buffers[buffer]) {
        pointers[buffer] = direct
        continue
      }
      hasPointers = true
      let cName = names.unique(title(of: model.program.buffers[buffer]))
      pointers[buffer] = cName
      lines.line(try declaration(of: model.program.buffers[buffer], named: cName, isWritten: written.contains(buffer)))
    }
    if hasPointers { lines.line() }
    for step in entry.steps { try emit(step, into: &lines) }
    return lines
  }

  /// A gradient that has its parameter's name is told from it.
  private func title(of buffer: Buffer) -> String {
    let isParameter = model.program.buffers.contains { $0.block == .parameters && $0.name == buffer.name }
    return buffer.block == .gradients && (isParameter || model.program.tensors.contains { cIdentifier($0.name) == buffer.name })
      ? "d_" + buffer.name : buffer.name
  }

  /// Arguments and tables go by their own names.
  private func directName(of buffer: Buffer) -> String? {
    switch buffer.block {
    case .input, .output, .target, .weights, .constant: buffer.offset == 0 ? portName(of: buffer.block) : nil
    default: nil
    }
  }

  private func portName(of block: Block) -> String? {
    switch block {
    case .weights: "weights"
    case .constant(let number): constantReference(model.program.constants[number], named: model.constantNames[number])
    case .input(let port): model.inputNames[port]
    case .output(let port): model.outputNames[port]
    case .target(let port): model.targetNames[port]
    default: nil
    }
  }

  private func usedBuffers() -> [Int] {
    var seen: Set<Int> = []
    return entry.flatSteps.flatMap(\.step.buffers).filter { seen.insert($0).inserted }
  }

  private func declaration(of buffer: Buffer, named cName: String, isWritten: Bool) throws -> String {
    let type = "\(isWritten ? "" : "const ")\(buffer.element.cMemoryType) *"
    return "\(type)const \(cName) = \(try address(of: buffer, type: type, isWritten: isWritten));"
  }

  private func address(of buffer: Buffer, type: String, isWritten: Bool) throws -> String {
    let memory = Layout.usesScratch(entry) ? "model->" : "trainer->model."
    switch buffer.block {
    case .parameters: return element(buffer, of: memory + "parameters", type)
    case .state: return element(buffer, of: memory + "state", type)
    case .gradients: return element(buffer, of: "trainer->gradients", type)
    case .moments: return element(buffer, of: "trainer->moments", type)
    case .prepared: return element(buffer, of: memory + "prepared", type)
    case .memory: return bytes("memory", buffer.offset, type)
    case .controls: return control(buffer, type)
    case .arena: return "(\(type))(\(isWritten ? "" : "const ")void *)(arena + \(buffer.offset))"
    case .input, .output, .target, .weights, .constant:
      return buffer.offset == 0 ? portName(of: buffer.block)! : bytes(portName(of: buffer.block)!, buffer.offset, type)
    }
  }

  /// A place in a block whose elements are the program's.
  private func element(_ buffer: Buffer, of block: String, _ type: String) -> String {
    if buffer.element == model.program.element, buffer.offset % buffer.element.size == 0 {
      return buffer.offset == 0 ? block : "\(block) + \(buffer.offset / buffer.element.size)"
    }
    return bytes(block, buffer.offset, type)
  }

  /// A place so many bytes behind a pointer.
  private func bytes(_ pointer: String, _ offset: Int, _ type: String) -> String {
    let const = type.hasPrefix("const") ? "const " : ""
    return "(\(type))(\(const)void *)((\(const)unsigned char *)(\(const)void *)\(pointer) + \(offset))"
  }

  private func control(_ buffer: Buffer, _ type: String) -> String {
    let controls = Layout.isConstant(entry) ? "controls" : "trainer->controls"
    let members: [Int: (String, ElementType)] = [
      Controls.rate: ("rate", .f64), Controls.loss: ("loss", .f64), Controls.dataLoss: ("data_loss", .f64), Controls.norm: ("norm", .f64),
      Controls.seed: ("seed", .u64), Controls.step: ("step", .i64), Controls.micro: ("micro", .i64),
    ]
    if let (member, element) = members[buffer.offset], element == buffer.element { return "&\(controls).\(member)" }
    return bytes("&\(controls)", buffer.offset, type)
  }

  private mutating func emit(_ step: Step, into lines: inout CLines) throws {
    switch step {
    case .loop(let counter, let body):
      let outer = counters
      let cName = names.unique(counter.name)
      counters[counter.name] = cName
      lines.line("for (int \(cName) = 1; \(cName) <= \(counter.maximum); ++\(cName)) {")
      lines.depth += 1
      for inner in body { try emit(inner, into: &lines) }
      lines.depth -= 1
      lines.line("}")
      counters = outer
    case .call(let kernel, let buffers):
      try call(kernel, buffers.map { pointers[$0]! }, into: &lines)
    case .requireFinite(let buffer):
      let finite = model.helpers.isFinite()
      let count = model.program.buffers[buffer].count
      if count == 1 {
        lines.line("if (!\(finite)(*\(pointers[buffer]!))) return GRADC_NOT_FINITE;")
      } else {
        lines.block("for (int i = 0; i < \(count); ++i)") { $0.line("if (!\(finite)(\(pointers[buffer]!)[i])) return GRADC_NOT_FINITE;") }
      }
    }
  }

  private mutating func call(_ number: Int, _ arguments: [String], into lines: inout CLines) throws {
    let kernel = model.program.kernels[number]
    let cName = model.kernelNames[number]
    let symbols = try kernel.symbols.map { symbol in
      if let counter = counters[symbol] { return counter }
      guard symbol == model.program.symbols.first?.name, takesBatch else {
        throw Diagnostic.bug("kernel '\(kernel.name)' needs the symbol \(symbol), which entry '\(entry.name)' does not have")
      }
      return "n"
    }
    let all = arguments + symbols
    guard kernel.hasParts else { return lines.line("\(cName)(\(all.joined(separator: ", ")));") }
    let parts = try model.entryIndex(kernel.parts)
    let parallel = Layout.usesScratch(entry) ? "&model->parallel" : "&trainer->model.parallel"
    lines.block("") { lines in
      lines.line("struct \(cName)_arguments arguments;")
      if all.isEmpty { lines.line("arguments.unused = 0;") }
      for (position, argument) in arguments.enumerated() { lines.line("arguments.p\(position) = \(argument);") }
      for (position, symbol) in symbols.enumerated() { lines.line("arguments.s\(position) = \(symbol);") }
      lines.line("gradc_run_parts(\(parallel), \(cName)_part, &arguments, \(parts));")
    }
  }

  private var takesBatch: Bool { !["update", "initialize", "prepare"].contains(entry.name) }
}
