import Basics
import CRuntime
import Glibc
import Gradc
import Layers
import LoopIR

extension Verb {
  static let predict = Verb(
    "predict", "predictions for new rows or image files, as CSV", operands: "MODEL [IMAGE...]", count: 1...100_000,
    about: """
      Reads rows without a target, encodes them as in training (the weights file knows how), and writes a CSV with a row for each: the id \
      column when the recipe has one, else the row's number; then for two classes the class and the probability of the second one, for more \
      classes the class, its probability, and the probability of each; for regression the numbers in the target's own unit. A model of images takes \
      PNG and JPEG files, after the model or by --data, and folders of them; they are resized and scaled as in training, and the first column is \
      the file.
      """,
    flags: [
      CodeFlags.weights, Flag("data", "FILE", "the new rows (.csv or .npy, an image or a folder of images; default: the recipe's own)"),
      Flag("output", "FILE", "write here instead of to standard output", short: "o"),
      Flag("threshold", "T", "probability from which a row counts as the second class (default: the recipe's, else 0.5)"),
      CodeFlags.skipBad, Flag("loss", "NAME[,KEY=VALUE...]", "the loss that tells how outputs are read, where the recipe names none"),
      ModelFlags.recipe, ModelFlags.target, ModelFlags.dim,
    ] + CodeFlags.all,
    examples: [
      Example("gradc predict heart.gradc --data new.csv", "with the weights that gradc train wrote"),
      Example("gradc predict churn.gradc --weights best.safetensors --data new.csv -o predictions.csv", "into a file"),
      Example("gradc predict cats.gradc photo1.jpg photo2.png holiday", "image files, and all those of a folder"),
    ],
    run: { invocation, console in
      var input = try ModelInput(invocation, learns: true)
      if let loss = invocation.value("loss") { try input.recipe.set("loss", loss) }
      if let threshold = invocation.value("threshold") { try input.recipe.set("threshold", threshold) }
      let weights = try input.trainedWeights(invocation)
      try input.adoptHead(invocation, console)
      if let output = invocation.value("output"), output != "-" { try requireWritable(output, "the predictions") }
      let images = Array(invocation.operands.dropFirst())
      guard input.recipe.hasData || invocation.has("data") || !images.isEmpty else {
        throw usage("--data is missing: a .csv or .npy file of rows, or image files")
      }
      let options = try invocation.codeOptions()
      // The loss tells how an output is to be read, so it is compiled when there is one.
      let training = try input.training()
      let compilation = try input.compiled(
        training, element: invocation.element(input.file), maxBatch: input.inferenceBatch, blas: options.blas)
      let session = try Session(compilation.inference, options)
      report(session.code.notices, console)
      let trainer = try Trainer(session, threads: invocation.threads())
      try input.loadWeights(trainer, session.compilation.program, invocation)
      let encoder = try weights.flatMap { try Encoder.read(weights: $0) }
      let data = try newRows(input, session, encoder, images, invocation)
      console.writeError(data.skippedText)
      let program = compilation.program
      let buffers = program.outputs.map { AlignedBuffer($0.element, count: data.rowCount * $0.rowCount) }
      try predictRows(trainer, data, data.part(GRADC_PART_TRAIN), buffers)
      var outputs = buffers.map(\.numbers)
      if let ending = try input.scoreEnding(training) { outputs[0] = probabilities(outputs[0], program.outputs[0], ending) }
      let table = PredictionTable(
        program: program, encoder: encoder, threshold: input.recipe.pointer.pointee.threshold, outputs: outputs)
      let text = table.text(data)
      if let output = invocation.value("output"), output != "-" {
        try writeFile(output, text)
        console.writeError("wrote \(output) (\(NumberText.grouped(data.rowCount)) rows)\n")
      } else {
        console.write(text)
      }
      return 0
    })
}

/// The rows to predict: image files for a model of images, else the file of --data or the recipe's own.
private func newRows(
  _ input: ModelInput, _ session: Session, _ encoder: Encoder?, _ operands: [String], _ invocation: Invocation
) throws -> Dataset {
  let path = invocation.value("data")
  let files = operands + (path.map { isImageFile($0) || isFolder($0) ? [$0] : [] } ?? [])
  if let encoder, encoder.isOfImages, !files.isEmpty {
    return try Dataset(files: files, model: session.descriptor, encoder: encoder, skipBad: invocation.has("skip-bad"))
  }
  if let file = operands.first {
    throw usage("\(file): the weights are not those of a model of images; rows are given by --data")
  }
  if invocation.has("skip-bad") { try input.recipe.set("skip_bad", "yes") }
  return try Dataset(
    input.recipe, model: session.descriptor, path: path, encoder: encoder, withoutTargets: true, withoutSplit: true)
}

/// Scores of rows as probabilities.
private func probabilities(_ scores: [Double], _ port: Port, _ ending: OutputEnding) -> [Double] {
  guard case .softmax = ending else { return scores.map { 1 / (1 + exp(-$0)) } }
  let width = max(1, port.dims.last ?? 1)
  return stride(from: 0, to: scores.count, by: width).flatMap { begin -> [Double] in
    let row = scores[begin..<min(begin + width, scores.count)]
    let powers = row.map { exp($0 - (row.max() ?? 0)) }
    let sum = powers.reduce(0, +)
    return powers.map { $0 / sum }
  }
}

