import Basics
import CRuntime
import Glibc
import Gradc
import LoopIR
import Toolchain

extension Verb {
  static let profile = Verb(
    "profile", "time and GFLOP/s of each kernel", operands: "MODEL", count: 1...1,
    about: """
      Compiles each kernel of an entry alone, runs it on the memory of a real training step, and takes the least time of several runs. \
      Operands are in the cache then, so the sum may be below the time of a whole step, which is measured too. Operations are \
      counted from the loops; a function such as exp counts as one.
      """,
    flags: [
      Flag("entry", "ENTRY", "run, evaluate, backward or update (default: backward and update)"),
      Flag("batch-size", "N", "rows (default: the recipe's)"), CodeFlags.jit, CodeFlags.compiler, CodeFlags.blas, CodeFlags.precision,
      CodeFlags.threads, ModelFlags.freeze, ModelFlags.replaceHead,
    ],
    examples: [
      Example("gradc profile heart.gradc", "the training step, kernel by kernel, in clang's code"),
      Example("gradc profile heart.gradc --entry run --batch-size 1 --jit tcc", "one row, in tcc's code"),
    ],
    run: { invocation, console in
      let input = try ModelInput(invocation)
      let rows = try invocation.integer("batch-size", in: 1...(1 << 24)) ?? input.recipe.batch ?? 32
      let options = try invocation.codeOptions(default: .clang)
      guard options.mode != .tiered else { throw usage("--jit: profile measures one compiler's code, tcc or clang") }
      let training = try input.training()
      let compilation = try input.compiled(training, element: invocation.element(input.file), maxBatch: rows, blas: options.blas)
      let names = compilation.program.entries.map(\.name)
      let chosen = invocation.value("entry").map { [$0] } ?? (training == nil ? ["run"] : ["backward", "update"])
      if let unknown = chosen.first(where: { !names.contains($0) }) {
        throw usage("--entry: found \"\(unknown)\", this model has \(names.joined(separator: ", "))")
      }
      let profile = try KernelProfile(compilation, options, rows: rows, threads: invocation.threads())
      report(profile.session.code.notices, console)
      for name in chosen { console.write(try profile.table(of: name)) }
      return 0
    })
}

/// Times the kernels of a program one by one.
private struct KernelProfile {
  let compilation: Compilation
  let options: CodeOptions
  let rows: Int
  let threads: Int
  let session: Session
  /// Calls of one kernel in a row, so that what surrounds them does not count.
  private static let repeats = 16

  init(_ compilation: Compilation, _ options: CodeOptions, rows: Int, threads: Int) throws {
    self.compilation = compilation
    self.options = options
    self.rows = rows
    self.threads = threads
    session = try Session(compilation, options)
  }

  func table(of name: String) throws -> String {
    let program = compilation.program
    guard let entry = program.entry(name) else { return "" }
    let whole = try time(session, entry: name)
    // What a call costs that does nothing belongs to no kernel.
    let nothing = program.keeping([Entry(name: name, steps: [], arenaBytes: entry.arenaBytes)])
    let overhead = try time(Session(Compilation(model: compilation.model, program: nothing), options), entry: name)
    var table = TextTable([("Kernel of \(name)", false), ("time", true), ("share", true), ("operations", true), ("GFLOP/s", true)])
    var times: [(kernel: Kernel, seconds: Double, operations: Double)] = []
    for step in entry.steps {
      guard case .call(let kernel, _) = step else { continue }
      let single = program.keeping([Entry(name: name, steps: Array(repeating: step, count: Self.repeats), arenaBytes: entry.arenaBytes)])
      let alone = try Session(Compilation(model: compilation.model, program: single), options)
      let seconds = max(1e-10, (try time(alone, entry: name) - overhead) / Double(Self.repeats))
      times.append((program.kernels[kernel], seconds, program.kernels[kernel].operations(["n": rows])))
    }
    let sum = times.reduce(0) { $0 + $1.seconds }
    for (kernel, seconds, operations) in times {
      table.rows.append([
        kernel.name, NumberText.seconds(seconds), NumberText.percent(seconds / max(sum, 1e-12), 0), NumberText.grouped(Int(operations)),
        NumberText.fixed(operations / seconds / 1e9, 2),
      ])
    }
    let operations = program.operations(of: entry, rows: rows)
    table.rows.append([
      "all at once", NumberText.seconds(whole), "", NumberText.grouped(Int(operations)), NumberText.fixed(operations / whole / 1e9, 2),
    ])
    return table.text() + "\n"
  }

  /// The least time of one call of an entry, on random rows.
  private func time(_ session: Session, entry: String) throws -> Double {
    let program = session.compilation.program
    let trainer = try Trainer(session, threads: threads)
    if trainer.descriptor.pointee.initialize != nil, self.session.compilation.program.entry("initialize") != nil {
      // Only the whole program fills the parameters; a lone kernel works on what is there.
      if program.entry("initialize") != nil { try trainer.initialize(seed: 1) }
    }
    let batch = Batch(random: program, rows: rows, seed: 1)
    let call = try Call(trainer, program, batch, entry)
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

/// A call of an entry with its arguments, ready to be repeated.
private struct Call {
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
    for _ in 0..<times {
      switch entry {
      case "run": _ = model.run(memory, inputs, outputs, rows, scratch.pointer)
      case "evaluate": _ = model.evaluate(memory, inputs, targets, nil, rows, outputs, &loss, scratch.pointer)
      case "backward":
        trainer.controls.pointee.micro = 0
        _ = model.backward(memory, inputs, targets, nil, rows)
      case "update":
        trainer.controls.pointee.micro = 1
        _ = model.update(memory)
      default: throw usage("--entry: only run, evaluate, backward and update can be profiled")
      }
    }
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
