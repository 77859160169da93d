import Basics

/// What the `data` block says that the compiler needs; everything goes into the recipe's lines for the runtime.
struct DataSection {
  var hasSource = false
  var image = ImageSection()
  /// Columns to predict, in order; empty for an autoencoder.
  var targets: [String] = []
  /// Columns by what they are used for, to refuse a column that is used twice.
  private var uses: [String: (directive: String, place: Expression)] = [:]
  private var targetPlace: Expression?
  private(set) var stratified: Expression?
  private var inputNames: [String]
  /// The lines `text`, `tokens` and `window`, and the column of tokens.
  var text: Name?
  var tokens: Name?
  var tokenColumn: Name?
  var window: Name?
  /// Whether rows are windows, in which a target column is an input too: of lines before.
  private let hasWindows: Bool

  init(inputNames: [String], block: BlockForm?) {
    self.inputNames = inputNames
    hasWindows = block?.directives.contains { $0.name.text == "window" } ?? false
  }

  typealias Handler = RecipeReader.Handler<DataSection>

  static let handlers = tableHandlers.merging(imageHandlers) { table, _ in table }.merging(textHandlers) { table, _ in table }

  private static let tableHandlers: [String: Handler] = [
    "csv": Handler { section, directive, reader in
      try section.source()
      reader.write("csv", reader.resolve(try reader.string(try reader.only(directive, "a path"), "a path")))
    },
    "npy": Handler { section, directive, reader in try section.readArrays(directive, &reader) },
    "separator": Handler { _, directive, reader in try readSeparator(directive, &reader) },
    "header": Handler { _, directive, reader in reader.write("header", try reader.truth(directive) ? "yes" : "no") },
    "target": Handler { section, directive, reader in
      for column in try reader.columns(directive.items, directive) {
        try section.use(column, directive)
        section.targets.append(column.text)
      }
      reader.write("target", section.targets)
    },
    "target_encoding": Handler { _, directive, reader in
      let kinds = ["auto", "numeric", "classes"]
      reader.write("target_encoding", try reader.word(try reader.only(directive, kinds.alternatives), "the encoding", among: kinds))
    },
    "standardize_target": Handler { _, directive, reader in
      if let item = directive.items.first {
        throw Diagnostic("'standardize_target' stands alone", at: item.place.location, length: item.place.length)
      }
      reader.write("standardize_target")
    },
    "id": Handler { section, directive, reader in
      _ = try reader.only(directive, "one column")
      let column = try reader.columns(directive.items, directive)[0]
      try section.use(column, directive)
      reader.write("id", column.text)
    },
    "ignore": Handler(repeats: true) { section, directive, reader in try section.readColumns(directive, &reader) },
    "numeric": Handler(repeats: true) { section, directive, reader in try section.readColumns(directive, &reader) },
    "standardize": Handler(repeats: true) { section, directive, reader in
      if try !section.readChannels(directive, &reader) { try section.readColumns(directive, &reader) }
    },
    "min_max": Handler(repeats: true) { section, directive, reader in try section.readColumns(directive, &reader) },
    "one_hot": Handler(repeats: true) { section, directive, reader in try section.readCategories(directive, &reader) },
    "input": Handler(repeats: true) { section, directive, reader in try section.readInput(directive, &reader) },
    "missing": Handler(repeats: true) { _, directive, reader in try readMissing(directive, &reader) },
    "missing_marker": Handler(repeats: true) { _, directive, reader in
      guard !directive.items.isEmpty else { throw Diagnostic("'missing_marker' needs texts: `missing_marker \"?\", \"NA\"`") }
      reader.write("missing_marker", try directive.items.map { try reader.string(try reader.plain($0, directive), "a marker") })
    },
    "split": Handler { section, directive, reader in try section.readSplit(directive, &reader) },
  ]

  mutating func source() throws {
    if hasSource { throw Diagnostic("the data have one source: `csv`, `npy`, `text`, `idx`, `cifar10`, `npz` or `images`") }
    hasSource = true
  }

