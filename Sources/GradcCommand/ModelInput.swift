import Basics
import CEmitter
import CRuntime
import Glibc
import Gradc
import GraphIR
import Layers
import LoopIR
import ModelLanguage
import ONNX
import Toolchain
import Training

/// A model file that was read, with its recipe and the text for error messages.
struct ModelInput {
  var path: String
  var text: String
  var file: ModelFile
  var recipe: Recipe
  /// The model, with its head replaced where that was asked for.
  var definition: ModelDefinition
  /// What `--replace-head` asks for.
  private(set) var classes: Int?
  /// How convolutions are computed.
  var convolutions = ConvolutionChoices()
  /// The ONNX model that the file is.
  private(set) var onnx: ONNXModel?
  /// Layers to freeze instead of those of the file.
  private var freeze: [String]?
  /// The file that the recipe is of, where it is not the model's own, and its text.
  private var recipeSource: (path: String, text: String)?

  /// Reads and understands a model file; `-` is standard input. All errors come at once, with the lines that they speak of. An ONNX model
  /// is built for the given sizes of dimensions and, where there are any, for these inputs alone; one that `learns` has a batch, and its
  /// first output is what is judged.
  init(_ path: String, dimensions: [String: Int] = [:], given: [Tensor] = [], learns: Bool = false) throws {
    self.path = path == "-" ? "<stdin>" : path
    if path.hasSuffix(".onnx") {
      let source = try Self.readONNX(path, dimensions, given, learns: learns)
      onnx = source
      text = ""
      file = try ModelFile(name: source.name, element: source.element) { try source.build(&$0) }
      recipe = try Recipe(text: "")
      definition = file.definition
      return
    }
    let result: Result<ModelFile, ModelFile.Errors>
    if path == "-" {
      let read = String(decoding: readStandardInput(), as: UTF8.self)
      text = read
      result = Result { () throws(ModelFile.Errors) in try ModelFile(text: read, file: "<stdin>") }
    } else {
      (result, text) = ModelFile.read(path: path)
    }
    do {
      file = try result.get()
    } catch {
      throw RenderedError(text: error.rendered(source: text), kind: error.diagnostics.first?.kind ?? .input)
    }
    recipe = try Recipe(text: file.recipe)
    definition = file.definition
  }

  /// The model file that a verb was given, with what `--freeze` and `--replace-head` change.
  init(_ invocation: Invocation, operand: Int = 0, given: [Tensor] = [], learns: Bool = false) throws {
    try self.init(invocation.operands[operand], dimensions: invocation.dimensions(), given: given, learns: learns)
    try adoptRecipe(invocation)
    if invocation.has("freeze") {
      let names = invocation.values("freeze").flatMap { $0.split(separator: ",").map { name in String(name.filter { $0 != " " }) } }
      freeze = names == ["none"] ? [] : names
    }
    if invocation.has("no-winograd") { convolutions = .withoutWinograd }
    classes = try invocation.integer("replace-head", in: 1...(1 << 24))
    if let classes { definition = try rendering { try definition.replacingHead(classes: classes) } }
  }

  /// The ONNX model of a file. Throws all unsupported operators at once.
  private static func readONNX(_ path: String, _ dimensions: [String: Int], _ given: [Tensor], learns: Bool) throws -> ONNXModel {
    var model = try ONNXModel(path: path)
    model.dimensions = dimensions
    for (name, tensor) in zip(model.inputNames, arrays(for: model.inputNames, among: given)) {
      if let tensor, let host = tensor.hostTensor { model.inputs[name] = host }
    }
    if learns {
      model.judgesFirstFloat = true
      model.opensBatch = model.hasFixedBatch
    }
    let unsupported = model.unsupportedNodes()
    guard unsupported.isEmpty else {
      throw RenderedError(text: unsupported.map { "\(path): \($0)" }.joined(separator: "\n"), kind: .unsupported)
    }
    return model
  }

  /// Takes the recipe of `--recipe`; without one, for a model that brings none, data that flags alone describe.
  private mutating func adoptRecipe(_ invocation: Invocation) throws {
    let result: Result<Void, ModelFile.Errors>
    if let path = invocation.value("recipe") {
      let read = file.adopt(recipeFile: path)
      result = read.result
      recipeSource = (path, read.text)
    } else if onnx != nil, let text = try dataBlock(invocation) {
      recipeSource = ("--data", text)
      result = Result { () throws(ModelFile.Errors) in try file.adopt(recipe: text, file: "--data") }
    } else {
      return
    }
    do {
      try result.get()
    } catch {
      throw RenderedError(text: error.rendered(source: recipeSource!.text), kind: error.diagnostics.first?.kind ?? .input)
    }
    recipe = try Recipe(text: file.recipe)
  }

