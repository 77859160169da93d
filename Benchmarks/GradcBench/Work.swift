import Basics
import CRuntime
import Glibc
import Gradc
import LoopIR
import ModelLanguage
import Toolchain
import Training

/// A compiled workload with its parameters and one batch, ready to be stepped.
final class Work {
  private let request: BenchRequest
  private let session: Session
  private let trainer: Trainer
  private let program: Program
  private let buffers: [AlignedBuffer]
  private let inputs: UnsafeMutablePointer<UnsafeRawPointer?>
  private let targets: UnsafeMutablePointer<UnsafeRawPointer?>
  private let outputs: UnsafeMutablePointer<UnsafeMutableRawPointer?>
  private let results: [AlignedBuffer]
  private let scratch: AlignedBuffer

  init(_ request: BenchRequest) throws {
    self.request = request
    let path = try request.model()
    let (result, text) = ModelFile.read(path: path)
    let file: ModelFile
    do { file = try result.get() } catch { throw Diagnostic(error.rendered(source: text)) }
    let specification = request.isTraining ? try file.specification(Recipe(text: file.recipe)) : nil
    let options = CompileOptions(
      element: request.element, maxBatch: request.rows, usesBLAS: request.blas == .cblas, convolutions: request.convolutions)
    let compilation = try compile(file.definition, training: specification, options: options)
    session = try Session(compilation, CodeOptions(mode: request.mode, blas: request.blas))
    for notice in session.code.notices { fputs("gradc-bench: \(notice)\n", stderr) }
    trainer = try Trainer(session, threads: request.threads)
    try Self.fill(trainer, request, rate: specification?.optimizer.rate)
    program = compilation.program
    let batch = try Self.batch(program, request)
    buffers = batch.inputs + batch.targets
    results = program.outputs.map { AlignedBuffer($0.element, count: request.rows * $0.rowCount) }
    scratch = AlignedBuffer(.u8, count: trainer.descriptor.pointee.scratch_bytes)
    inputs = Self.pointers(batch.inputs.map { UnsafeRawPointer($0.pointer) })
    targets = Self.pointers(batch.targets.map { UnsafeRawPointer($0.pointer) })
    outputs = Self.pointers(results.map(\.pointer))
    guard !request.isTraining, let prepare = trainer.descriptor.pointee.prepare else { return }
    let status = prepare(trainer.memory, scratch.pointer)
    guard status == 0 else { throw Diagnostic.bug("preparing the weights of \(request.workload) failed with status \(status)") }
  }

  deinit {
    inputs.deallocate()
    targets.deallocate()
    outputs.deallocate()
  }

  /// Calls the compiled step; gives the loss of the last one, or the root mean square of the outputs.
  func run(steps: Int) throws -> Double {
    let (model, memory, rows) = (trainer.descriptor.pointee, trainer.memory, Int32(request.rows))
    var status: Int32 = 0
    if request.isTraining {
      for _ in 0..<steps where status == 0 { status = model.train_step(memory, inputs, targets, nil, rows) }
    } else {
      for _ in 0..<steps where status == 0 { status = model.run(memory, inputs, outputs, rows, scratch.pointer) }
    }
    guard status == 0 else { throw Diagnostic.bug("a step of \(request.workload) failed with status \(status)") }
    if request.isTraining { return trainer.controls.pointee.loss }
    let numbers = results.flatMap(\.numbers)
    return (numbers.reduce(0) { $0 + $1 * $1 } / Double(numbers.count)).squareRoot()
  }

  /// Writes the gradients of the last step under the parameters' names.
  func writeGradients(to path: String) throws {
    let slots = program.tensors.filter { !$0.isState }
    _ = try Tensor.write(
      slots.map { Tensor($0.name, dims: $0.dims, trainer.copy($0, element: program.element, gradient: true)) }, to: path)
  }

  /// Goes over to the C compiler's code; returns at once when it is in use, or when there will be none.
  func waitForCompiler() throws {
    while session.code.isCompiling {
      if let better = session.code.poll() {
        try callRuntime { gradc_trainer_swap(trainer.pointer, better, $0) }
      } else {
        usleep(3000)
      }
    }
  }

  // MARK: Parameters and data

  private static func fill(_ trainer: Trainer, _ request: BenchRequest, rate: Double?) throws {
    if request.isTraining { try trainer.initialize(seed: 1) }
    if let weights = request.file("\(request.workload).weights.safetensors") {
      try trainer.loadWeights(weights)
    } else {
      fputs("gradc-bench: no weights in \(request.folder); values cannot be compared\n", stderr)
    }
    if let rate { trainer.controls.pointee.rate = rate }
  }

  private static func batch(_ program: Program, _ request: BenchRequest) throws -> Batch {
    guard let path = request.file("\(request.workload).\(request.rows).safetensors") else {
      return Batch(random: program, rows: request.rows, seed: 1)
    }
    let tensors = try Tensor.read([path])
    guard let x = tensors.first(where: { $0.name == "x" }), let y = tensors.first(where: { $0.name == "y" }) else {
      throw Diagnostic("\(path) has no x and y")
    }
    for (tensor, port) in zip([x, y], program.inputs + program.targets)
    where tensor.dims.reduce(1, *) != request.rows * port.rowCount {
      throw Diagnostic("\(path): \(tensor.name) is \(tensor.typeText), which is not \(request.rows) rows of \(port.rowCount)")
    }
    return Batch(
      rows: request.rows, inputs: program.inputs.map { x.converted(to: $0.element) },
      targets: program.targets.map { y.converted(to: $0.element) })
  }

  private static func pointers<Pointer>(_ values: [Pointer]) -> UnsafeMutablePointer<Pointer?> {
    let memory = UnsafeMutablePointer<Pointer?>.allocate(capacity: max(1, values.count))
    for (index, value) in values.enumerated() { memory.advanced(by: index).initialize(to: value) }
    return memory
  }
}
