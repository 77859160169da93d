import Basics

/// The lines of the `data` block that are about text and windows.
extension DataSection {
  /// The handlers of these lines.
  static var textHandlers: [String: Handler] {
    [
      "text": Handler { section, directive, reader in
        try section.source()
        section.text = directive.name
        reader.write("text", reader.resolve(try reader.string(try reader.only(directive, "a path"), "a path")))
      },
      "tokens": Handler { section, directive, reader in try section.readTokens(directive, &reader) },
      "length": Handler { _, directive, reader in
        let length = try reader.count(try reader.only(directive, "a number of tokens"), "the length")
        reader.write("length", "\(length)")
      },
      "window": Handler { section, directive, reader in try section.readWindow(directive, &reader) },
    ]
  }

  private static let kinds = ["characters", "bytes", "words", "bpe"]

  /// `tokens characters`, `tokens bytes`, `tokens words(5000)`, `tokens bpe(512)`, `tokens bpe "tokenizer.json"`; of a table with the
  /// column: `tokens words(5000), "review"`.
  private mutating func readTokens(_ directive: Directive, _ reader: inout RecipeReader) throws {
    guard let first = directive.items.first else {
      throw Diagnostic("'tokens' needs \(Self.kinds.alternatives): `tokens characters`, `tokens words(5000), \"review\"`")
    }
    var words: [String]
    if let word = first.word {
      guard word.text == "bpe" else {
        throw Diagnostic(
          "only `bpe` has a file; a column stands after a comma: `tokens \(word.text), \"review\"`", at: word.location, length: word.length)
      }
      reader.write("tokenizer", reader.resolve(try reader.string(first.value, "the path of a tokenizer.json")))
      words = ["bpe"]
    } else {
      words = try kind(try reader.plain(first, directive), &reader)
    }
    for item in directive.items.dropFirst() {
      guard words.allSatisfy({ !$0.hasPrefix("column=") }) else {
        throw Diagnostic("'tokens' takes one column", at: item.place.location, length: item.place.length)
      }
      let column = try reader.columns([item], directive)[0]
      try use(column, directive)
      words.append("column=\(column.text)")
      tokenColumn = item.place
    }
    tokens = directive.name
    reader.write("tokens", words)
  }

  private func kind(_ expression: Expression, _ reader: inout RecipeReader) throws -> [String] {
    let call = try expression.asCall("a kind of tokens: \(Self.kinds.alternatives)")
    let name = call.callee.text
    guard Self.kinds.contains(name) else {
      throw Diagnostic(
        "tokens are \(Self.kinds.alternatives); found `\(name)`", at: call.callee.location, length: call.callee.length,
        fixIt: nearestName(to: name, among: Self.kinds))
    }
    guard name == "words" || name == "bpe" else {
      guard call.arguments.isEmpty else {
        throw Diagnostic("`\(name)` has no size", at: call.callee.location, length: call.length)
      }
      return [name]
    }
    guard call.arguments.count == 1, call.arguments[0].label == nil || call.arguments[0].label?.text == "size" else {
      throw Diagnostic(
        name == "words"
          ? "`words` needs the most words that are told apart: `words(5000)`"
          : "`bpe` needs the size of the vocabulary that it learns, or a file: `bpe(512)`, `bpe \"tokenizer.json\"`",
        at: call.callee.location, length: call.length)
    }
    let value = call.arguments[0].value
    let size = try reader.count(value, "the size of a vocabulary")
    guard name == "words" || size >= 256 else {
      throw Diagnostic(
        "a vocabulary of byte pairs has at least the 256 bytes; found \(size)", at: value.location, length: value.length)
    }
    return [name, "size=\(size)"]
  }

  /// `window 24, ahead 3, stride 2`.
  private mutating func readWindow(_ directive: Directive, _ reader: inout RecipeReader) throws {
    guard let first = directive.items.first else { throw Diagnostic("'window' needs a length: `window 24, ahead 1`") }
    window = directive.name
    var words = ["\(try reader.count(try reader.plain(first, directive), "the length of a window"))"]
    for item in directive.items.dropFirst() {
      let label = try reader.label(item, "window", among: ["ahead", "stride"])
      guard !words.contains(where: { $0.hasPrefix(label + "=") }) else {
        throw Diagnostic("'\(label)' is given twice", at: item.place.location, length: item.place.length)
      }
      words.append("\(label)=\(try reader.count(item.value, "'\(label)'"))")
    }
    reader.write("window", words)
  }

  /// Lines that do not go together, when the whole block is read.
  func finishText(_ block: BlockForm, _ reader: inout RecipeReader) {
    func find(_ name: String) -> Name? { block.directives.first { $0.name.text == name }?.name }
    func report(_ message: String, _ name: Name) {
      reader.report(Diagnostic(message, at: name.location, length: name.length), at: name)
    }
    if let text {
      if tokens == nil { report("a text needs `tokens`: characters, bytes, words(5000), bpe(512) or bpe \"tokenizer.json\"", text) }
      if let tokenColumn { report("a text has no columns", tokenColumn) }
      let known = Set(["text", "tokens", "window", "split"])
      for directive in block.directives where Self.handlers[directive.name.text] != nil && !known.contains(directive.name.text) {
        report("'\(directive.name.text)' is for other data than a text", directive.name)
      }
    } else if let tokens, tokenColumn == nil {
      report("'tokens' of a table needs its column: `tokens words(5000), \"review\"`", tokens)
    } else if let tokens, find("length") == nil {
      report("a column of tokens needs `length`, the tokens of a row that are read: `length 64`", tokens)
    }
    if let length = find("length"), tokenColumn == nil { report("'length' is of a column of tokens; a text has `window`", length) }
    if let window, text == nil, find("csv") == nil { report("windows are of a text or of the lines of a table", window) }
    if let window, tokenColumn != nil { report("windows and a column of tokens do not go together", window) }
    if let stratified, window != nil || text != nil {
      reader.report(
        Diagnostic(
          "windows are split in order, training first: 'stratified' does not go with them", at: stratified.location,
          length: stratified.length), at: block.name)
    }
  }
}

extension RecipeReader {
  /// A whole number from 1 to 2^24.
  mutating func count(_ expression: Expression, _ what: String) throws -> Int {
    let number = try integer(expression, what, from: 1)
    guard number <= 1 << 24 else {
      throw Diagnostic("\(what) is at most 16,777,216; found \(number)", at: expression.location, length: expression.length)
    }
    return number
  }
}
