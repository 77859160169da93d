import Basics
import GraphIR
import Layers

/// What the directives of both blocks share: their items' values, the lines written so far, and the errors found.
struct RecipeReader {
  /// For constants and arithmetic in directives; its builder is never asked for anything.
  private var evaluator: Evaluator
  /// Folder of the model file, to which relative paths refer; empty for the working directory.
  let folder: String
  private(set) var lines: [String] = []
  private(set) var diagnostics: [Diagnostic] = []
  private var seen: [String: Name] = [:]

  init(tree: SyntaxTree, folder: String) {
    evaluator = Evaluator(tree: tree, builder: ModelBuilder(name: "", mode: .inference, element: .f32, symbols: []))
    // Errors in constants are reported where the model is built.
    evaluator.evaluateConstants()
    self.folder = folder
  }

  /// A directive of a block by name.
  struct Handler<Section> {
    /// Whether it may stand several times.
    var repeats = false
    var read: (inout Section, Directive, inout RecipeReader) throws -> Void
  }

  /// Reads all directives of a block.
  mutating func read<Section>(
    _ block: BlockForm, into section: inout Section, _ handlers: [String: Handler<Section>], others: [String: String]
  ) {
    seen = [:]
    for directive in block.directives {
      do {
        let name = directive.name
        guard let handler = handlers[name.text] else { throw unknown(name, block: block.name.text, handlers.keys.sorted(), others) }
        if !handler.repeats, let first = seen.updateValue(name, forKey: name.text) {
          throw Diagnostic(
            "'\(name.text)' stands twice", at: name.location, length: name.length,
            notes: [Diagnostic("the first one is here", severity: .note, at: first.location, length: first.length)])
        }
        try handler.read(&section, directive, &self)
      } catch {
        report(error, at: directive.name)
      }
    }
  }

  private func unknown(_ name: Name, block: String, _ known: [String], _ others: [String: String]) -> Diagnostic {
    if let other = others[name.text] {
      return Diagnostic("'\(name.text)' belongs in the `\(other)` block", at: name.location, length: name.length)
    }
    let nearest = nearestName(to: name.text, among: known)
    return Diagnostic(
      "unknown word '\(name.text)' in the `\(block)` block"
        + (nearest.map { "; did you mean '\($0)'?" } ?? "; there are \(known.joined(separator: ", "))"), at: name.location,
      length: name.length, fixIt: nearest)
  }

  mutating func report(_ error: any Error, at name: Name) {
    guard var diagnostic = error as? Diagnostic else { return }
    if diagnostic.location == nil {
      diagnostic.location = name.location
      diagnostic.length = name.length
    }
    diagnostics.append(diagnostic)
  }

  /// Writes a line of the recipe.
  mutating func write(_ words: String...) { lines.append(words.map(\.recipeWord).joined(separator: "\t")) }

  /// Writes a line of the recipe.
  mutating func write(_ directive: String, _ words: [String]) {
    lines.append(([directive] + words).map(\.recipeWord).joined(separator: "\t"))
  }

  /// The path as the runtime needs it: relative ones from the model file's folder.
  func resolve(_ path: String) -> String {
    path.hasPrefix("/") || folder.isEmpty ? path : folder.hasSuffix("/") ? folder + path : "\(folder)/\(path)"
  }

  // MARK: values

  /// The value of an expression; a bare name that is no constant is a word.
  mutating func value(_ expression: Expression) throws -> ModelValue {
    if let name = expression.bareName, evaluator.constants[name.text] == nil, name.text != "true", name.text != "false" {
      return .word(name.text)
    }
    return try evaluator.evaluate(expression, evaluator.constants)
  }

  /// A number in a range.
  mutating func number(_ expression: Expression, _ what: String, _ range: ClosedRange<Double>) throws -> Double {
    let value = try value(expression)
    guard let number = value.asNumber, range.contains(number) else {
      throw Diagnostic("\(what) is \(range.words); found \(value.kindName)", at: expression.location, length: expression.length)
    }
    return number
  }

  /// A whole number from `least` on.
  mutating func integer(_ expression: Expression, _ what: String, from least: Int) throws -> Int {
    let value = try value(expression)
    guard case .integer(let number) = value, number >= least else {
      throw Diagnostic(
        "\(what) is a whole number from \(least) on; found \(value.kindName)", at: expression.location, length: expression.length)
    }
    return number
  }

  /// A string in quotes. A bare name gets the quotes as fix-it.
  mutating func string(_ expression: Expression, _ what: String) throws -> String {
    let value = try value(expression)
    if case .string(let text) = value {
      guard !text.isEmpty else { throw Diagnostic("\(what) is empty", at: expression.location, length: expression.length) }
      return text
    }
    var fixIt: String?
    if case .word(let word) = value { fixIt = "\"\(word)\"" }
    throw Diagnostic(
      "\(what) stands in quotes; found \(value.kindName)", at: expression.location, length: expression.length, fixIt: fixIt)
  }