  /// A `data` block for what `--data` names: a table needs `--target` for the column that is learned, arrays for the file of labels. Nil
  /// where there is no `--data`.
  private func dataBlock(_ invocation: Invocation) throws -> String? {
    guard let path = invocation.value("data") else { return nil }
    func quoted(_ text: String) -> String { "\"" + text.map { "\"\\".contains($0) ? "\\\($0)" : "\($0)" }.joined() + "\"" }
    let target = invocation.value("target")
    if path.hasSuffix(".csv") || path.hasSuffix(".csv.gz") {
      guard let target else { throw usage("--target is missing: the column of \(path) that the model is to tell") }
      return "data {\n  csv \(quoted(path))\n  target \(quoted(target))\n  numeric \"*\"\n}\n"
    }
    if path.hasSuffix(".npy") {
      return "data {\n  npy \(quoted(path))" + (target.map { ", labels \(quoted($0))" } ?? "") + "\n}\n"
    }
    if path.hasSuffix(".npz") { return "data {\n  npz \(quoted(path))\n}\n" }
    let words = path.split(separator: "-", omittingEmptySubsequences: false)
    if let place = words.lastIndex(of: "idx3"), place > 0, words[place - 1].hasSuffix("images") {
      var other = words.map(String.init)
      other[place - 1] = other[place - 1].dropLast("images".count) + "labels"
      other[place] = "idx1"
      let labels = target ?? other.joined(separator: "-")
      return "data {\n  idx \(quoted(path)), labels \(quoted(labels))\n  scale\n}\n"
    }
    return "data {\n  images \(quoted(path))\n  scale\n}\n"
  }

  /// Runs a stage of the compiler; an error that speaks of a line of the file shows it.
  func rendering<Result>(_ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch let error as Diagnostic {
      let place = error.location?.file
      let source = place == path ? text : place == recipeSource?.path ? recipeSource?.text : nil
      throw RenderedError(text: error.rendered(source: source), kind: error.kind)
    } catch let error as TypeError {
      throw RenderedError(text: "error: \(error.description)", kind: .input)
    }
  }

  /// The training's compile-time side; nil when there is no loss.
  func training() throws -> TrainingSpecification? {
    let specification = try rendering { try file.specification(recipe, freeze: freeze) }
    if onnx != nil, let specification { try requireKnownScores(specification) }
    return specification
  }

  /// What makes probabilities of the first output for those who read predictions; nil where it gives them already, or numbers.
  func scoreEnding(_ training: TrainingSpecification?) throws -> OutputEnding? {
    guard let first = file.outputs.first else { return nil }
    if let ending = try training?.scoreEnding(ofFirst: first) { return ending }
    let builder = try rendering { try definition.built("scores", .inference, .f32, [Symbol(name: "n", maximum: 1)]) }
    // Softmax of logarithms of probabilities gives the probabilities.
    if case .logSoftmax? = builder.logits[builder.outputs[0].value] { return .softmax }
    return nil
  }

  /// An ONNX file does not say whether numbers that no sigmoid or softmax made are scores or probabilities, and a wrong guess would be learned
  /// from all the same.
  private func requireKnownScores(_ specification: TrainingSpecification) throws {
    let builder = try rendering { try definition.built("scores", .inference, .f32, [Symbol(name: "n", maximum: 1)]) }
    for loss in specification.losses {
      let entry = try LossCatalog.entry(loss.name)
      guard entry.task != .numbers, !loss.arguments.contains(where: { $0.label == "from_logits" }),
        let output = loss.output.map({ name in builder.outputs.first { $0.name == name } }) ?? builder.outputs.first
      else { continue }
      switch (entry.task, builder.logits[output.value]) {
      case (.probability, .sigmoid?), (.classes, .softmax?), (.classes, .logSoftmax?): continue
      default: break
      }
      let ending = entry.task == .classes ? "Softmax" : "Sigmoid"
      throw usage(
        "\(entry.name): the output '\(output.name)' of \(path) ends in no \(ending). Are its numbers scores, as PyTorch's losses take them? "
          + "Then --loss \(entry.name),from_logits=true; for probabilities from_logits=false")
    }
  }

  /// The training's compile-time side. Throws when there is no loss and one is needed.
  func specification() throws -> TrainingSpecification {
    guard let specification = try training() else {
      throw Diagnostic(
        "\(path) names no loss: "
          + (onnx == nil ? "add a `train` block with one, or give --loss binary_cross_entropy" : "give --loss, or a recipe by --recipe"))
    }
    return specification
  }

