import Basics
import CEmitter
import CRuntime
import Glibc
import Gradc
import GraphIR
import Layers
import LoopIR
import Toolchain
import Training

extension Verb {
  static let train = Verb(
    "train", "compiles a model, trains it, and reports how it went", operands: "MODEL", count: 1...1,
    about: """
      Trains as the model file's `data` and `train` blocks say; flags override them. One line an epoch goes to standard output, a bar to a \
      terminal. Afterwards the weights of the best epoch are in NAME.safetensors, the whole state in NAME.checkpoint (to go on from, bit for \
      bit), and a report with curves in NAME.html. Ctrl-C finishes the step, saves, and exits with 130.
      """,
    flags: trainingFlags + [CodeFlags.jit, CodeFlags.compiler, CodeFlags.blas, CodeFlags.precision] + [
      CodeFlags.winograd, CodeFlags.tune,
      ModelFlags.freeze, ModelFlags.replaceHead, ModelFlags.recipe, ModelFlags.target, ModelFlags.dim,
      Flag("report", "FILE", "write the report here; none: write none"),
    ],
    examples: [
      Example("gradc train heart.gradc", "as the file says"),
      Example("gradc train heart.gradc --epochs 50 --lr 0.01 --optimizer adamw,weight_decay=0.01", "another recipe, the same file"),
      Example("gradc train heart.gradc --resume heart.checkpoint --epochs 400", "goes on where a training ended or was stopped"),
      Example("gradc train big.gradc --weights small.safetensors --freeze encoder", "starts from known weights and keeps some of them"),
      Example(
        "gradc train net.gradc --weights mnist.safetensors --replace-head 5 --data photos --save photos.safetensors",
        "the same network for other classes: what it has learned, with a fresh last layer"),
      Example(
        "gradc train resnet18.onnx --data photos --loss cross_entropy,from_logits=true --optimizer sgd --lr 0.01",
        "a network that PyTorch exported, from the weights in its file; its names stay"),
      Example("gradc train deep.gradc --gradient-health", "says whether gradients vanish or explode, and which relu units are dead"),
    ], run: { try TrainCommand($0, $1).run() })

  /// The flags that native trainers have too.
  private static var trainingFlags: [Flag] {
    (0..<gradc_train_flag_count).compactMap { gradc_train_flag_at($0) }.map { flag in
      Flag(
        String(cString: flag.pointee.name), flag.pointee.values.map { String(cString: $0) }, String(cString: flag.pointee.meaning))
    }
  }
}

/// One run of `gradc train`.
private final class TrainCommand {
  private let invocation: Invocation
  private let console: Console
  private var input: ModelInput
  private var options = gradc_train_options()
  private let texts = TextPool()
  private let encoder = Encoder()
  private let save: String
  private var isCrossEntropy = true
  /// Files that were written, for the last lines.
  private var written: [String] = []
  /// Whether this training wrote a checkpoint.
  private var hasCheckpoint = false

  init(_ invocation: Invocation, _ console: Console) throws {
    self.invocation = invocation
    self.console = console
    input = try ModelInput(invocation, learns: true)
    for flag in invocation.flags where gradc_train_flag_find(flag.name) != nil {
      try input.recipe.apply(flag: flag.name, value: flag.value, to: &options)
    }
    save = invocation.value("save") ?? input.file.name + ".safetensors"
    options.save = texts.keep(save)
    if input.classes != nil { options.fresh = texts.keep(try input.definition.head().commonPath) }
  }

  /// The save path with another ending.
  private func sibling(_ ending: String) -> String { (save.hasSuffix(".safetensors") ? String(save.dropLast(12)) : save) + ending }

  private var reportPath: String? {
    let path = invocation.value("report") ?? sibling(".html")
    return path == "none" ? nil : path
  }

