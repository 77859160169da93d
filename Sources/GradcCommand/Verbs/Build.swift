import Basics
import CEmitter
import CResources
import CRuntime
import Glibc
import Gradc
import GraphIR
import LoopIR
import Toolchain

extension Verb {
  static let build = Verb(
    "build", "C to embed, and a native trainer", operands: "MODEL", count: 1...1,
    about: """
      Writes a folder that needs neither gradc nor Swift: NAME.c and NAME.h, the weights (NAME.safetensors, when there are any), a usage example, \
      Makefile and CMakeLists.txt. Weights that were trained on a table know how its columns were encoded: then NAME_row.c and NAME_row.h take \
      rows as they stand in the data. With --trainer also the runtime's sources and NAME_trainer, a program that trains the model on a CSV file \
      with the flags of gradc train; it is compiled at once when make and a C compiler are there. What decides the generated code (optimizer, \
      loss, clipping, largest batch) is fixed by build.
      """,
    flags: [
      Flag("output", "DIR", "the folder to write, made when it is missing", short: "o"),
      Flag("trainer", nil, "add a native trainer, and compile it"), Flag("inference", nil, "emit no training at all"),
      Flag("generate", nil, "add NAME_generate and NAME_sample, which go on with a text token by token"),
      Flag("no-make", nil, "only write the trainer's sources"), Flag("weights", "FILE", "the trained weights (default: NAME.safetensors)"),
      Flag("max-batch", "N", "rows that one call takes at most (default: the recipe's batch)"), CodeFlags.blas,
      Flag("cc", "CC", "the compiler of the trainer (default: $CC, else clang, else gcc)"), CodeFlags.precision,
      ModelFlags.freeze, ModelFlags.replaceHead, ModelFlags.recipe, ModelFlags.dim, CodeFlags.winograd, CodeFlags.tune,
    ]
      + recipeFlags.map { name in
        let flag = gradc_train_flag_find(name)!.pointee
        return Flag(name, flag.values.map { String(cString: $0) }, String(cString: flag.meaning))
      },
    examples: [
      Example("gradc build heart.gradc -o heart_c", "C with training and inference"),
      Example("gradc build heart.gradc -o heart_c --trainer", "and heart_c/heart_trainer --data heart.csv --epochs 100"),
      Example("gradc build heart.gradc -o device --inference --blas none --max-batch 1", "for a machine with no libraries"),
    ], run: { try BuildCommand($0, $1).run() })

  private static let recipeFlags = ["batch-size", "epochs", "lr", "optimizer", "loss", "clip-norm", "clip-value", "seed"]

  fileprivate static func applyRecipeFlags(_ invocation: Invocation, _ recipe: Recipe) throws {
    var unused = gradc_train_options()
    for flag in invocation.flags where recipeFlags.contains(flag.name) {
      try recipe.apply(flag: flag.name, value: flag.value, to: &unused)
    }
  }
}

/// One run of `gradc build`.
private struct BuildCommand {
  let invocation: Invocation
  let console: Console
  var input: ModelInput
  let folder: String

  init(_ invocation: Invocation, _ console: Console) throws {
    self.invocation = invocation
    self.console = console
    folder = try invocation.required("output", "the folder to write: -o DIR")
    input = try ModelInput(invocation, learns: invocation.has("trainer"))
    if invocation.has("trainer"), invocation.has("inference") { throw usage("--trainer and --inference exclude each other") }
    try Verb.applyRecipeFlags(invocation, input.recipe)
    if let weightsPath { try input.adoptHead(of: weightsPath, console) }
  }