  /// The model as loops.
  func compiled(
    _ training: TrainingSpecification?, element: ElementType, maxBatch: Int, blas: EmitOptions.BLAS,
    convolutions: ConvolutionChoices? = nil,
    generates: Bool = false
  ) throws -> Compilation {
    try rendering {
      try compile(
        definition, training: training,
        options: CompileOptions(
          element: element, maxBatch: maxBatch, usesBLAS: blas == .cblas, convolutions: convolutions ?? self.convolutions,
          generates: generates))
    }
  }
}

/// All of standard input.
func readStandardInput() -> [UInt8] {
  var bytes: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 1 << 16)
  while true {
    let count = read(STDIN_FILENO, &buffer, buffer.count)
    guard count > 0 else { break }
    bytes += buffer[..<count]
  }
  return bytes
}

/// Flags of verbs that make code and run it.
enum CodeFlags {
  static let jit = Flag("jit", "tcc|clang|tiered", "who compiles: tcc at once, clang fast code, tiered both in turn (the default)")
  static let compiler = Flag("cc", "CC", "the C compiler for clang and tiered (default: $CC, else clang, else gcc)")
  static let blas = Flag("blas", "cblas|none", "who multiplies large matrices: a CBLAS library, or plain C")
  static let precision = Flag("precision", "f32|f64", "type of all numbers (default: the model file's, else f32)")
  static let threads = Flag("threads", "N", "threads that work; results do not depend on it")
  static let winograd = Flag("no-winograd", nil, "no Winograd convolutions: slower, with smaller rounding errors")
  static let tune = Flag("tune", nil, "measure the ways to compute each convolution on this machine, once, and take the fastest")
  static let weights = Flag("weights", "FILE", "the trained weights, a .safetensors file (default: NAME.safetensors)")
  static let skipBad = Flag("skip-bad", nil, "leave out images that cannot be read, and say so, instead of ending")
  static let all = [jit, compiler, blas, precision, threads, winograd]
}

/// Flags that change the model or what of it is learned.
enum ModelFlags {
  static let dim = Flag("dim", "NAME=SIZE", "the size of a named dimension of an ONNX model; the first axis may stay open", repeats: true)
  static let recipe = Flag("recipe", "FILE", "take the `data` and `train` blocks of this file; an ONNX model has none of its own")
  static let target = Flag("target", "COLUMN|FILE", "of an ONNX model without a recipe: the column to learn, or the .npy file of labels")
  static let freeze = Flag(
    "freeze", "LAYER[,LAYER...]",
    "leave these layers as they are, with all in them; block* means every layer whose path begins so, none undoes the file's",
    repeats: true)
  static let replaceHead = Flag(
    "replace-head", "CLASSES", "give the last dense layer or convolution so many outputs, with fresh weights")
}

extension Invocation {
  /// Sizes of an ONNX model's named dimensions.
  func dimensions() throws -> [String: Int] {
    var sizes: [String: Int] = [:]
    for text in values("dim") {
      guard let equals = text.lastIndex(of: "="), let size = Int(text[text.index(after: equals)...]), size >= 0, size <= Int32.max else {
        throw usage("--dim wants NAME=SIZE, found \"\(text)\"")
      }
      sizes[String(text[..<equals])] = size
    }
    return sizes
  }

  /// The choices of `CodeFlags`.
  func codeOptions(default mode: CompileMode = .tiered) throws -> CodeOptions {
    var options = CodeOptions(mode: mode, blas: try blas())
    if let word = try word("jit", among: CompileMode.allCases.map(\.rawValue)) { options.mode = CompileMode(rawValue: word)! }
    if let command = value("cc") {
      guard let compiler = CCompiler(command: command) else { throw usage("--cc: there is no program \"\(command)\"") }
      options.compiler = compiler
      if value("jit") == nil, mode == .tcc { options.mode = .clang }
    }
    return options
  }

  func blas() throws -> EmitOptions.BLAS {
    try word("blas", among: EmitOptions.BLAS.allCases.map(\.rawValue)).flatMap(EmitOptions.BLAS.init) ?? .cblas
  }

  /// f32 or f64: the flag's, else the file's.
  func element(_ file: ModelFile) throws -> ElementType {
    try word("precision", among: ["f32", "f64"]).flatMap(ElementType.init) ?? file.training.precision
  }

  func threads() throws -> Int { try integer("threads", in: 1...1024) ?? 1 }
}

extension ModelInput {
  /// Gives a trainer its weights: those of --weights, or those that an ONNX file brings.
  func loadWeights(_ trainer: Trainer, _ program: Program, _ invocation: Invocation) throws {
    if let path = try trainedWeights(invocation) { return try trainer.loadWeights(path) }
    let fresh = try adoptWeights(trainer, program)
    guard fresh.isEmpty else {
      throw usage("the replaced head (\(fresh.joined(separator: ", "))) has no weights yet: train it, and give its --weights")
    }
  }

