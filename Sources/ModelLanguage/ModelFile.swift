import Basics
import Glibc
import GraphIR
import Layers
import LoopIR

/// A model file, understood: the model, the recipe for the runtime, and what the compiler needs of the training.
public struct ModelFile: Sendable {
  /// The model as a function from a builder.
  private let build: @Sendable (inout ModelBuilder) throws -> Void
  /// The model's name.
  public var name: String
  /// Names of the model's inputs and outputs, in order.
  public var inputs: [LoopIR.Port]
  public var outputs: [String]
  /// The order of an image's axes in the model.
  public var imageLayout: ImageLayout
  /// The recipe in the line form that the runtime reads (`gradc_recipe_parse`); empty without `data` and `train` blocks.
  public var recipe: String
  /// Without a `train` block: the defaults, without a loss.
  public var training: TrainingPlan
  public var hasData: Bool
  public var hasTraining: Bool
  /// Names of the model's parameters and running statistics.
  private var tensors: [String] = []

  /// Everything that is wrong with a model file.
  public struct Errors: Error, Sendable, CustomStringConvertible {
    public var diagnostics: [Diagnostic]

    public var description: String { diagnostics.map(\.description).joined(separator: "\n") }

    /// All errors as clang prints them, with the lines of `source` that they speak of.
    public func rendered(source: String) -> String { diagnostics.map { $0.rendered(source: source) }.joined(separator: "\n") }
  }

  /// Understands a text. `file` is its name in messages; relative paths in the text refer to `folder` (empty: the working directory).
  /// The model is built once, so that shapes that do not fit are found here. Throws all errors at once.
  public init(text: String, file: String, folder: String = "") throws(Errors) {
    let (tree, found) = Parser.parse(text, file: file)
    guard found.isEmpty else { throw Errors(diagnostics: found) }
    var diagnostics = Self.duplicates(tree)
    guard let model = tree.models.first else {
      throw Errors(
        diagnostics: diagnostics + [Diagnostic("the file has no `model`", at: SourceLocation(file: file, line: 1, column: 1))])
    }
    var evaluator = Evaluator(
      tree: tree,
      builder: ModelBuilder(name: model.name.text, mode: .training, element: .f32, symbols: [Symbol(name: "n", maximum: 1)]))
    evaluator.evaluate(model)
    diagnostics += evaluator.diagnostics
    build = { builder in
      var evaluator = Evaluator(tree: tree, builder: builder)
      evaluator.evaluate(model)
      builder = evaluator.builder
      if let first = evaluator.diagnostics.first { throw first }
    }
    name = model.name.text
    self.tensors = evaluator.builder.parameters.map(\.name)
    inputs = evaluator.builder.inputs
    outputs = evaluator.builder.outputs.map(\.name)
    imageLayout = evaluator.builder.imageLayout
    hasData = tree.data != nil
    hasTraining = tree.train != nil
    // Names of outputs are not known for sure when a line of the model is wrong: losses would be blamed for it.
    let declared = diagnostics.isEmpty ? outputs : model.outputNames
    var reader = RecipeReader(tree: tree, folder: folder)
    let tensors = diagnostics.isEmpty ? evaluator.builder.parameters.map(\.name) : nil
    training = Self.readRecipe(
      tree, &reader, inputs: model.inputNames, outputs: declared, tensors: tensors, layout: evaluator.builder.imageLayout)
    recipe = reader.lines.isEmpty ? "" : reader.lines.joined(separator: "\n") + "\n"
    diagnostics += reader.diagnostics
    if !diagnostics.isEmpty { throw Errors(diagnostics: diagnostics.sortedByPlace()) }
  }

  /// A model that is written in another language, without data and training. Builds it once for the names of its inputs and outputs.
  public init(
    name: String, element: ElementType, build: @escaping @Sendable (inout ModelBuilder) throws -> Void
  ) throws {
    self.name = name
    self.build = build
    var builder = ModelBuilder(name: name, mode: .training, element: element, symbols: [Symbol(name: "n", maximum: 1)])
    try build(&builder)
    inputs = builder.inputs
    outputs = builder.outputs.map(\.name)
    tensors = builder.parameters.map(\.name)
    imageLayout = .channelsFirst
    recipe = ""
    training = TrainingPlan()
    training.precision = element
    hasData = false
    hasTraining = false
  }

  /// Takes `data` and `train` blocks from a text that holds nothing else (constants aside), instead of those that the model's file has.
  public mutating func adopt(recipe text: String, file: String, folder: String = "") throws(Errors) {
    let (tree, found) = Parser.parse(text, file: file)
    guard found.isEmpty else { throw Errors(diagnostics: found) }
    if let stray = tree.models.first?.name ?? tree.layers.first?.name {
      throw Errors(diagnostics: [
        Diagnostic("a recipe has `data` and `train` blocks alone; the model is in its own file", at: stray.location, length: stray.length)
      ])
    }
    guard tree.data != nil || tree.train != nil else {
      throw Errors(diagnostics: [
        Diagnostic("the recipe has no `data` and no `train` block", at: SourceLocation(file: file, line: 1, column: 1))
      ])
    }
    var reader = RecipeReader(tree: tree, folder: folder)
    let element = training.precision
    training = Self.readRecipe(tree, &reader, inputs: inputs.map(\.name), outputs: outputs, tensors: tensors, layout: imageLayout)
    if !(tree.train?.directives.contains { $0.name.text == "precision" } ?? false) { training.precision = element }
    recipe = reader.lines.isEmpty ? "" : reader.lines.joined(separator: "\n") + "\n"
    hasData = tree.data != nil
    hasTraining = tree.train != nil
    if !reader.diagnostics.isEmpty { throw Errors(diagnostics: reader.diagnostics.sortedByPlace()) }
  }