  func run() throws -> Int32 {
    let blas = try invocation.blas()
    let wantsTrainer = invocation.has("trainer")
    var training = try input.training()
    if invocation.has("inference") { training = nil }
    if wantsTrainer, training == nil { training = try input.specification() }
    let rows = try maxBatch(training != nil)
    var input = input
    if invocation.has("tune") {
      let code = CodeOptions(mode: .clang, compiler: invocation.value("cc").flatMap { CCompiler(command: $0) }, blas: blas)
      input.convolutions = try Tuning(
        input, training, code, element: invocation.element(input.file), rows: rows, threads: 1, console
      ).tuned()
    }
    var program = try input.compiled(
      training, element: invocation.element(input.file), maxBatch: rows, blas: blas, generates: invocation.has("generate")
    ).program
    if training == nil { program = program.keeping(entries: ["run", "generate"]) }
    let weightsPath = weightsPath
    let contents = ProjectContents(
      weights: try weightsPath.map { try weights($0, program) } ?? ownWeights(program), recipe: wantsTrainer ? try portableRecipe() : nil,
      runtime: wantsTrainer ? runtimeFiles(images: input.recipe.readsImages) : [], preprocessing: try weightsPath.flatMap(preprocessing))
    let project = try emitProject(program, options: EmitOptions(blas: blas), contents: contents)
    try write(project)
    console.line("wrote \(folder): \(project.files.map(\.path).filter { !$0.hasPrefix("runtime/") }.joined(separator: ", "))")
    if contents.weights == nil {
      console.writeError("note: there are no weights yet; the example needs \(project.name).safetensors, which gradc train makes\n")
    }
    return wantsTrainer && !invocation.has("no-make") ? try make(project) : 0
  }

  private func maxBatch(_ trains: Bool) throws -> Int {
    if let rows = try invocation.integer("max-batch", in: 1...(1 << 30)) {
      if trains, let batch = input.recipe.batch, batch > rows {
        throw usage("--max-batch \(rows) is below the recipe's batch of \(batch); give --batch-size too")
      }
      return rows
    }
    if let batch = input.recipe.batch { return batch }
    guard !trains else { throw usage("the recipe trains on all rows at once: say how many with --max-batch") }
    return 256
  }

  /// The recipe with file names as the model file has them: where gradc was started does not matter to the trainer.
  private func portableRecipe() throws -> String {
    let text = try input.recipe.text()
    guard let slash = invocation.operands[0].lastIndex(of: "/") else { return text }
    let folder = invocation.operands[0][...slash]
    return text.split(separator: "\t", omittingEmptySubsequences: false)
      .map { $0.hasPrefix(folder) ? $0.dropFirst(folder.count) : $0 }.joined(separator: "\t")
  }

  /// The weights file of the flag, or the one that `train` writes by default when it is there.
  private var weightsPath: String? {
    if input.onnx != nil { return invocation.value("weights") }
    let standard = input.file.name + ".safetensors"
    return invocation.value("weights") ?? (access(standard, R_OK) == 0 ? standard : nil)
  }

  /// How the training that made the weights encoded rows; nil for a model of tensors.
  private func preprocessing(_ path: String) throws -> Preprocessing? {
    try Encoder.read(weights: path).flatMap { Preprocessing($0, threshold: input.recipe.pointer.pointee.threshold) }
  }

  /// The weights that an ONNX file brings, as the bytes of a weights file; nil for another model file.
  private func ownWeights(_ program: Program) throws -> [UInt8]? {
    guard input.onnx != nil else { return nil }
    let tensors = try input.fileWeights(program)
    guard tensors.count == program.tensors.count || invocation.has("trainer") else {
      throw usage("the replaced head has no weights yet: train it, and give its --weights")
    }
    let path = "\(folder)/\(program.name).safetensors"
    try makeFolders(above: path)
    return try bytes(Tensor.write(tensors, to: path)[0])
  }

