import Basics
import CRuntime
import Gradc
import LoopIR

extension Verb {
  static let eval = Verb(
    "eval", "loss, metrics and confusion matrix of trained weights", operands: "MODEL", count: 1...1,
    about: """
      Without --data the rows are those of the recipe's own split: the test rows, or another part by --part. With --data all rows of that file \
      are taken, encoded as in training.
      """,
    flags: [
      CodeFlags.weights, Flag("data", "FILE", "rows with their targets (.csv or .npy; of images a file or folder as in the recipe)"),
      Flag("part", "train|validation|test|all", "which rows of the recipe's data (default: test, else validation, else all)"),
      Flag("metrics", "NAME[,NAME...]", "accuracy, precision, recall, f1, auc, mae, mse, rmse, r2"),
      Flag("threshold", "T", "probability from which a prediction counts as positive"), CodeFlags.skipBad,
      Flag("loss", "NAME[,KEY=VALUE...]", "the loss, where the recipe names none"), ModelFlags.recipe, ModelFlags.target, ModelFlags.dim,
    ] + CodeFlags.all,
    examples: [
      Example("gradc eval heart.gradc", "the rows that training did not see"),
      Example("gradc eval heart.gradc --data hospital2.csv --metrics accuracy,auc --threshold 0.3", "another table"),
    ],
    run: { invocation, console in
      var input = try ModelInput(invocation, learns: true)
      for flag in ["loss", "metrics", "threshold"] { if let value = invocation.value(flag) { try input.recipe.set(flag, value) } }
      guard input.recipe.hasData || invocation.has("data") else { throw usage("--data is missing: a file of rows") }
      if invocation.has("skip-bad") { try input.recipe.set("skip_bad", "yes") }
      let part = try invocation.word("part", among: ["train", "validation", "test", "all"])
      let weights = try input.trainedWeights(invocation)
      try input.adoptHead(invocation, console)
      let options = try invocation.codeOptions()
      let compilation = try input.compiled(
        input.specification(), element: invocation.element(input.file), maxBatch: input.inferenceBatch, blas: options.blas)
      let session = try Session(
        Compilation(model: compilation.model, program: compilation.program.keeping(entries: ["run", "evaluate"])), options)
      report(session.code.notices, console)
      let trainer = try Trainer(session, threads: invocation.threads())
      try input.loadWeights(trainer, session.compilation.program, invocation)
      let encoder = try weights.flatMap { try Encoder.read(weights: $0) }
      // A folder with the recipe's files of images is the recipe's data in another place.
      let isWhole = invocation.value("data").map { !gradc_images_in_folder(input.recipe.pointer, $0) } ?? false
      let data = try Dataset(
        input.recipe, model: session.descriptor, path: invocation.value("data"), encoder: encoder, withoutSplit: isWhole || part == "all")
      console.writeError(data.skippedText)
      let (name, rows) = try evaluatedRows(data, part, whole: isWhole)
      var evaluation = gradc_evaluation()
      defer { gradc_evaluation_free(&evaluation) }
      try callRuntime {
        gradc_evaluate(
          trainer.pointer, input.recipe.pointer, data.pointer, encoder?.pointer, rows.baseAddress, rows.count, &evaluation, $0)
      }
      var line = "\(name) (\(NumberText.grouped(rows.count)) rows)  loss \(NumberText.significant(evaluation.loss))"
      if let result = EvaluationResult(&evaluation, encoder: encoder) {
        for metric in result.metrics { line += "  \(metric.name) \(NumberText.significant(metric.value))" }
      }
      console.line(line)
      if evaluation.class_count > 0, let matrix = gradc_evaluation_matrix(&evaluation, encoder?.pointer) {
        console.write(String(cString: matrix))
        gradc_text_free(matrix)
      }
      return 0
    })
}

/// The rows that were asked for, and their name.
private func evaluatedRows(_ data: Dataset, _ part: String?, whole: Bool) throws -> (String, UnsafeBufferPointer<UInt32>) {
  let parts = [("train", GRADC_PART_TRAIN), ("validation", GRADC_PART_VALIDATION), ("test", GRADC_PART_TEST)]
  if whole || part == "all" { return ("all rows", data.part(GRADC_PART_TRAIN)) }
  if let part {
    let rows = data.part(parts.first { $0.0 == part }!.1)
    guard !rows.isEmpty else { throw Diagnostic("the recipe's split leaves no rows for the part \(part)") }
    return (part, rows)
  }
  for (name, part) in parts.reversed() where !data.part(part).isEmpty { return (name, data.part(part)) }
  throw Diagnostic("the data have no rows")
}
