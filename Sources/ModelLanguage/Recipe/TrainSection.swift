import Basics
import GraphIR
import Layers
import Optimizers

/// What the `train` block says.
struct TrainSection {
  var plan = TrainingPlan()
  /// Names of the model's outputs and inputs.
  var outputs: [String]
  var inputs: [String]
  /// Target columns; nil without a data block or with arrays.
  var targets: [String]?
  /// Names of the model's tensors; nil when they are not known for sure.
  var tensors: [String]?

  typealias Handler = RecipeReader.Handler<TrainSection>

  static let metrics = [
    "accuracy", "precision", "recall", "f1", "auc", "mae", "mse", "rmse", "r2", "perplexity", "bits_per_character", "bits_per_byte",
  ]
  /// Keras's and scikit-learn's names.
  static let metricAliases = [
    "acc": "accuracy", "binary_accuracy": "accuracy", "categorical_accuracy": "accuracy", "sparse_categorical_accuracy": "accuracy",
    "f1_score": "f1", "roc_auc": "auc", "mean_absolute_error": "mae", "mean_squared_error": "mse", "root_mean_squared_error": "rmse",
    "r2_score": "r2", "bpc": "bits_per_character",
  ]
  static let schedules: [(name: String, settings: [String])] = [
    ("constant", []), ("step", ["every", "factor", "per"]), ("exponential", ["decay", "every", "per"]),
    ("cosine", ["total", "minimum", "per"]), ("plateau", ["factor", "patience", "min_delta", "cooldown", "min_rate"]),
  ]
  private static let positive = Double.leastNonzeroMagnitude...Double.greatestFiniteMagnitude
  private static let notNegative = 0...Double.greatestFiniteMagnitude

  static let handlers: [String: Handler] = [
    "loss": Handler(repeats: true) { section, directive, reader in try section.readLoss(directive, &reader) },
    "optimizer": Handler { section, directive, reader in try section.readOptimizer(directive, &reader) },
    "rate": Handler { section, directive, reader in
      let rate = try reader.number(try reader.only(directive, "a number"), "the rate", positive)
      if section.plan.rate != nil { throw Diagnostic("the rate is given twice, here and with the optimizer") }
      section.plan.rate = rate
      reader.write("rate", rate.recipeText)
    },
    "batch": Handler { section, directive, reader in
      let expression = try reader.only(directive, "a number of rows or `all`")
      if case .word = try reader.value(expression) {
        _ = try reader.word(expression, "the batch (a number of rows aside)", among: ["all"])
        section.plan.batch = nil
      } else {
        section.plan.batch = try reader.integer(expression, "the batch", from: 1)
      }
      reader.write("batch", section.plan.batch.map(String.init) ?? "all")
    },
    "accumulate": Handler { _, directive, reader in
      let batches = try reader.integer(try reader.only(directive, "a number of batches"), "the batches of an update", from: 1)
      reader.write("accumulate", "\(batches)")
    },
    "epochs": Handler { _, directive, reader in
      reader.write("epochs", "\(try reader.integer(try reader.only(directive, "a number"), "the number of epochs", from: 0))")
    },
    "steps": Handler { _, directive, reader in
      reader.write("steps", "\(try reader.integer(try reader.only(directive, "a number of updates"), "the updates of an epoch", from: 1))")
    },
    "evaluate": Handler { _, directive, reader in
      reader.write("evaluate", "\(try reader.integer(try reader.only(directive, "a number of rows"), "the rows of a part", from: 1))")
    },
    "order": Handler { _, directive, reader in
      let orders = ["shuffled", "contiguous"]
      reader.write("order", try reader.word(try reader.only(directive, orders.alternatives), "the order", among: orders))
    },
    "metrics": Handler { _, directive, reader in
      guard !directive.items.isEmpty else { throw Diagnostic("'metrics' needs names: \(metrics.joined(separator: ", "))") }
      reader.write("metrics", try directive.items.map { try readMetric(reader.plain($0, directive), &reader) })
    },
    "threshold": Handler { _, directive, reader in
      reader.write("threshold", try reader.number(try reader.only(directive, "a number"), "the threshold", 0...1).recipeText)
    },
    "early_stopping": Handler { _, directive, reader in try readEarlyStopping(directive, &reader) },
    "schedule": Handler { _, directive, reader in try readSchedule(directive, &reader) },
    "warmup": Handler { _, directive, reader in
      reader.write("warmup", "\(try reader.integer(try reader.only(directive, "a number of steps"), "the warm-up", from: 0))")
    },
    "class_weight": Handler { _, directive, reader in try readClassWeight(directive, &reader) },
    "sample_weight": Handler { _, directive, reader in
      reader.write("sample_weight", try reader.string(try reader.only(directive, "one column"), "a column's name"))
    },
    "clip_norm": Handler { section, directive, reader in
      try section.clip("norm", try reader.only(directive, "a number"), &reader)
    },
    "clip_value": Handler { section, directive, reader in
      try section.clip("value", try reader.only(directive, "a number"), &reader)
    },
    "clip": Handler { section, directive, reader in
      guard !directive.items.isEmpty else { throw Diagnostic("'clip' needs `norm` or `value` with a number: `clip norm 1`") }
      for item in directive.items {
        try section.clip(try reader.label(item, "clip", among: ["norm", "value"]), item.value, &reader)
      }
    },
    "freeze": Handler(repeats: true) { section, directive, reader in try section.readFreeze(directive, &reader) },
    "shuffle": Handler { _, directive, reader in reader.write("shuffle", try reader.truth(directive) ? "yes" : "no") },
    "seed": Handler { _, directive, reader in
      reader.write("seed", "\(try reader.integer(try reader.only(directive, "a number"), "a seed", from: 0))")
    },
    "checkpoint": Handler { _, directive, reader in try readCheckpoint(directive, &reader) },
    "log": Handler { _, directive, reader in try readLog(directive, &reader) },
    "precision": Handler { section, directive, reader in
      let word = try reader.word(try reader.only(directive, "f32 or f64"), "the precision", among: ["f32", "f64"])
      section.plan.precision = ElementType(rawValue: word)!
    },
  ]