  func run() throws -> Int32 {
    guard input.recipe.hasData || options.data != nil else {
      let advice =
        input.onnx == nil ? "add a `data` block with csv, npy, text, idx, cifar10, npz or images" : "give --data, or a recipe by --recipe"
      throw Diagnostic("\(input.path) names no data: \(advice)")
    }
    try preparePaths()
    let specification = try input.specification()
    let element = try invocation.element(input.file)
    let code = try invocation.codeOptions()
    // A batch without a bound, or one larger than most tables, depends on the rows: then data come first. So do images, whose size decides
    // whether there is anything to compile.
    var dataset: Dataset?
    if (input.recipe.batch ?? .max) > 1024 || input.recipe.readsImages {
      let ports = try ports(specification, element)
      dataset = try withExtendedLifetime(ports) { try loadDataset(ports.pointer) }
    }
    let rows = dataset.map { max(1, $0.part(GRADC_PART_TRAIN).count) } ?? .max
    let maxBatch = min(input.recipe.batch ?? rows, rows)
    if invocation.has("tune") {
      let threads = max(1, Int(options.threads))
      input.convolutions = try Tuning(
        input, specification, code, element: element, rows: maxBatch, threads: threads, console
      ).tuned()
    }
    let compilation = try input.compiled(specification, element: element, maxBatch: maxBatch, blas: code.blas)
    try input.requireMemory(compilation.program, batch: maxBatch) { rows in
      try input.compiled(specification, element: element, maxBatch: rows, blas: code.blas).program
    }
    warnOfFreshFrozenLayers(specification)
    if let doubt = input.onnx?.inferenceForm() { console.warn(doubt) }
    if input.recipe.changed.contains("loss"), !input.recipe.changed.contains("metrics"), compilation.program.task == .regression {
      let dropped = input.recipe.dropMetricsOfClassifiers()
      if !dropped.isEmpty {
        console.warn("with this loss the model is no classifier: \(dropped.joined(separator: ", ")) cannot be computed and are left out")
      }
    }
    let session = try Session(compilation, code)
    report(session.code.notices, console)
    let trainer = try Trainer(session, threads: Int(options.threads))
    let data = try dataset ?? loadDataset(session.descriptor)
    if !encoder.ignoredColumns.isEmpty {
      console.writeError("note: columns that the recipe does not name are ignored: \(encoder.ignoredColumns.joined(separator: ", "))\n")
    }
    console.writeError(data.skippedText)
    if options.resume == nil {
      try trainer.initialize(seed: input.recipe.pointer.pointee.seed)
      try input.adoptWeights(trainer, compilation.program)
    }
    isCrossEntropy = try specification.losses.count == 1 && LossCatalog.entry(specification.losses[0].name).task != .numbers
    return try train(session, trainer, data)
  }

  private func preparePaths() throws {
    try requireWritable(save, "the weights")
    if let reportPath { try requireWritable(reportPath, "the report") }
    if input.recipe.pointer.pointee.checkpoint == nil {
      // A resumed training goes on in the checkpoint that it came from.
      input.recipe.pointer.pointee.checkpoint = options.resume.map { strdup($0) } ?? strdup(sibling(".checkpoint"))
    }
    try requireWritable(String(cString: input.recipe.pointer.pointee.checkpoint), "the checkpoint")
  }

  private func ports(_ specification: TrainingSpecification, _ element: ElementType) throws -> PortDescriptor {
    PortDescriptor(
      try input.rendering { try buildModel(definition: input.definition, training: specification, element: element, maxBatch: 1) })
  }

  private func loadDataset(_ model: UnsafePointer<gradc_model>) throws -> Dataset {
    try Dataset(input.recipe, model: model, path: options.data.map { String(cString: $0) }, fitted: encoder)
  }

  private func train(_ session: Session, _ trainer: Trainer, _ data: Dataset) throws -> Int32 {
    let sink = Sink(console, session.code)
    let context = Unmanaged.passUnretained(sink).toOpaque()
    options.print = { context, text in Sink.of(context).console.write(String(cString: text!)) }
    options.print_context = context
    options.warn = { context, text in Sink.of(context).warn(String(cString: text!)) }
    options.warn_context = context
    options.poll = { context in Sink.of(context).code.poll() }
    options.poll_context = context
    if !options.quiet { announce(session, data) }
    var history = gradc_history()
    defer { gradc_history_free(&history) }
    var failure: Diagnostic?
    let paths = [save, String(cString: input.recipe.pointer.pointee.checkpoint)]
    let before = paths.map { FileMark($0) }
    do {
      try callRuntime {
        gradc_train(trainer.pointer, input.recipe.pointer, data.pointer, encoder.optional, &options, &history, $0)
      }
    } catch let error as Diagnostic {
      failure = error
    }
    // What was said when it happened need not be said again.
    if let said = failure, sink.warned.contains(said.message) {
      failure = Diagnostic("the training came to its end, but not every file could be written, as is said above", kind: said.kind)
    }
    // A training that was interrupted, or failed late, has written files too.
    let isNew = zip(paths, before).map { FileMark($0) != $1 }
    if isNew[0] { written.append(save) }
    hasCheckpoint = isNew[1]
    report(Array(session.code.notices.dropFirst(sink.noticesBefore)), console)
    var record = TrainingHistory(&history, model: input.file.name, encoder: encoder.isFitted ? encoder : nil)
    record.isCrossEntropy = isCrossEntropy
    if options.gradient_health, failure == nil {
      record.deadUnits = try deadUnits(input, trainer, data, element: session.compilation.program.element)
    }
    if reportPath != nil, failure == nil, history.stop != GRADC_STOP_INTERRUPTED {
      try record.addWorstImages(trainer, data, session.compilation.program, encoder, channelsLast: input.file.imageLayout == .channelsLast)
    }
    try finish(record, &history, failure)
    return 0
  }