  /// One of some words.
  mutating func word(_ expression: Expression, _ what: String, among words: [String]) throws -> String {
    let value = try value(expression)
    let found: String
    switch value {
    case .word(let word): found = word
    case .bool(let bool): found = "\(bool)"
    default:
      throw Diagnostic("\(what) is \(words.alternatives); found \(value.kindName)", at: expression.location, length: expression.length)
    }
    guard words.contains(found) else {
      throw Diagnostic(
        "\(what) is \(words.alternatives); found `\(found)`", at: expression.location, length: expression.length,
        fixIt: nearestName(to: found, among: words))
    }
    return found
  }

  // MARK: items

  /// The directive's only item, an expression.
  func only(_ directive: Directive, _ what: String) throws -> Expression {
    guard let item = directive.items.first else { throw Diagnostic("'\(directive.name.text)' needs \(what)") }
    let expression = try plain(item, directive)
    guard directive.items.count == 1 else {
      let next = directive.items[1]
      throw Diagnostic("'\(directive.name.text)' takes only \(what)", at: next.place.location, length: next.place.length)
    }
    return expression
  }

  /// An item without word and label.
  func plain(_ item: DirectiveItem, _ directive: Directive) throws -> Expression {
    guard item.word == nil, item.label == nil else {
      throw Diagnostic(
        "'\(directive.name.text)' has no setting '\(item.place.text)'", at: item.place.location, length: item.place.length)
    }
    return item.value
  }

  /// Column names in quotes, at least one.
  mutating func columns(_ items: some Collection<DirectiveItem>, _ directive: Directive) throws -> [(text: String, expression: Expression)]
  {
    guard !items.isEmpty else {
      throw Diagnostic("'\(directive.name.text)' needs columns: `\(directive.name.text) \"age\", \"weight\"`")
    }
    var columns: [(text: String, expression: Expression)] = []
    for item in items {
      let expression = try plain(item, directive)
      columns.append((try string(expression, "a column's name"), expression))
    }
    return columns
  }

  /// `true`, `false`, `yes` or `no`.
  mutating func truth(_ directive: Directive) throws -> Bool {
    let word = try word(only(directive, "yes or no"), "'\(directive.name.text)'", among: ["yes", "no", "true", "false"])
    return word == "yes" || word == "true"
  }

  /// A setting's label, which must be one of `known`.
  func label(_ item: DirectiveItem, _ directive: String, among known: [String]) throws -> String {
    guard let name = item.label?.bareName ?? item.word else {
      throw Diagnostic(
        "settings of '\(directive)' are named: `\(known[0]): …`", at: item.place.location, length: item.place.length)
    }
    guard known.contains(name.text) else {
      throw Diagnostic(
        "'\(directive)' has no setting '\(name.text)'; it has \(known.joined(separator: ", "))", at: name.location, length: name.length,
        fixIt: nearestName(to: name.text, among: known))
    }
    return name.text
  }
}

extension DirectiveItem {
  /// What an error about the item as a whole marks.
  var place: Name {
    if let word { return word }
    let expression = label ?? value
    switch expression.kind {
    case .name(let text): return Name(text, expression.location)
    case .string(let text): return Name(text.quotedForLexer, expression.location)
    case .integer(let number): return Name("\(number)", expression.location)
    default: return Name(String(repeating: "…", count: max(1, expression.length)), expression.location)
    }
  }
}

extension String {
  /// As a word of the recipe's line form: tabs, line ends and backslashes escaped.
  var recipeWord: String {
    var text = ""
    for scalar in unicodeScalars {
      switch scalar {
      case "\t": text += "\\t"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\\": text += "\\\\"
      default: text.unicodeScalars.append(scalar)
      }
    }
    return text
  }
}

extension Double {
  /// The shortest text that reads back to the same number; whole numbers without a point.
  var recipeText: String {
    if let whole = Int(exactly: self), abs(whole) < 1 << 53 { return "\(whole)" }
    return "\(self)"
  }
}

extension [String] {
  /// `a, b or c`.
  var alternatives: String {
    count < 2 ? joined() : dropLast().joined(separator: ", ") + " or " + last!
  }
}

extension ClosedRange<Double> {
  /// For messages.
  fileprivate var words: String {
    if upperBound >= .greatestFiniteMagnitude {
      return lowerBound == 0 ? "a number that is not negative" : lowerBound > 0 ? "a number above 0" : "a number"
    }
    return "a number from \(lowerBound.recipeText) to \(upperBound.recipeText)"
  }
}