  // MARK: optimizer

  /// `optimizer adam(rate: 0.001, beta1: 0.9)`.
  private mutating func readOptimizer(_ directive: Directive, _ reader: inout RecipeReader) throws {
    let expression = try reader.only(directive, "an optimizer: `optimizer adam(rate: 0.001)`")
    let call = try expression.asCall("an optimizer")
    let entry: OptimizerEntry
    do {
      entry = try OptimizerCatalog.entry(call.callee.text)
    } catch let error as Diagnostic {
      throw error.marking(call.callee)
    }
    let arguments = try call.arguments.map { argument in
      var argument = argument
      if ["learning_rate", "lr"].contains(argument.label?.text) { argument.label?.text = "rate" }
      return try reader.argument(argument)
    }
    let bound = try reader.bind(arguments, to: entry.parameters, of: entry.name, call)
    plan.optimizer = OptimizerCall(name: entry.name, arguments: bound.filter { $0.label != "rate" })
    do {
      let choice = try OptimizerChoice(entry.name, bound)
      if bound.contains(where: { $0.label == "rate" }) {
        if plan.rate != nil { throw Diagnostic("the rate is given twice, here and by 'rate'") }
        plan.rate = choice.rate
        reader.write("rate", choice.rate.recipeText)
      }
    } catch let error as Diagnostic {
      throw Diagnostic(error.message, at: call.callee.location, length: call.length)
    }
    reader.write("optimizer", [entry.name] + plan.optimizer.arguments.map { "\($0.label!)=\($0.value.recipeText)" })
  }

  private mutating func clip(_ kind: String, _ expression: Expression, _ reader: inout RecipeReader) throws {
    let limit = try reader.number(expression, "a limit of gradients", Self.positive)
    if kind == "norm" { plan.clipNorm = limit } else { plan.clipValue = limit }
    reader.write("clip_\(kind)", limit.recipeText)
  }

