import Basics
import CRuntime
import Glibc
import Gradc
import LoopIR
import Toolchain

extension Verb {
  static let profile = Verb(
    "profile", "time and GFLOP/s of each kernel, share of the machine's peak, methods of convolutions", operands: "MODEL", count: 1...1,
    about: """
      Compiles each kernel of an entry alone, runs it on the memory of a real training step, and takes the least time of several runs. \
      Operands are in the cache then, so the sum may be below the time of a whole step, which is measured too. Operations are \
      counted from the loops; a function such as exp counts as one. The machine's peak is measured in the same run, by generated code that only \
      multiplies and adds. Convolutions have a table of their own: the method that was taken, and GFLOP/s by the convolution's definition, \
      which Winograd's method may bring above the peak: it multiplies less.
      """,
    flags: [
      Flag("entry", "ENTRY", "run, evaluate, backward or update (default: backward and update)"),
      Flag("batch-size", "N", "rows (default: the recipe's)"), CodeFlags.jit, CodeFlags.compiler, CodeFlags.blas, CodeFlags.precision,
      CodeFlags.threads, CodeFlags.winograd, CodeFlags.tune, ModelFlags.freeze, ModelFlags.replaceHead, ModelFlags.recipe,
      ModelFlags.dim,
    ],
    examples: [
      Example("gradc profile heart.gradc", "the training step, kernel by kernel, in clang's code"),
      Example("gradc profile heart.gradc --entry run --batch-size 1 --jit tcc", "one row, in tcc's code"),
      Example("gradc profile resnet.gradc --tune --threads 2", "with the fastest method for each convolution, measured where need be"),
    ],
    run: { invocation, console in
      var input = try ModelInput(invocation)
      let rows = try invocation.integer("batch-size", in: 1...(1 << 24)) ?? input.recipe.batch ?? 32
      let options = try invocation.codeOptions(default: .clang)
      guard options.mode != .tiered else { throw usage("--jit: profile measures one compiler's code, tcc or clang") }
      let wanted = invocation.value("entry")
      // Inference alone prepares its weights once.
      let training = try wanted == "run" ? nil : input.training()
      let (element, threads) = (try invocation.element(input.file), try invocation.threads())
      let machine = MachinePeak(options, element, threads: threads)
      if invocation.has("tune") {
        input.convolutions = try Tuning(input, training, options, element: element, rows: rows, threads: threads, console).tuned()
      }
      let compilation = try input.compiled(training, element: element, maxBatch: rows, blas: options.blas)
      let names = compilation.program.entries.map(\.name)
      let chosen = wanted.map { [$0] } ?? (training == nil ? ["run"] : ["backward", "update"])
      if let unknown = chosen.first(where: { !names.contains($0) }) {
        throw usage("--entry: found \"\(unknown)\", this model has \(names.joined(separator: ", "))")
      }
      let times = try KernelTimes(compilation, options, rows: rows, threads: threads)
      report(try times.session().code.notices, console)
      if let peak = machine.operationsPerSecond {
        console.line(
          "This machine: \(NumberText.fixed(peak / 1e9, 1)) GFLOP/s at most with \(threads == 1 ? "one thread" : "\(threads) threads") "
            + "(fused multiply-adds of \(element.rawValue) in registers, measured now)\n")
      }
      for name in chosen { console.write(try ProfileTables(times, entry: name, peak: machine.operationsPerSecond).text()) }
      return 0
    })
}

/// The most that the machine gives to generated code.
private struct MachinePeak {
  /// Floating point operations in a second; nil without an optimising compiler.
  var operationsPerSecond: Double?

  init(_ options: CodeOptions, _ element: ElementType, threads: Int) {
    guard let compiler = options.compiler ?? CCompiler.find() else { return }
    for peak in PeakProgram.candidates(element, threads: threads) {
      let compilation = Compilation(model: Model(name: "peak", element: element, symbols: peak.program.symbols), program: peak.program)
      guard
        let times = try? KernelTimes(compilation, CodeOptions(mode: .clang, compiler: compiler, blas: .none), rows: 1, threads: threads),
        let seconds = try? times.seconds(ofEntry: "run")
      else { continue }
      operationsPerSecond = max(operationsPerSecond ?? 0, peak.operations / seconds)
    }
  }
}

/// What was measured of an entry, as tables.
private struct ProfileTables {
  /// A kernel of the entry with its figures.
  private struct Line {
    var kernel: Kernel
    var seconds: Double
    var operations: Double
  }

  let entry: String
  let peak: Double?
  private let lines: [Line]
  private let whole: Double
  private let wholeOperations: Double

  init(_ times: KernelTimes, entry name: String, peak: Double?) throws {
    entry = name
    self.peak = peak
    let program = times.compilation.program
    let entry = program.entry(name)!
    whole = try times.seconds(ofEntry: name)
    wholeOperations = program.operations(of: entry, rows: times.rows)
    lines = try entry.flatSteps.compactMap { step, rounds in
      guard case .call(let index, _) = step else { return nil }
      let kernel = program.kernels[index]
      return Line(
        kernel: kernel, seconds: try times.seconds(of: step, in: entry) * Double(rounds),
        operations: kernel.operations(["n": times.rows]) * Double(rounds))
    }
  }

  func text() -> String { kernels() + "\n" + convolutions() }

  private func rates(_ operations: Double, _ seconds: Double) -> [String] {
    let rate = operations / seconds
    return [NumberText.fixed(rate / 1e9, 2)] + (peak.map { [NumberText.percent(rate / $0, 0)] } ?? [])
  }

  private func kernels() -> String {
    var headings = [("Kernel of \(entry)", false), ("time", true), ("share", true), ("operations", true), ("GFLOP/s", true)]
    if peak != nil { headings.append(("of peak", true)) }
    var table = TextTable(headings)
    let sum = lines.reduce(0) { $0 + $1.seconds }
    for line in lines {
      table.rows.append(
        [
          line.kernel.name, NumberText.seconds(line.seconds), NumberText.percent(line.seconds / max(sum, 1e-12), 0),
          NumberText.grouped(Int(line.operations)),
        ] + rates(line.operations, line.seconds))
    }
    table.rows.append(
      ["all at once", NumberText.seconds(whole), "", NumberText.grouped(Int(wholeOperations))] + rates(wholeOperations, whole))
    return table.text()
  }

  /// A line a convolution: kernels side by side with the same comments are one.
  private func convolutions() -> String {
    var groups: [(note: ConvolutionNote, comments: [String], seconds: Double)] = []
    for line in lines {
      guard let note = ConvolutionNote(line.kernel) else { continue }
      if let last = groups.last, last.comments == line.kernel.comments {
        groups[groups.count - 1].seconds += line.seconds
      } else {
        groups.append((note, line.kernel.comments, line.seconds))
      }
    }
    guard !groups.isEmpty else { return "" }
    var headings = [("Layer", false), ("Convolution", false), ("method", false), ("time", true), ("GFLOP/s", true)]
    if peak != nil { headings.append(("of peak", true)) }
    var table = TextTable(headings)
    for group in groups {
      let path = group.comments.first.flatMap { $0.split(separator: ":").first.map(String.init) } ?? ""
      table.rows.append(
        [path, group.note.shape, group.note.method, NumberText.seconds(group.seconds)] + rates(group.note.operations, group.seconds))
    }
    return table.text() + "\n"
  }
}
