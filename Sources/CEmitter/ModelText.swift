import Basics
import LoopIR

/// Gathers the parts of one emitted C file: names, kernels (equal ones once), and what they need.
struct ModelText {
  let program: Program
  let options: EmitOptions
  let layout: Layout
  /// The model's identifier, the prefix of all public names, and the same in capitals, the prefix of all macros.
  let name: String
  let macro: String
  /// `float` or `double`.
  let real: String
  private(set) var constantNames: [String] = []
  private(set) var inputNames: [String] = []
  private(set) var outputNames: [String] = []
  private(set) var targetNames: [String] = []
  private(set) var tensorMacros: [String] = []
  /// The C function of each kernel of the program.
  private(set) var kernelNames: [String] = []
  private(set) var kernelTexts: [String] = []
  private(set) var kernelParts: [(function: String, part: String)] = []
  var helpers = Helpers()
  private(set) var functions: ScalarFunctions
  private(set) var gemms: GemmText
  private(set) var reserved: Set<String> = []

  init(_ program: Program, options: EmitOptions) throws {
    self.program = program
    self.options = options
    layout = Layout(program)
    let identifier = cIdentifier(program.name)
    // The names of two files that stand beside it.
    name = ["example", "trainer"].contains(identifier) ? "x_" + identifier : identifier
    macro = name.uppercased()
    real = program.element.cMemoryType
    functions = ScalarFunctions(definition: options.scalarFunction)
    gemms = GemmText(library: options.blas)
    nameEverything()
    try emitKernels()
  }

  /// Macros and enumerators of NAME.h and of NAME_row.h, without the prefix.
  static let sizeMacros = ["MAX_BATCH", "BYTES", "TRAINER_BYTES", "SCRATCH_BYTES", "PARAMETERS", "STATE", "H"] + generationMacros
  static let generationMacros = ["MEMORY_BYTES", "CONTEXT", "VOCABULARY"]
  static let rowMacros = ["MISSING_VALUE", "UNKNOWN_CATEGORY", "BAD_NUMBER", "LABELS", "THRESHOLD", "ROW_H"]
  static let imageMacros = ["IMAGE_H", "IMAGE_HEIGHT", "IMAGE_WIDTH", "IMAGE_CHANNELS"]

  private mutating func nameEverything() {
    let exported = [
      "run", "evaluate", "backward", "update", "train_step", "initialize", "load", "gradients", "strerror", "gradient_norms", "pixels",
      "generate", "sample",
    ]
    let generic = exported.map { "\(name)_any_\($0)" }
    let local = [
      "model", "trainer", "weights", "n", "loss", "scratch", "arena", "controls", "status", "part", "seed", "context", "ones", "i",
      "arguments", "bytes", "contents", "zeroed", "argc", "argv", "row", "problem", "values", "best", "image", "memory",
    ]
    var table = NameTable(
      taken: Set([name] + exported.map { "\(name)_\($0)" } + generic + local + ["\(name)_model", "\(name)_trainer", "\(name)_dims"]))
    inputNames = program.inputs.map { table.unique($0.name) }
    outputNames = program.outputs.map { table.unique($0.name) }
    targetNames = program.targets.map { table.unique($0.name) }
    constantNames = program.constants.map { table.unique("\(name)_\($0.name)") }
    var macros = NameTable(taken: Set(Self.sizeMacros + Self.rowMacros + Self.imageMacros))
    tensorMacros = program.tensors.map { macros.unique(cIdentifier($0.name).uppercased()) }.map { "\(macro)_\($0)" }
    reserved = table.names
  }

  private mutating func emitKernels() throws {
    var table = NameTable(taken: reserved)
    var known: [String: Int] = [:]
    var comments: [[String]] = []
    var firsts: [Int] = []
    for (number, kernel) in program.kernels.enumerated() {
      let canonical = try text(of: kernel, named: "kernel", canonical: true)
      if let first = known[canonical] {
        kernelNames.append(kernelNames[first])
        let more = kernel.comments.filter { !comments[firsts.firstIndex(of: first)!].contains($0) }
        comments[firsts.firstIndex(of: first)!] += more.isEmpty ? [] : ["Also \(kernel.name):"] + more
        continue
      }
      known[canonical] = number
      let cName = table.unique(kernel.name)
      kernelNames.append(cName)
      firsts.append(number)
      comments.append(kernel.comments)
      // Parameters and locals avoid the names of ports and constants too: nothing in the file is shadowed.
      reserved.insert(cName)
      kernelParts.append((try text(of: kernel, named: cName, canonical: false), partText(of: kernel, named: cName)))
    }
    kernelTexts = zip(comments, kernelParts).map { blockComment($0) + $1.function + $1.part }
  }

  private mutating func text(of kernel: Kernel, named name: String, canonical: Bool) throws -> String {
    try KernelText.function(
      kernel, named: name, symbols: program.symbols + kernel.counters, helpers: &helpers, functions: &functions, gemms: &gemms,
      reserved: kernelReserved,
      canonical: canonical)
  }

  /// Names that a kernel's own must not hide: those of functions. Ports and the arguments of entries are not visible there.
  private var kernelReserved: Set<String> { [name, "\(name)_trainer", "\(name)_model"] }

  /// What a kernel of several parts is run through: its arguments in a struct, and a function of (context, part).
  private func partText(of kernel: Kernel, named cName: String) -> String {
    if !kernel.hasParts { return "" }
    var lines = CLines()
    lines.line()
    lines.block("struct \(cName)_arguments", closing: "};") { lines in
      for (position, parameter) in kernel.parameters.enumerated() {
        lines.line("\(parameter.access == .read ? "const " : "")\(parameter.element.cMemoryType) *p\(position);")
      }
      for position in kernel.symbols.indices { lines.line("int s\(position);") }
      if kernel.parameters.isEmpty && kernel.symbols.isEmpty { lines.line("int unused;") }
    }
    lines.line()
    lines.block("static void \(cName)_part(void *context, int part)") { lines in
      let arguments = kernel.parameters.indices.map { "a->p\($0)" } + kernel.symbols.indices.map { "a->s\($0)" } + ["part"]
      if arguments.count == 1 {
        lines.line("(void)context;")
      } else {
        lines.line("const struct \(cName)_arguments *a = context;")
      }
      lines.line("\(cName)(\(arguments.joined(separator: ", ")));")
    }
    return lines.text
  }

  /// An index over the program's symbols, as an entry sees it.
  mutating func entryIndex(_ index: Index) throws -> String {
    var scope = ScalarText(helpers: helpers, functions: functions)
    for symbol in program.symbols.prefix(1) { scope.indices[symbol.name] = "n" }
    let text = try scope.index(index)
    helpers = scope.helpers
    return text
  }
}