  /// `freeze "conv1", "block2"`: layers by path, or by its beginning: `"block*"`.
  private mutating func readFreeze(_ directive: Directive, _ reader: inout RecipeReader) throws {
    guard !directive.items.isEmpty else { throw Diagnostic("'freeze' needs layers: `freeze \"conv1\", \"block2\"`") }
    for item in directive.items {
      let expression = try reader.plain(item, directive)
      let layer = try reader.string(expression, "a layer's name")
      do {
        if let tensors { try LayerPatterns([layer]).requireMatches(among: tensors) }
      } catch let error as Diagnostic {
        throw Diagnostic(
          error.message, at: expression.location, length: expression.length, fixIt: error.fixIt.map { "\"\($0)\"" })
      }
      plan.freeze.append(layer)
    }
  }

  // MARK: metrics and callbacks

  private static func readMetric(_ expression: Expression, _ reader: inout RecipeReader) throws -> String {
    guard case .word(let word) = try reader.value(expression) else { return try reader.word(expression, "a metric", among: metrics) }
    let name = metricAliases[word] ?? word
    guard metrics.contains(name) else {
      let nearest = nearestName(to: word, among: metrics + metricAliases.keys.sorted())
      throw Diagnostic(
        "unknown metric '\(word)'" + (nearest.map { "; did you mean '\($0)'?" } ?? "; there are \(metrics.joined(separator: ", "))"),
        at: expression.location, length: expression.length, fixIt: nearest)
    }
    return name
  }

  private static func readEarlyStopping(_ directive: Directive, _ reader: inout RecipeReader) throws {
    let known = ["monitor", "mode", "patience", "min_delta"]
    let values = metrics + ["loss"]
    var words: [String] = []
    for item in directive.items {
      let label = try reader.label(item, "early_stopping", among: known)
      let text =
        switch label {
        case "monitor": try reader.word(item.value, "what is monitored", among: values.map { "val_" + $0 } + values)
        case "mode": try reader.word(item.value, "the mode", among: ["auto", "min", "max"])
        case "patience": "\(try reader.integer(item.value, "the patience", from: 0))"
        default: try reader.number(item.value, "min_delta", notNegative).recipeText
        }
      words.append("\(label)=\(text)")
    }
    reader.write("early_stopping", words)
  }

  private static func readSchedule(_ directive: Directive, _ reader: inout RecipeReader) throws {
    let call = try reader.only(directive, "a schedule: `schedule cosine(minimum: 0.0001)`").asCall("a schedule")
    guard let schedule = schedules.first(where: { $0.name == call.callee.text }) else {
      let nearest = nearestName(to: call.callee.text, among: schedules.map(\.name))
      throw Diagnostic(
        "unknown schedule '\(call.callee.text)'; there are \(schedules.map(\.name).joined(separator: ", "))", fixIt: nearest
      ).marking(call.callee)
    }
    var words = [schedule.name]
    for argument in call.arguments {
      let item = DirectiveItem(
        word: nil, label: argument.label.map { Expression(.name($0.text), at: $0.location, length: $0.length) }, value: argument.value)
      guard !schedule.settings.isEmpty else {
        throw Diagnostic("schedule '\(schedule.name)' has no settings", at: item.place.location, length: item.place.length)
      }
      let label = try reader.label(item, schedule.name, among: schedule.settings)
      let text =
        label == "per"
        ? try reader.word(item.value, "'per'", among: ["epoch", "step"])
        : try reader.number(item.value, "'\(label)'", notNegative).recipeText
      words.append("\(label)=\(text)")
    }
    reader.write("schedule", words)
  }