  /// A frozen layer that begins with random weights keeps them.
  private func warnOfFreshFrozenLayers(_ specification: TrainingSpecification) {
    guard !specification.freeze.isEmpty, options.weights == nil, options.resume == nil, input.onnx == nil else { return }
    console.warn(
      "frozen layers keep fresh random weights: --weights says where theirs are (\(specification.freeze.joined(separator: ", ")))")
  }

  private func announce(_ session: Session, _ data: Dataset) {
    let counts = [GRADC_PART_TRAIN, GRADC_PART_VALIDATION, GRADC_PART_TEST].map { NumberText.grouped(data.part($0).count) }
    let program = session.compilation.program
    let frozen = program.parameterCount - program.gradientCount
    console.line(
      "\(input.file.name): \(NumberText.grouped(program.parameterCount)) parameters"
        + (frozen > 0 ? " (\(NumberText.grouped(frozen)) of them frozen)" : "") + "; \(counts[0]) rows to train on, "
        + "\(counts[1]) for validation, \(counts[2]) for the test")
  }

  /// The report, the words, the list of files; then the failure, if there was one.
  private func finish(_ record: TrainingHistory, _ history: UnsafePointer<gradc_history>, _ failure: Diagnostic?) throws {
    var failure = failure
    if let reportPath, !record.epochs.isEmpty {
      do {
        try writeFile(reportPath, record.htmlReport())
        written.append(reportPath)
      } catch let error as Diagnostic {
        failure = failure ?? error
      }
    }
    if hasCheckpoint { written.append(String(cString: input.recipe.pointer.pointee.checkpoint)) }
    // A file that could not be written takes nothing from the figures of a training that came to its end.
    if failure == nil || history.pointee.validation.rows > 0 || history.pointee.test.rows > 0 {
      if let summary = gradc_history_summary(history, encoder.optional) {
        console.write(String(cString: summary))
        gradc_text_free(summary)
      }
      let curve = record.curve(columns: console.columns, isUnicode: console.isUnicode)
      if !curve.isEmpty, !options.quiet { console.line("\n" + curve) }
    }
    if record.epochs.count > 1 || failure == nil { console.line("\n" + words(record)) }
    if !written.isEmpty { console.line("wrote " + written.joined(separator: ", ")) }
    if let failure { throw failure }
  }

  private func words(_ record: TrainingHistory) -> String {
    record.verdictText.split(separator: "\n").map { wrapped(String($0), columns: min(console.columns, 100)) }.joined(separator: "\n")
  }
}

/// Tells whether a file was written meanwhile: the runtime replaces files whole.
private struct FileMark: Equatable {
  private let numbers: [Int]

  init(_ path: String) {
    var status = stat()
    numbers = stat(path, &status) == 0 ? [Int(status.st_ino), status.st_mtim.tv_sec, status.st_mtim.tv_nsec] : []
  }
}

/// Where the runtime's texts go, and where it finds faster code.
private final class Sink {
  let console: Console
  let code: CompiledModel
  let noticesBefore: Int
  private(set) var warned: [String] = []

  init(_ console: Console, _ code: CompiledModel) {
    self.console = console
    self.code = code
    noticesBefore = code.notices.count
  }

  static func of(_ context: UnsafeMutableRawPointer?) -> Sink { Unmanaged<Sink>.fromOpaque(context!).takeUnretainedValue() }

  func warn(_ text: String) {
    warned.append(text)
    console.writeError(text.hasSuffix("\n") ? text : text + "\n")
  }
}
