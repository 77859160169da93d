import Basics
import Gradc
import GraphIR
import LoopIR
import Lowering
import Toolchain
import Training

/// Finds the fastest method of each convolution of a model by measuring, once for a machine, a shape and a number of threads.
struct Tuning {
  let input: ModelInput
  let training: TrainingSpecification?
  let options: CodeOptions
  let element: ElementType
  let rows: Int
  let threads: Int
  let console: Console

  init(
    _ input: ModelInput, _ training: TrainingSpecification?, _ options: CodeOptions, element: ElementType, rows: Int, threads: Int,
    _ console: Console
  ) {
    self.input = input
    self.training = training
    self.options = options
    self.element = element
    self.rows = rows
    self.threads = threads
    self.console = console
  }

  /// The input's choices with those that were measured, now or earlier. Needs an optimising compiler; says so where there is none.
  func tuned() throws -> ConvolutionChoices {
    var result = input.convolutions
    guard let compiler = options.compiler ?? CCompiler.find() else {
      console.writeError("note: --tune needs a C compiler; convolutions are computed as estimated\n")
      return result
    }
    var file = try TuningFile()
    let shapes = Set(try compiled(result).program.kernels.compactMap { ConvolutionNote($0)?.shape })
    let missing = shapes.subtracting(file.choices(threads: threads).keys)
    if !missing.isEmpty {
      // All methods are measured, also those that are switched off this time: the file is for every run.
      let found = try measured(missing, compiler)
      try file.remember(found, threads: threads)
    }
    result.choices = file.choices(threads: threads).filter { shapes.contains($0.key) }
    return result
  }

  private func compiled(_ convolutions: ConvolutionChoices) throws -> Compilation {
    try input.compiled(training, element: element, maxBatch: rows, blas: options.blas, convolutions: convolutions)
  }

  /// The fastest method of each shape.
  private func measured(_ shapes: Set<String>, _ compiler: CCompiler) throws -> [String: String] {
    var best: [String: (method: String, seconds: Double)] = [:]
    var seen = Set<[String]>()
    for method in convolutionMethodNames {
      let compilation = try compiled(ConvolutionChoices(preferred: method))
      let code = CodeOptions(mode: .clang, compiler: compiler, blas: options.blas)
      let times = try KernelTimes(compilation, code, rows: rows, threads: threads)
      for name in training == nil ? ["run"] : ["backward"] {
        guard let entry = compilation.program.entry(name) else { continue }
        for (note, steps) in convolutions(of: entry, compilation.program) where shapes.contains(note.shape) {
          guard seen.insert([note.shape, note.method]).inserted else { continue }
          let seconds = try steps.reduce(0) { try $0 + times.seconds(of: $1, in: entry) }
          console.writeError(
            "tune: \(note.shape): \(note.method) \(NumberText.seconds(seconds)), "
              + "\(NumberText.fixed(note.operations / seconds / 1e9, 1)) GFLOP/s\n")
          if seconds < best[note.shape]?.seconds ?? .infinity { best[note.shape] = (note.method, seconds) }
        }
      }
    }
    return best.mapValues(\.method)
  }

  /// The convolutions of an entry with the steps that compute each.
  private func convolutions(of entry: Entry, _ program: Program) -> [(note: ConvolutionNote, steps: [Step])] {
    var found: [(note: ConvolutionNote, steps: [Step])] = []
    var last: [String] = []
    for (step, _) in entry.flatSteps {
      guard case .call(let index, _) = step, let note = ConvolutionNote(program.kernels[index]) else { continue }
      if program.kernels[index].comments == last {
        found[found.count - 1].steps.append(step)
      } else {
        found.append((note, [step]))
        last = program.kernels[index].comments
      }
    }
    return found
  }
}