  /// `class_weight balanced`, `class_weight 0: 1, 1: 3.5`, `class_weight "no": 1, "yes": 3`.
  private static func readClassWeight(_ directive: Directive, _ reader: inout RecipeReader) throws {
    let help = "'class_weight' needs `balanced`, or weights by class: `class_weight 0: 1, 1: 3.5`"
    guard let first = directive.items.first else { throw Diagnostic(help) }
    if first.label == nil, first.word == nil {
      let expression = try reader.only(directive, "`balanced`, or weights by class: `0: 1, 1: 3.5`")
      reader.write("class_weight", try reader.word(expression, "'class_weight'", among: ["balanced"]))
      return
    }
    var words: [String] = []
    for item in directive.items {
      guard let label = item.label else { throw Diagnostic(help, at: item.place.location, length: item.place.length) }
      let name: String
      switch try reader.value(label) {
      case .string(let text), .word(let text): name = text
      case let value:
        guard let number = value.asNumber else { throw Diagnostic(help, at: label.location, length: label.length) }
        name = number.recipeText
      }
      words.append("\(name)=\(try reader.number(item.value, "a weight", notNegative).recipeText)")
    }
    reader.write("class_weight", words)
  }

  /// `checkpoint "model.checkpoint", every: 5`.
  private static func readCheckpoint(_ directive: Directive, _ reader: inout RecipeReader) throws {
    guard let first = directive.items.first else { throw Diagnostic("'checkpoint' needs a path: `checkpoint \"model.checkpoint\"`") }
    var words = [reader.resolve(try reader.string(try reader.plain(first, directive), "a path"))]
    for item in directive.items.dropFirst() {
      _ = try reader.label(item, "checkpoint", among: ["every"])
      words.append("every=\(try reader.integer(item.value, "'every'", from: 1))")
    }
    reader.write("checkpoint", words)
  }

  private static func readLog(_ directive: Directive, _ reader: inout RecipeReader) throws {
    let expression = try reader.only(directive, "a path")
    let path = try reader.string(expression, "a path")
    guard path.hasSuffix(".csv") || path.hasSuffix(".jsonl") else {
      throw Diagnostic("a log is a .csv or a .jsonl file; found \(path.quotedForLexer)", at: expression.location, length: expression.length)
    }
    reader.write("log", reader.resolve(path))
  }
}

extension Argument {
  /// As a value of the recipe's line form.
  var recipeText: String {
    switch self {
    case .number(let number): number.recipeText
    default: description
    }
  }
}

extension Diagnostic {
  /// The same with the place of a name.
  func marking(_ name: Name) -> Diagnostic {
    var copy = self
    copy.location = name.location
    copy.length = name.length
    return copy
  }
}

extension Expression {
  /// The call that the expression is; a bare name is one without arguments.
  func asCall(_ what: String) throws -> Call {
    switch kind {
    case .call(let call): return call
    case .name(let text): return Call(callee: Name(text, location), arguments: [], length: length)
    default: throw Diagnostic("expected \(what)", at: location, length: length)
    }
  }
}

extension RecipeReader {
  /// An argument of a loss or an optimizer.
  mutating func argument(_ argument: CallArgument) throws -> EvaluatedArgument {
    EvaluatedArgument(
      label: argument.label, value: try value(argument.value), location: argument.value.location, length: argument.value.length)
  }

  /// Arguments bound to the parameters of a catalog entry, all with labels; defaults are left out.
  func bind(
    _ arguments: [EvaluatedArgument], to parameters: [ArgumentDescription], of name: String, _ call: Call
  ) throws -> [LabelledArgument] {
    try checkArguments(arguments, against: parameters, of: name)
    let labels = Set(arguments.compactMap { $0.label?.text })
    var positional = parameters.filter { !labels.contains($0.name) }.makeIterator()
    let labelled = arguments.map { argument in
      LabelledArgument(argument.value.argument!, label: argument.label?.text ?? positional.next()!.name)
    }
    do {
      _ = try Arguments(labelled, to: parameters, of: name)
    } catch let error as Diagnostic {
      throw Diagnostic(error.message, at: call.callee.location, length: call.length)
    }
    return labelled
  }
}