  /// Gives a trainer the values of an ONNX file's initialisers; another model file has none. Those that a replaced head has otherwise keep
  /// theirs: their names.
  @discardableResult func adoptWeights(_ trainer: Trainer, _ program: Program) throws -> [String] {
    guard onnx != nil else { return [] }
    var fresh: [String] = []
    for slot in program.tensors {
      guard let values = try initializer(slot, program) else {
        fresh.append(slot.name)
        continue
      }
      trainer.elements(slot).copyMemory(from: values.pointer, byteCount: values.bytes)
    }
    return fresh
  }

  /// The ONNX file's values of a tensor of the program; nil where a replaced head has another shape.
  private func initializer(_ slot: TensorSlot, _ program: Program) throws -> AlignedBuffer? {
    guard let tensor = try onnx?.tensor(slot.name) else { throw Diagnostic.bug("no initializer is called '\(slot.name)'") }
    guard tensor.shape == slot.dims else { return nil }
    return Tensor(slot.name, tensor).converted(to: program.element)
  }

  /// The ONNX file's weights as arrays, in the type that the program computes in; those of a replaced head are left out.
  func fileWeights(_ program: Program) throws -> [Tensor] {
    try program.tensors.compactMap { slot in
      try initializer(slot, program).map { Tensor(slot.name, dims: slot.dims, $0) }
    }
  }

  /// The weights file to load; nil for an ONNX model that is to keep its own.
  func trainedWeights(_ invocation: Invocation) throws -> String? {
    onnx != nil && !invocation.has("weights") ? nil : try weightsPath(invocation)
  }

  /// The weights file of the flag, or the one that `train` writes by default.
  func weightsPath(_ invocation: Invocation) throws -> String {
    if let path = invocation.value("weights") { return path }
    let path = file.name + ".safetensors"
    guard access(path, R_OK) == 0 else {
      throw usage("--weights is missing, and there is no \(path) here: gradc train \(self.path) makes it")
    }
    return path
  }

  /// Takes over the head of the weights that a verb was given; an ONNX file's own fit it.
  mutating func adoptHead(_ invocation: Invocation, _ console: Console) throws {
    if let path = try trainedWeights(invocation) { try adoptHead(of: path, console) }
  }

  /// Takes over the number of classes that weights were trained with: a training with `--replace-head` writes what its model file does not
  /// say. Says so.
  mutating func adoptHead(of weights: String, _ console: Console) throws {
    // What cannot be read is told where it is loaded.
    guard classes == nil, let tensors = try? Tensor.read([weights]), let head = try? definition.head() else { return }
    let shapes = Dictionary(tensors.map { ($0.name, $0.dims) }, uniquingKeysWith: { first, _ in first })
    guard let outputs = try definition.outputs(of: head, in: shapes) else { return }
    definition = try definition.replacingHead(classes: outputs)
    classes = outputs
    console.writeError("note: \(weights) has \(outputs) outputs of '\(head.path)' where \(path) has \(head.outputs): its head is taken\n")
  }

  /// Rows of one call in inference: the training's batch, so that all verbs run the same code.
  var inferenceBatch: Int { min(recipe.batch ?? 256, 1024) }
}

/// Says what the compilers had to say.
func report(_ notices: [String], _ console: Console) {
  for notice in notices { console.writeError("note: \(notice)\n") }
}

/// Writes a whole file, or nothing of it.
func writeFile(_ path: String, _ bytes: [UInt8]) throws {
  try bytes.withUnsafeBytes { raw in
    var span = gradc_span(data: raw.baseAddress, bytes: raw.count)
    try callRuntime { gradc_write_file(path, &span, 1, $0) }
  }
}

/// Writes a whole text, or nothing of it.
func writeFile(_ path: String, _ text: String) throws { try writeFile(path, Array(text.utf8)) }

/// Refuses a path whose folder is missing or may not be written, before hours are spent on what belongs there.
func requireWritable(_ path: String, _ what: String) throws {
  var folder = "."
  if let slash = path.lastIndex(of: "/") { folder = slash == path.startIndex ? "/" : String(path[..<slash]) }
  var status = stat()
  guard stat(folder, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
    throw Diagnostic("\(what) cannot be written to \(path): there is no folder \(folder)")
  }
  guard access(folder, W_OK) == 0, access(path, F_OK) != 0 || access(path, W_OK) == 0 else {
    throw Diagnostic("\(what) cannot be written to \(path): \(String(cString: strerror(errno)))")
  }
  if stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
    throw Diagnostic("\(what) cannot be written to \(path): that is a folder")
  }
}
