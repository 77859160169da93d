import Basics
import CRuntime
import Glibc
import Gradc
import LoopIR
import Toolchain

extension Verb {
  static let golden = Verb(
    "golden", "records outputs, loss and gradients, and checks any compiler against them", operands: "record|verify MODEL DIR",
    count: 3...3,
    about: """
      `record` runs the model on random rows (or on --inputs) and writes a folder: weights, inputs, targets, and what must come out: outputs, \
      losses, gradients. `verify` compiles the model anew, by any compiler, with BLAS or without, and compares: it says which tensors are the same \
      bit for bit, and fails with exit code 4 when a number is off by more than the tolerance. A model without a loss has outputs alone.

      A folder in ONNX's own layout, test_data_set_N with input_K.pb and output_K.pb, is verified as it is, and recorded where DIR is called so.
      """,
    flags: [
      CodeFlags.weights, Flag("inputs", "DIR|FILE", "record: these rows instead of random ones", repeats: true),
      Flag("rows", "N", "record: random rows (default 8)"), Flag("seed", "N", "record: of weights and rows (default 1)"),
      Flag("tolerance", "T", "verify: largest error, relative to a tensor's largest number (default 1e-5, f64 1e-12)"),
      Flag("exact", nil, "verify: the same bytes are demanded"), CodeFlags.jit, CodeFlags.compiler, CodeFlags.blas, CodeFlags.precision,
      ModelFlags.recipe, ModelFlags.dim,
    ],
    examples: [
      Example("gradc golden record heart.gradc golden", "fresh weights of seed 1, 8 random rows"),
      Example("gradc golden verify heart.gradc golden --cc gcc --exact", "the same bits from gcc"),
      Example("gradc golden verify heart.gradc golden --blas none", "plain C instead of BLAS"),
      Example("gradc golden verify resnet18.onnx resnet18/test_data_set_0", "the tensors that came with an ONNX model"),
    ],
    run: { invocation, console in
      let verb = invocation.operands[0]
      guard ["record", "verify"].contains(verb) else {
        throw usage("found \"\(verb)\", expected record or verify: gradc golden record MODEL DIR")
      }
      let golden = try Golden(invocation)
      return try verb == "record" ? golden.record(console) : golden.verify(console)
    })
}

/// A folder of recorded numbers.
private struct Golden {
  let invocation: Invocation
  let input: ModelInput
  let folder: String
  /// Whether the folder has ONNX's layout.
  let isTestData: Bool
  /// Arrays to run on instead of random ones.
  let given: [Tensor]
  let element: ElementType
  let options: CodeOptions

  init(_ invocation: Invocation) throws {
    self.invocation = invocation
    folder = invocation.operands[2]
    isTestData = (folder.split(separator: "/").last ?? "").hasPrefix("test_data_set")
    given =
      if invocation.has("inputs") {
        try readInputs(invocation)
      } else if isTestData, invocation.operands[0] == "verify" {
        try Tensor.read([folder])
      } else { [] }
    input = try ModelInput(invocation, operand: 1, given: isTestData ? given : [])
    element = try invocation.element(input.file)
    options = try invocation.codeOptions(default: .tcc)
  }

  private func path(_ name: String) -> String { "\(folder)/\(name).safetensors" }

  private func session(rows: Int) throws -> (Session, Trainer) {
    let training = try isTestData ? nil : input.training()
    let compilation = try input.compiled(training, element: element, maxBatch: rows, blas: options.blas)
    let session = try Session(compilation, options)
    return (session, try Trainer(session))
  }

  // MARK: Record