  private mutating func readArrays(_ directive: Directive, _ reader: inout RecipeReader) throws {
    if directive.items.contains(where: { $0.word?.text == "labels" }) { return try readImages(directive, &reader) }
    try source()
    guard 1...2 ~= directive.items.count else { throw Diagnostic("'npy' needs a path, or two: `npy \"features.npy\", \"targets.npy\"`") }
    let paths = try directive.items.map { reader.resolve(try reader.string(try reader.plain($0, directive), "a path")) }
    reader.write("npy", paths)
  }

  private static func readSeparator(_ directive: Directive, _ reader: inout RecipeReader) throws {
    let expression = try reader.only(directive, "one character")
    let text = try reader.string(expression, "the separator")
    guard text.utf8.count == 1, text != "\"", text != "\n", text != "\r" else {
      throw Diagnostic(
        "a separator is one ASCII character and no quote; found \(text.quotedForLexer)", at: expression.location, length: expression.length)
    }
    reader.write("separator", text)
  }

  /// Notes a column's use; a second use is an error.
  mutating func use(_ column: (text: String, expression: Expression), _ directive: Directive) throws {
    guard let first = uses.updateValue((directive.name.text, column.expression), forKey: column.text) else { return }
    if hasWindows, (first.directive == "target") != (directive.name.text == "target") { return }
    let place = column.expression
    throw Diagnostic(
      "column \(column.text.quotedForLexer) is used already, by '\(first.directive)'", at: place.location, length: place.length,
      notes: [Diagnostic("here", severity: .note, at: first.place.location, length: first.place.length)])
  }

  private mutating func readColumns(_ directive: Directive, _ reader: inout RecipeReader) throws {
    let columns = try reader.columns(directive.items, directive)
    for column in columns { try use(column, directive) }
    reader.write(directive.name.text, columns.map(\.text))
  }

  /// `one_hot "Geography", "Gender", drop_first, unknown: zeros`.
  private mutating func readCategories(_ directive: Directive, _ reader: inout RecipeReader) throws {
    var options: [String] = []
    var columns: [DirectiveItem] = []
    for item in directive.items {
      if item.label != nil {
        _ = try reader.label(item, "one_hot", among: ["unknown"])
        options.append("unknown=" + (try reader.word(item.value, "'unknown'", among: ["zeros", "error"])))
      } else if item.word == nil, item.value.bareName != nil, case .word = try reader.value(item.value) {
        options.append(try reader.word(item.value, "an option of 'one_hot' (columns stand in quotes)", among: ["drop_first"]))
      } else {
        columns.append(item)
      }
    }
    let named = try reader.columns(columns, directive)
    for column in named { try use(column, directive) }
    reader.write("one_hot", options + named.map(\.text))
  }

  /// `input left "a", "b"`: which columns feed which input of the model.
  private mutating func readInput(_ directive: Directive, _ reader: inout RecipeReader) throws {
    guard var first = directive.items.first, let name = first.word else {
      throw Diagnostic("'input' needs the name of one of the model's inputs and its columns: `input left \"a\", \"b\"`")
    }
    guard inputNames.contains(name.text) else {
      throw Diagnostic(
        "the model has no input '\(name.text)'; it has \(inputNames.joined(separator: ", "))", at: name.location, length: name.length,
        fixIt: nearestName(to: name.text, among: inputNames))
    }
    first.word = nil
    let columns = try reader.columns([first] + directive.items.dropFirst(), directive)
    reader.write("input", [name.text] + columns.map(\.text))
  }