/// Whether a path ends as an image file does.
private func isImageFile(_ path: String) -> Bool { gradc_is_image_file(path) }

private func isFolder(_ path: String) -> Bool {
  var status = stat()
  return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
}

/// Predictions as lines of a CSV file.
private struct PredictionTable {
  let program: Program
  let encoder: Encoder?
  let threshold: Double
  /// Of each output, all rows.
  let outputs: [[Double]]
  private let firstTargets: [Int?]

  init(program: Program, encoder: Encoder?, threshold: Double, outputs: [[Double]]) {
    self.program = program
    self.encoder = encoder
    self.threshold = threshold
    self.outputs = outputs
    firstTargets = Self.firstTargets(program, encoder)
  }

  func text(_ data: Dataset) -> String {
    let hasFiles = data.pointer.pointee.images != nil && data.pointer.pointee.ids.count > 0
    let idName = data.pointer.pointee.id_name.map { String(cString: $0) } ?? (hasFiles ? "file" : nil)
    var text = ([idName ?? "row"] + header).map(\.csvCell).joined(separator: ",") + "\n"
    for row in 0..<data.rowCount {
      let id = data.id(row) ?? "\(Int(data.pointer.pointee.source_rows?[row] ?? UInt32(row)) + 1)"
      text += id.csvCell + "," + cells(row).joined(separator: ",") + "\n"
    }
    return text
  }

  /// The encoder's first target of each output; nil where outputs and target columns do not go together one by one.
  private static func firstTargets(_ program: Program, _ encoder: Encoder?) -> [Int?] {
    let widths = program.outputs.enumerated().map { $0.offset == 0 && program.task != .regression ? 1 : $0.element.rowCount }
    // Of windows: each target of the lines ahead, one line after the other.
    if let encoder, program.outputs.count == 1, program.task == .regression, linesAhead(program, encoder) > 1 { return [0] }
    guard let encoder, encoder.targetNames.count == widths.reduce(0, +) else { return program.outputs.map { _ in nil } }
    return widths.indices.map { widths[..<$0].reduce(0, +) }
  }

  /// How many times an output holds all targets; 0 when it does not.
  private static func linesAhead(_ program: Program, _ encoder: Encoder) -> Int {
    let targets = encoder.targetNames.count
    return targets > 0 && program.outputs[0].rowCount % targets == 0 ? program.outputs[0].rowCount / targets : 0
  }

  private func label(_ index: Int) -> String { encoder?.label(index) ?? "\(index)" }

  private var header: [String] {
    var names: [String] = []
    for (index, port) in program.outputs.enumerated() {
      if index == 0, program.task == .binary {
        names += ["class", "probability"]
      } else if index == 0, program.task == .classes {
        names += ["class", "probability"] + (0..<port.rowCount).map { "probability_\(label($0))" }
      } else if let first = firstTargets[index], let targets = encoder?.targetNames {
        let repeats = first + port.rowCount > targets.count
        names += (0..<port.rowCount).map { index in
          "\(targets[(first + index) % targets.count])_predicted" + (repeats ? "_\(index / targets.count + 1)" : "")
        }
      } else {
        names += port.rowCount == 1 ? [port.name] : (0..<port.rowCount).map { "\(port.name)_\($0)" }
      }
    }
    return names
  }

  private func cells(_ row: Int) -> [String] {
    var cells: [String] = []
    for (index, port) in program.outputs.enumerated() {
      let values = Array(outputs[index][row * port.rowCount..<(row + 1) * port.rowCount])
      if index == 0, program.task == .binary {
        cells += [label(values[0] >= threshold ? 1 : 0).csvCell, number(values[0], port)]
      } else if index == 0, program.task == .classes {
        // On a tie the first class, as in the metrics.
        let best = values.indices.reduce(0) { values[$1] > values[$0] ? $1 : $0 }
        cells += [label(best).csvCell, number(values[best], port)] + values.map { number($0, port) }
      } else if let first = firstTargets[index], let encoder {
        cells += values.enumerated().map {
          number(gradc_encoder_decode(encoder.pointer, (first + $0.offset) % encoder.targetNames.count, $0.element), port)
        }
      } else {
        cells += values.map { number($0, port) }
      }
    }
    return cells
  }

  /// The shortest text that reads back to the same number of the output's type.
  private func number(_ value: Double, _ port: Port) -> String {
    if value.isNaN { return "nan" }
    if value.isInfinite { return value < 0 ? "-inf" : "inf" }
    if !port.element.isFloat { return "\(Int(value))" }
    let text = port.element == .f32 && Double(Float(value)) == value ? "\(Float(value))" : "\(value)"
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
  }
}

extension String {
  /// Quoted where the cell would be read as something else (RFC 4180).
  var csvCell: String {
    guard contains(where: { $0 == "," || $0 == "\"" || $0 == "\n" || $0 == "\r" || $0 == "\r\n" }) || hasPrefix(" ") || hasSuffix(" ")
    else {
      return self
    }
    return "\"" + split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
  }
}

extension Compilation {
  /// The program without what only training needs; kernels of other entries go.
  var inference: Compilation {
    var copy = self
    copy.program = program.keeping(entries: ["run"])
    return copy
  }
}
