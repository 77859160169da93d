import Basics
import CRuntime
import Glibc
import Gradc
import LoopIR
import Toolchain

/// Times the kernels of a program one by one.
final class KernelTimes {
  let compilation: Compilation
  let options: CodeOptions
  let rows: Int
  let threads: Int
  private var loaded: Session?
  /// Calls of one kernel in a row, so that what surrounds them does not count.
  private static let repeats = 16
  /// Times by kernel and what it is called with, names aside: deep networks repeat themselves.
  private var known: [String: Double] = [:]
  /// What a call of an entry costs that does nothing.
  private var overheads: [String: Double] = [:]

  init(_ compilation: Compilation, _ options: CodeOptions, rows: Int, threads: Int) throws {
    self.compilation = compilation
    self.options = options
    self.rows = rows
    self.threads = threads
  }

  /// The whole program in machine code, made when it is first asked for.
  func session() throws -> Session {
    let session = try loaded ?? Session(compilation, options)
    loaded = session
    return session
  }

  /// The time of a whole entry.
  func seconds(ofEntry name: String) throws -> Double { try time(session(), entry: name) }

  /// The time of one step of an entry, alone.
  func seconds(of step: Step, in entry: Entry) throws -> Double {
    guard case .call(let index, _) = step else { return 0 }
    let program = compilation.program
    let text = program.kernels[index].nameless
    if let seconds = known[text] { return seconds }
    // A long kernel need not be repeated.
    let once = program.kernels[index].operations(["n": rows]) > 1e8
    let repeats = once ? 1 : Self.repeats
    // A kernel of a loop's body runs as in the first round.
    let inLoops = program.kernels[index].counters.reduce(step) { .loop(Symbol(name: $1.name, maximum: 1, isCounter: true), [$0]) }
    let alone = try session(of: entry, steps: Array(repeating: inLoops, count: repeats))
    let seconds = max(1e-10, (try time(alone, entry: entry.name) - overhead(entry)) / Double(repeats))
    known[text] = seconds
    return seconds
  }

  private func overhead(_ entry: Entry) throws -> Double {
    if let seconds = overheads[entry.name] { return seconds }
    let seconds = try time(session(of: entry, steps: []), entry: entry.name)
    overheads[entry.name] = seconds
    return seconds
  }

  /// Machine code of an entry with these steps instead of its own. Weights count as prepared: what is there serves as well.
  private func session(of entry: Entry, steps: [Step]) throws -> Session {
    var entries = [Entry(name: entry.name, steps: steps, arenaBytes: entry.arenaBytes)]
    if compilation.program.entry("prepare") != nil { entries.append(Entry(name: "prepare", steps: [], arenaBytes: 0)) }
    return try Session(Compilation(model: compilation.model, program: compilation.program.keeping(entries)), options)
  }

  /// The least time of one call of an entry, on random rows.
  private func time(_ session: Session, entry: String) throws -> Double {
    let program = session.compilation.program
    let trainer = try Trainer(session, threads: threads)
    if trainer.descriptor.pointee.initialize != nil, compilation.program.entry("initialize") != nil {
      // Only the whole program fills the parameters; a lone kernel works on what is there.
      if program.entry("initialize") != nil { try trainer.initialize(seed: 1) }
    }
    let batch = Batch(random: program, rows: rows, seed: 1)
    let call = try Call(trainer, program, batch, entry)
    if let prepare = trainer.descriptor.pointee.prepare {
      guard prepare(trainer.memory, call.scratch.pointer) == GRADC_OK else { throw Diagnostic.bug("weights cannot be prepared") }
    }
    try call.run(times: 2)
    var times = 1
    var best = Double.infinity
    // Enough calls for the clock, then the least of seven.
    while true {
      let seconds = try call.seconds(times: times)
      best = min(best, seconds / Double(times))
      if seconds > 0.002 || times >= 1 << 20 { break }
      times *= 2
    }
    for _ in 0..<7 { best = min(best, try call.seconds(times: times) / Double(times)) }
    return best
  }
}

extension Kernel {
  /// The kernel as text, the same for kernels that differ in names alone.
  fileprivate var nameless: String {
    var copy = self
    copy.name = "kernel"
    copy.comments = []
    var numbers: [Substring: String] = [:]
    for (index, parameter) in parameters.enumerated() { numbers[parameter.name[...]] = "p\(index)" }
    var text = ""
    var rest = "\(copy)"[...]
    while !rest.isEmpty {
      let word = rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" }
      if word.isEmpty {
        text.append(rest.removeFirst())
      } else {
        text += numbers[word] ?? String(word)
        rest = rest.dropFirst(word.count)
      }
    }
    return text
  }
}

/// A call of an entry with its arguments, ready to be repeated.
struct Call {
  let trainer: Trainer
  let entry: String
  let rows: Int32
  let inputs: [UnsafeRawPointer?]
  let targets: [UnsafeRawPointer?]
  let outputs: [UnsafeMutableRawPointer?]
  let scratch: AlignedBuffer
  /// Keeps the memory behind the pointers.
  private let owners: [AlignedBuffer]

  init(_ trainer: Trainer, _ program: Program, _ batch: Batch, _ entry: String) throws {
    self.trainer = trainer
    self.entry = entry
    rows = Int32(batch.rows)
    let results = program.outputs.map { AlignedBuffer($0.element, count: batch.rows * $0.rowCount) }
    inputs = batch.inputs.map { UnsafeRawPointer($0.pointer) }
    targets = batch.targets.map { UnsafeRawPointer($0.pointer) }
    outputs = results.map { UnsafeMutableRawPointer($0.pointer) }
    scratch = AlignedBuffer(.u8, count: trainer.descriptor.pointee.scratch_bytes)
    owners = batch.inputs + batch.targets + results
  }

  func run(times: Int) throws {
    let model = trainer.descriptor.pointee
    let memory = trainer.memory
    var loss = 0.0
    var status: Int32 = 0
    for _ in 0..<times {
      switch entry {
      case "run": status = model.run(memory, inputs, outputs, rows, scratch.pointer)
      case "evaluate": status = model.evaluate(memory, inputs, targets, nil, rows, outputs, &loss, scratch.pointer)
      case "backward":
        trainer.controls.pointee.micro = 0
        status = model.backward(memory, inputs, targets, nil, rows)
      case "update":
        trainer.controls.pointee.micro = 1
        status = model.update(memory)
      default: throw usage("--entry: only run, evaluate, backward and update can be profiled")
      }
    }
    // A lone kernel works on memory that means nothing, so its numbers need not be finite.
    guard status == GRADC_OK || status == GRADC_NOT_FINITE else { throw Diagnostic.bug("'\(entry)' failed with status \(status)") }
  }

  func seconds(times: Int) throws -> Double {
    let begin = now()
    try run(times: times)
    return now() - begin
  }

  private func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + 1e-9 * Double(time.tv_nsec)
  }
}