  /// `missing mean`, `missing median "age", "chol"`, `missing constant 0, "ca"`.
  private static func readMissing(_ directive: Directive, _ reader: inout RecipeReader) throws {
    let kinds = ["mean", "median", "zero", "most_frequent", "refuse", "drop", "constant"]
    guard let first = directive.items.first else { throw Diagnostic("'missing' needs \(kinds.alternatives)") }
    guard first.label == nil else { _ = try reader.plain(first, directive); return }
    guard let word = first.word else {
      let kind = try reader.word(first.value, "'missing'", among: kinds.dropLast())
      reader.write(
        "missing", [kind] + (try directive.items.count > 1 ? reader.columns(directive.items.dropFirst(), directive).map(\.text) : []))
      return
    }
    let kind = try reader.word(Expression(.name(word.text), at: word.location, length: word.length), "'missing'", among: kinds + ["value"])
    guard kind == "constant" || kind == "value" else {
      let items = [DirectiveItem(word: nil, label: nil, value: first.value)] + directive.items.dropFirst()
      reader.write("missing", [kind] + (try reader.columns(items, directive).map(\.text)))
      return
    }
    let fill: String
    switch try reader.value(first.value) {
    case .string(let text): fill = text
    case let value:
      guard let number = value.asNumber else {
        throw Diagnostic(
          "a constant is a number or a string in quotes; found \(value.kindName)", at: first.value.location, length: first.value.length)
      }
      fill = number.recipeText
    }
    let rest = directive.items.dropFirst()
    reader.write("missing", ["constant", fill] + (rest.isEmpty ? [] : try reader.columns(rest, directive).map(\.text)))
  }

  /// `split train 0.7, validation 0.15, test 0.15, stratified, seed 42`. A share of the training rows that is not given is what is left.
  private mutating func readSplit(_ directive: Directive, _ reader: inout RecipeReader) throws {
    var shares: [String: Double] = [:]
    var words: [String] = []
    let parts = ["train", "validation", "test"]
    for item in directive.items {
      if item.word == nil, item.label == nil {
        let word = try reader.word(item.value, "an item of 'split'", among: ["stratified"])
        stratified = item.value
        words.append(word)
        continue
      }
      let label = try reader.label(item, "split", among: parts + ["seed", "stratified"])
      guard shares[label] == nil else { throw Diagnostic("'\(label)' is given twice", at: item.place.location, length: item.place.length) }
      if label == "seed" {
        words += ["seed", "\(try reader.integer(item.value, "a seed", from: 0))"]
      } else if label == "stratified" {
        throw Diagnostic("'stratified' stands alone", at: item.place.location, length: item.place.length)
      } else {
        shares[label] = try reader.number(item.value, "a share", 0...1)
      }
    }
    let others = (shares["validation"] ?? 0) + (shares["test"] ?? 0)
    // Shares such as 0.7 + 0.15 + 0.15 add up to 1 only nearly.
    let train = shares["train"] ?? ((1 - others) * 1e9).rounded() / 1e9
    guard abs(train + others - 1) < 1e-6, train > 0 else {
      throw Diagnostic(
        "the shares of 'split' add up to \(((train + others) * 1e6).rounded() / 1e6) and must add up to 1, with rows left to train on")
    }
    let given = [("train", train), ("validation", shares["validation"] ?? 0), ("test", shares["test"] ?? 0)].filter { $0.1 > 0 }
    reader.write("split", given.flatMap { [$0.0, $0.1.recipeText] } + words)
  }

  /// What can be said only when the whole block is read.
  func finish(_ block: BlockForm, _ reader: inout RecipeReader) {
    if !hasSource {
      reader.report(
        Diagnostic("the `data` block names no file; add `csv \"table.csv\"` (the command's --data then overrides it)"), at: block.name)
    }
    finishImages(block, &reader)
    finishText(block, &reader)
    let isArrays = text != nil || reader.lines.contains { $0.hasPrefix("npy\t") } || image.source != nil
    if let stratified, targets.isEmpty, !isArrays {
      reader.report(
        Diagnostic(
          "'stratified' needs a `target` whose classes it keeps in proportion", at: stratified.location, length: stratified.length),
        at: block.name)
    }
  }
}