  /// Takes the blocks of a recipe's file. Throws `Errors`; the text that was read is handed back for rendering them.
  public mutating func adopt(recipeFile path: String) -> (result: Result<Void, Errors>, text: String) {
    guard let text = Self.contents(of: path) else {
      return (.failure(Errors(diagnostics: [Diagnostic("cannot read '\(path)': there is no such file, or it may not be read")])), "")
    }
    do {
      return (.success(try adopt(recipe: text, file: path, folder: Self.folder(of: path))), text)
    } catch {
      return (.failure(error), text)
    }
  }

  /// Reads and understands a file. Throws `Errors`; the text that was read is handed back for rendering them.
  public static func read(path: String) -> (result: Result<ModelFile, Errors>, text: String) {
    guard let text = contents(of: path) else {
      return (.failure(Errors(diagnostics: [Diagnostic("cannot read '\(path)': there is no such file, or it may not be read")])), "")
    }
    do {
      return (.success(try ModelFile(text: text, file: path, folder: Self.folder(of: path))), text)
    } catch {
      return (.failure(error), text)
    }
  }

  /// The text of a file; nil when it cannot be read. Of one without end, enough to be refused. Foundation is not worth its size for this.
  private static func contents(of path: String) -> String? {
    guard let file = fopen(path, "r") else { return nil }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while bytes.count <= 16 * Parser.sizeLimit {
      let count = fread(&chunk, 1, chunk.count, file)
      if count == 0 { break }
      bytes += chunk[..<count]
    }
    return ferror(file) == 0 ? String(decoding: bytes, as: UTF8.self) : nil
  }

  /// The part of a path before its last slash; empty when there is none.
  static func folder(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "" }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  /// The model as a function from a builder, to be run once for each entry graph.
  public var definition: ModelDefinition { ModelDefinition(name: name, build: build) }

  /// The words that begin a line of the `data` and of the `train` block.
  public static let directives: (data: [String], train: [String]) = (
    DataSection.handlers.keys.sorted(), TrainSection.handlers.keys.sorted()
  )

  private static func duplicates(_ tree: SyntaxTree) -> [Diagnostic] {
    var diagnostics: [Diagnostic] = []
    if tree.models.count > 1 {
      let name = tree.models[1].name
      diagnostics.append(
        Diagnostic("a file has one model; '\(tree.models[0].name.text)' stands above", at: name.location, length: name.length))
    }
    var seen: Set<String> = []
    for name in tree.layers.map(\.name) where !seen.insert(name.text).inserted {
      diagnostics.append(Diagnostic("layer '\(name.text)' is defined twice", at: name.location, length: name.length))
    }
    for layer in tree.layers
    where LayerCatalog.entries.contains(where: { $0.name == layer.name.text || $0.aliases.contains(layer.name.text) }) {
      diagnostics.append(
        Diagnostic(
          "'\(layer.name.text)' is a layer of gradc; give yours another name", at: layer.name.location, length: layer.name.length))
    }
    return diagnostics
  }

  private static func readRecipe(
    _ tree: SyntaxTree, _ reader: inout RecipeReader, inputs: [String], outputs: [String], tensors: [String]?, layout: ImageLayout
  ) -> TrainingPlan {
    var data = DataSection(inputNames: inputs, block: tree.data)
    let trainWords = Dictionary(uniqueKeysWithValues: TrainSection.handlers.keys.map { ($0, "train") })
    let dataWords = Dictionary(uniqueKeysWithValues: DataSection.handlers.keys.map { ($0, "data") })
    var hasArrays = false
    if let block = tree.data {
      reader.read(block, into: &data, DataSection.handlers, others: trainWords)
      data.finish(block, &reader)
      if data.image.source != nil { reader.write("layout", layout.rawValue) }
      hasArrays = data.image.source != nil || data.text != nil || block.directives.contains { $0.name.text == "npy" }
    }
    let targets = tree.data == nil || hasArrays ? nil : data.targets
    var train = TrainSection(outputs: outputs, inputs: inputs, targets: targets, tensors: tensors)
    if let block = tree.train {
      reader.read(block, into: &train, TrainSection.handlers, others: dataWords)
      train.finish(block, &reader)
    }
    return train.plan
  }
}

extension ModelForm {
  /// Names of the outputs as written.
  var outputNames: [String] {
    body.flatMap { statement -> [String] in if case .output(let items) = statement { items.map(\.name.text) } else { [] } }
  }

  /// Names of the inputs as written.
  var inputNames: [String] {
    body.compactMap { statement in if case .input(let name, _, _) = statement { name.text } else { nil } }
  }
}

extension [Diagnostic] {
  /// In the order of the text.
  fileprivate func sortedByPlace() -> [Diagnostic] {
    enumerated().sorted { a, b in
      guard let x = a.1.location, let y = b.1.location else { return a.0 < b.0 }
      return (x.line, x.column, a.0) < (y.line, y.column, b.0)
    }.map(\.1)
  }
}
