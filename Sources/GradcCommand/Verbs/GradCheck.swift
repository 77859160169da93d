import Basics
import CRuntime
import Gradc
import LoopIR
import Toolchain

extension Verb {
  static let gradcheck = Verb(
    "gradcheck", "gradients of the generated code against finite differences", operands: "MODEL", count: 1...1,
    about: """
      Compiles the model in f64 and compares the gradient of the training loss with central differences, on random rows: for each parameter \
      the worst error, relative to the larger of the two numbers. Exit code 4 when one is above the tolerance. A relu that changes sides between \
      the two differences shows as an error that another seed does not have.
      """,
    flags: [
      Flag("rows", "N", "rows of the batch (default 4)"), Flag("samples", "N", "elements to check of each parameter (default 50)"),
      Flag("tolerance", "T", "largest relative error (default 1e-5)"), Flag("seed", "N", "of weights and rows (default 1)"),
      Flag("loss", "NAME[,KEY=VALUE...]", "the loss to differentiate"), CodeFlags.jit, CodeFlags.compiler, CodeFlags.blas,
      ModelFlags.recipe, ModelFlags.dim,
    ],
    examples: [
      Example("gradc gradcheck heart.gradc", "every parameter, 50 elements of each"),
      Example("gradc gradcheck deep.gradc --samples 1000 --cc gcc", "more of them, in the code of another compiler"),
    ],
    run: { invocation, console in
      let input = try ModelInput(invocation, learns: true)
      if let loss = invocation.value("loss") { try input.recipe.set("loss", loss) }
      // Any loss shows whether gradients are right, and an ONNX file names none.
      if input.onnx != nil, try input.training() == nil { try input.recipe.set("loss", "mean_squared") }
      let rows = try invocation.integer("rows", in: 1...4096) ?? 4
      let seed = UInt64(try invocation.integer("seed", in: 0...(.max)) ?? 1)
      let options = try invocation.codeOptions(default: .tcc)
      let compilation = try input.compiled(input.specification(), element: .f64, maxBatch: rows, blas: options.blas)
      let session = try Session(compilation, options)
      report(session.code.notices, console)
      let trainer = try Trainer(session)
      try trainer.initialize(seed: seed)
      try input.adoptWeights(trainer, compilation.program)
      let batch = Batch(random: compilation.program, rows: rows, seed: seed)
      var check = GradientCheck(trainer: trainer, program: compilation.program, batch: batch)
      check.samples = try invocation.integer("samples", in: 1...(.max)) ?? 50
      let tolerance = try invocation.positive("tolerance") ?? 1e-5
      let results = try check.run()
      let width = max(9, results.map(\.name.count).max() ?? 0)
      console.line("parameter".padded(width) + "  checked  worst error")
      for result in results {
        let verdict = result.error <= tolerance ? "" : "  at element \(result.element): \(result.analytic) but \(result.numeric)"
        console.line(
          result.name.padded(width) + "  " + "\(result.checked)".padded(-7) + "  " + NumberText.significant(result.error, 3) + verdict)
      }
      let failures = results.filter { !($0.error <= tolerance) }
      guard failures.isEmpty else {
        throw Diagnostic(
          "gradients of \(failures.map(\.name).joined(separator: ", ")) differ from finite differences by more than "
            + NumberText.significant(tolerance, 3), kind: .numerical)
      }
      console.line("all within \(NumberText.significant(tolerance, 3))")
      return 0
    })
}

/// Compares the gradient block with central differences of the loss.
struct GradientCheck {
  let trainer: Trainer
  let program: Program
  let batch: Batch
  /// Elements of each parameter.
  var samples = 50

  /// The worst element of a parameter.
  struct Result {
    var name: String
    var checked: Int
    var error: Double
    var element: Int
    var analytic: Double
    var numeric: Double
  }

  func run() throws -> [Result] {
    _ = try trainer.backward(batch)
    let slots = program.tensors.filter { $0.trainable && !$0.isState }
    let gradients = slots.map { trainer.copy($0, element: .f64, gradient: true).numbers }
    // Numbers far below the gradient's own size are noise of the differences.
    let scale = gradients.flatMap { $0 }.reduce(0) { max($0, abs($1)) }
    return try zip(slots, gradients).map { try check($0, $1, floor: max(1e-4 * scale, 1e-12)) }
  }

  private func check(_ slot: TensorSlot, _ gradient: [Double], floor: Double) throws -> Result {
    let values = trainer.elements(slot).assumingMemoryBound(to: Double.self)
    let count = min(samples, slot.count)
    var worst = Result(name: slot.name, checked: count, error: 0, element: 0, analytic: 0, numeric: 0)
    for sample in 0..<count {
      let element = sample * slot.count / count
      let (value, step) = (values[element], 1e-6 * max(1, abs(values[element])))
      values[element] = value + step
      let above = try trainer.backward(batch)
      values[element] = value - step
      let below = try trainer.backward(batch)
      values[element] = value
      let numeric = (above - below) / ((value + step) - (value - step))
      let error = abs(gradient[element] - numeric) / max(abs(gradient[element]), abs(numeric), floor)
      // Not a number counts as worst.
      if !(error <= worst.error) {
        worst = Result(name: slot.name, checked: count, error: error, element: element, analytic: gradient[element], numeric: numeric)
      }
    }
    return worst
  }
}

extension String {
  /// Padded with blanks at the right, or at the left for a negative width.
  func padded(_ width: Int) -> String {
    let blanks = String(repeating: " ", count: max(0, abs(width) - count))
    return width < 0 ? blanks + self : self + blanks
  }
}