  /// The bytes of the weights file, checked against the program.
  private func weights(_ path: String, _ program: Program) throws -> [UInt8] {
    let tensors = try Tensor.read([path])
    let known = Set(tensors.map { "\($0.name) \($0.dims)" })
    if let missing = program.tensors.first(where: { !known.contains("\($0.name) \($0.dims)") }) {
      throw Diagnostic("\(path) does not fit this model: it has no tensor '\(missing.name)' of shape \(missing.dims)")
    }
    let dtype = program.element == .f32 ? GRADC_DTYPE_F32 : GRADC_DTYPE_F64
    if let other = tensors.first(where: { $0.dtype != dtype }) {
      throw Diagnostic(
        "\(path) holds \(other.name) as \(other.typeText), but the emitted code would compute in \(program.element.rawValue): "
          + "give the --precision that the weights were trained with")
    }
    return try bytes(path)
  }

  private func bytes(_ path: String) throws -> [UInt8] {
    var bytes: UnsafeMutablePointer<CChar>?
    var count = 0
    try callRuntime { gradc_read_file(path, 0, &bytes, &count, $0) }
    defer { free(bytes) }
    return Array(UnsafeRawBufferPointer(start: bytes, count: count))
  }

  private func write(_ project: EmittedProject) throws {
    for file in project.files {
      let path = "\(folder)/\(file.path)"
      try makeFolders(above: path)
      try writeFile(path, file.bytes)
    }
  }

  /// Compiles the trainer with the project's own Makefile.
  private func make(_ project: EmittedProject) throws -> Int32 {
    guard let compiler = invocation.value("cc").map({ CCompiler(command: $0) }) ?? CCompiler.find() else {
      guard let wanted = invocation.value("cc") else { return withoutMake("found no C compiler", project) }
      throw usage("--cc: there is no program \"\(wanted)\"")
    }
    let words = ["make", "-s", "-C", folder, "CC=\(compiler.command.joined(separator: " "))", "\(project.name)_trainer"]
    guard let status = runProgram(words) else { return withoutMake("found no make", project) }
    guard status == 0 else { throw Diagnostic("make failed with status \(status); its messages stand above") }
    console.line("built \(folder)/\(project.name)_trainer")
    return 0
  }

  private func withoutMake(_ reason: String, _ project: EmittedProject) -> Int32 {
    console.writeError("note: \(reason); build the trainer where there is one: make -C \(folder) \(project.name)_trainer\n")
    return 0
  }
}

/// The runtime's sources, which are part of this executable. The readers of image files need libraries: they come along only where
/// `images` says so.
private func runtimeFiles(images: Bool) -> [EmittedFile] {
  (0..<gradc_resource_count()).compactMap { gradc_resource_at($0)?.pointee }.compactMap { file in
    let path = String(cString: file.path)
    guard images || !path.hasPrefix("image_read") else { return nil }
    return EmittedFile("runtime/" + path, bytes: Array(UnsafeBufferPointer(start: file.bytes, count: file.byte_count)))
  }
}

/// Makes the folders above a path.
func makeFolders(above path: String) throws {
  var made = path.hasPrefix("/") ? "/" : ""
  for part in path.split(separator: "/").dropLast() {
    made += (made.isEmpty || made.hasSuffix("/") ? "" : "/") + part
    guard mkdir(made, 0o777) == 0 || errno == EEXIST else {
      throw Diagnostic("cannot make the folder \(made): \(String(cString: strerror(errno)))")
    }
  }
}

/// Runs a program found on the path, its output on our standard error, and gives its exit status; nil when there is no such program.
private func runProgram(_ words: [String]) -> Int32? {
  var actions = posix_spawn_file_actions_t()
  posix_spawn_file_actions_init(&actions)
  posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO)
  var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
  defer {
    for argument in arguments { free(argument) }
    posix_spawn_file_actions_destroy(&actions)
  }
  var process: pid_t = 0
  guard posix_spawnp(&process, words[0], &actions, nil, &arguments, environ) == 0 else { return nil }
  var status: Int32 = 0
  while waitpid(process, &status, 0) < 0, errno == EINTR {}
  // Ended by exit: the code; by a signal: its number above 128, as shells say it.
  return status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)
}
