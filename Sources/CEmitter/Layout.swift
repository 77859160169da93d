import Basics
import LoopIR

/// Where everything lies in `struct NAME`, `struct NAME_trainer` and the scratch memory. All blocks begin at multiples of 64 bytes, whatever
/// the compiler thinks of alignment attributes, so that the caller's alignment is the only one needed.
struct Layout {
  let program: Program
  let maximumBatch: Int
  /// Elements, padded to whole cache lines.
  let parameters: Int
  let state: Int
  let gradients: Int
  let moments: Int
  let prepared: Int
  /// Factors of one a row, for a null weights argument; 0 when no kernel reads weights.
  let ones: Int
  /// Bytes of the trainer's arena.
  let arena: Int

  static let alignment = 64

  init(_ program: Program) {
    self.program = program
    let line = Self.alignment / program.element.size
    func padded(_ count: Int) -> Int { (count + line - 1) / line * line }
    maximumBatch = program.symbols.first?.maximum ?? 1
    parameters = padded(program.parameterCount)
    state = padded(program.stateCount)
    gradients = padded(program.gradientCount)
    moments = padded(program.momentCount)
    prepared = padded(program.preparedCount)
    ones = program.buffers.contains { $0.block == .weights } ? padded(maximumBatch) : 0
    arena = Self.bytes(program.entries.filter { !Self.usesScratch($0) }.map(\.arenaBytes).max() ?? 0)
  }

  /// Whether the program can learn.
  var hasTrainer: Bool { program.entry("backward") != nil || program.entry("update") != nil || program.entry("initialize") != nil }

  /// Whether an entry works on a model that does not change, and on the caller's scratch memory.
  static func isConstant(_ entry: Entry) -> Bool { ["run", "evaluate", "generate"].contains(entry.name) }

  /// Whether an entry works on the caller's scratch memory.
  static func usesScratch(_ entry: Entry) -> Bool { isConstant(entry) || entry.name == "prepare" }

  /// A number of bytes as whole cache lines.
  static func bytes(_ count: Int) -> Int { (count + alignment - 1) / alignment * alignment }

  var modelBytes: Int { Self.alignment + (parameters + state + prepared) * program.element.size }

  var trainerBytes: Int {
    hasTrainer ? modelBytes + Self.bytes(Controls.size) + (gradients + moments + ones) * program.element.size + arena : 0
  }

  /// The arena of inference; behind it, in `evaluate`, the factors of one.
  var scratchArena: Int { Self.bytes(program.entries.filter(Self.usesScratch).map(\.arenaBytes).max() ?? 0) }

  /// What `generate` keeps from token to token; 0 without it.
  var memoryBytes: Int { program.entry("generate") == nil ? 0 : Self.bytes(program.memoryBytes) }

  var scratchBytes: Int { scratchArena + (program.entry("evaluate") == nil ? 0 : ones * program.element.size) }
}