  func record(_ console: Console) throws -> Int32 {
    let seed = UInt64(try invocation.integer("seed", in: 0...(.max)) ?? 1)
    let rows = try given.first?.dims.first ?? invocation.integer("rows", in: 1...65536) ?? 8
    guard (1...65536).contains(rows) else { throw Diagnostic("the inputs have \(rows) rows; 1 to 65,536 are possible") }
    let (session, trainer) = try session(rows: rows)
    report(session.code.notices, console)
    let program = session.compilation.program
    if let path = invocation.value("weights") {
      try trainer.loadWeights(path)
    } else if input.onnx != nil {
      try input.loadWeights(trainer, program, invocation)
    } else if program.entry("initialize") != nil {
      try trainer.initialize(seed: seed)
    }
    var batch = Batch(random: program, rows: rows, seed: seed)
    if !given.isEmpty { batch.inputs = try bind(given, to: program.inputs).buffers }
    mkdir(folder, 0o777)
    if isTestData { return try recordTestData(trainer, program, batch, console) }
    try callRuntime { gradc_save_weights(trainer.pointer, nil, path("weights"), $0) }
    var files = [path("weights")]
    files += try write("inputs", program.inputs, batch.inputs, rows)
    if !program.targets.isEmpty { files += try write("targets", program.targets, batch.targets, rows) }
    files += try Tensor.write(measure(trainer, program, batch), to: path("expected"))
    console.line("\(NumberText.grouped(rows)) rows; wrote \(files.joined(separator: ", "))")
    return 0
  }

  private func write(_ name: String, _ ports: [Port], _ buffers: [AlignedBuffer], _ rows: Int) throws -> [String] {
    try Tensor.write(zip(ports, buffers).map { Tensor($0.name, dims: [rows] + $0.dims, $1) }, to: path(name))
  }

  /// All that must come out: `output.NAME`, `loss`, `training_loss`, `gradient.NAME`.
  private func measure(_ trainer: Trainer, _ program: Program, _ batch: Batch) throws -> [Tensor] {
    let outputs = try trainer.run(batch.inputs, program, rows: batch.rows)
    var tensors = zip(program.outputs, outputs).map { Tensor("output.\($0.name)", dims: [batch.rows] + $0.dims, $1) }
    if program.entry("evaluate") != nil {
      tensors.append(Tensor("loss", dims: [], AlignedBuffer(.f64, [try trainer.evaluate(batch, program).loss])))
    }
    if program.entry("backward") != nil {
      // Dropout draws by seed and step: those of a training's first step.
      trainer.controls.pointee.seed = 0
      trainer.controls.pointee.step = 0
      tensors.append(Tensor("training_loss", dims: [], AlignedBuffer(.f64, [try trainer.backward(batch)])))
      for slot in program.tensors where slot.trainable && !slot.isState {
        tensors.append(Tensor("gradient.\(slot.name)", dims: slot.dims, trainer.copy(slot, element: element, gradient: true)))
      }
    }
    return tensors
  }

  // MARK: Verify

  func verify(_ console: Console) throws -> Int32 {
    let inputs = try isTestData ? given : Tensor.read([path("inputs")])
    let rows = inputs.first?.dims.first ?? 0
    if isTestData { return try verifyTestData(console) }
    guard (1...65536).contains(rows) else { throw Diagnostic("\(path("inputs")) has \(rows) rows; 1 to 65,536 are possible") }
    let (session, trainer) = try session(rows: rows)
    report(session.code.notices, console)
    let program = session.compilation.program
    try trainer.loadWeights(path("weights"))
    let targets = program.targets.isEmpty ? [] : try bind(Tensor.read([path("targets")]), to: program.targets).buffers
    let batch = Batch(rows: rows, inputs: try bind(inputs, to: program.inputs).buffers, targets: targets)
    let found = try measure(trainer, program, batch)
    let expected = try Tensor.read([path("expected")])
    // Numbers that were recorded in another precision agree to the coarser one.
    let isDouble = element == .f64 && expected.contains { $0.dtype == GRADC_DTYPE_F64 && !$0.dims.isEmpty }
    let tolerance = try invocation.positive("tolerance") ?? (isDouble ? 1e-12 : 1e-5)
    return try compare(found, expected, invocation.has("exact") ? 0 : tolerance, console)
  }

  // MARK: ONNX's layout

  private func recordTestData(_ trainer: Trainer, _ program: Program, _ batch: Batch, _ console: Console) throws -> Int32 {
    let inputs = zip(program.inputs, batch.inputs).enumerated().map { number, pair in
      Tensor("input_\(number)", dims: pair.0.shape(rows: batch.rows), pair.1)
    }
    let files = try Tensor.write(inputs + outputs(trainer, program, batch), to: folder, format: .pb)
    console.line("\(NumberText.grouped(batch.rows)) rows; wrote \(files.joined(separator: ", "))")
    return 0
  }

  private func outputs(_ trainer: Trainer, _ program: Program, _ batch: Batch) throws -> [Tensor] {
    zip(program.outputs, try trainer.run(batch.inputs, program, rows: batch.rows)).enumerated().map { number, result in
      Tensor("output_\(number)", dims: result.0.shape(rows: batch.rows), result.1)
    }
  }

  private func verifyTestData(_ console: Console) throws -> Int32 {
    let (session, trainer) = try session(rows: max(1, given.first?.dims.first ?? 1))
    report(session.code.notices, console)
    // Inference alone: nothing else is recorded.
    let program = session.compilation.program
    try input.loadWeights(trainer, program, invocation)
    let (buffers, rows) = try bind(given, to: program.inputs)
    let found = try outputs(trainer, program, Batch(rows: rows, inputs: buffers, targets: []))
    let expected = try found.compactMap { tensor -> Tensor? in
      let path = "\(folder)/\(tensor.name).pb"
      return access(path, R_OK) == 0 ? try Tensor.read([path])[0] : nil
    }
    guard !expected.isEmpty else { throw Diagnostic("\(folder) has no output_0.pb: record it") }
    let recorded = found.filter { tensor in expected.contains { $0.name == tensor.name } }
    return try compare(recorded, expected, invocation.has("exact") ? 0 : invocation.positive("tolerance") ?? 1e-5, console)
  }

  private func compare(_ found: [Tensor], _ expected: [Tensor], _ tolerance: Double, _ console: Console) throws -> Int32 {
    let width = found.map(\.name.count).max() ?? 0
    var failures: [String] = []
    if let missing = expected.first(where: { tensor in !found.contains { $0.name == tensor.name } }) {
      throw Diagnostic("'\(missing.name)' was recorded, but this model has no such tensor: record it anew")
    }
    for tensor in found {
      guard let wanted = expected.first(where: { $0.name == tensor.name }), wanted.dims == tensor.dims else {
        throw Diagnostic("'\(tensor.name)' of type \(tensor.typeText) was not recorded: record the model anew")
      }
      let same = wanted.dtype == tensor.dtype && wanted.bytes == tensor.bytes
      let error = same ? 0 : relativeError(tensor.converted(to: .f64).numbers, wanted.converted(to: .f64).numbers)
      if !same, !(error <= tolerance) || tolerance == 0 { failures.append(tensor.name) }
      console.line(tensor.name.padded(width) + "  " + (same ? "same bits" : "error \(NumberText.significant(error, 3))"))
    }
    guard failures.isEmpty else {
      let bound = tolerance == 0 ? "differ from the recorded bits" : "are off by more than \(NumberText.significant(tolerance, 3))"
      throw Diagnostic("\(failures.joined(separator: ", ")) \(bound)", kind: .numerical)
    }
    return 0
  }

  /// The largest difference relative to the largest expected number.
  private func relativeError(_ found: [Double], _ expected: [Double]) -> Double {
    let scale = expected.reduce(0) { max($0, abs($1)) }
    let difference = zip(found, expected).reduce(0) { worst, pair in
      let error = abs(pair.0 - pair.1)
      return error.isNaN ? .infinity : max(worst, error)
    }
    return difference == 0 ? 0 : difference / max(scale, .leastNormalMagnitude)
  }
}
