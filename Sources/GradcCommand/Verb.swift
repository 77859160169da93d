/// A flag of a verb.
struct Flag {
  /// Without dashes: `batch-size`.
  var name: String
  /// One letter: `o` for `-o`.
  var short: Character?
  /// What follows, as help shows it (`N`, `FILE`); nil for a switch.
  var value: String?
  var meaning: String
  /// Whether it may be given several times.
  var repeats: Bool

  init(_ name: String, _ value: String? = nil, _ meaning: String, short: Character? = nil, repeats: Bool = false) {
    self.name = name
    self.value = value
    self.meaning = meaning
    self.short = short
    self.repeats = repeats
  }
}

/// A command line that help shows, with what it does.
struct Example {
  var command: String
  var meaning: String

  init(_ command: String, _ meaning: String) {
    self.command = command
    self.meaning = meaning
  }
}

/// One word after `gradc`: what it takes, what it does, how it is explained.
struct Verb {
  var name: String
  /// One line for the list of verbs.
  var summary: String
  /// What stands after the verb, as help shows it: `MODEL`.
  var operands: String
  var operandCount: ClosedRange<Int>
  /// A paragraph or two for `--help`.
  var about: String
  var flags: [Flag]
  var examples: [Example]
  /// Does the work and gives the exit code.
  var run: (Invocation, Console) throws -> Int32

  init(
    _ name: String, _ summary: String, operands: String, count: ClosedRange<Int>, about: String, flags: [Flag], examples: [Example],
    run: @escaping (Invocation, Console) throws -> Int32
  ) {
    self.name = name
    self.summary = summary
    self.operands = operands
    operandCount = count
    self.about = about
    self.flags = flags
    self.examples = examples
    self.run = run
  }

  /// The text of `gradc VERB --help`.
  func help(_ console: Console) -> String {
    var text = "\(console.bold("gradc \(name)")): \(summary)\n\n"
    text += "  gradc \(name)\(operands.isEmpty ? "" : " \(operands)")\(flags.isEmpty ? "" : " [flags]")\n\n"
    text += wrapped(about, columns: min(console.columns, 100)) + "\n"
    if !examples.isEmpty {
      text += "\n\(console.bold("Examples"))\n"
      for example in examples { text += "  \(example.command)\n      \(example.meaning)\n" }
    }
    text += "\n\(console.bold("Flags"))\n" + flagTable(flags + [Flag("help", nil, "show this page")], columns: min(console.columns, 120))
    return text
  }
}

/// A table of flags: names at the left, meanings at the right, wrapped.
private func flagTable(_ flags: [Flag], columns: Int) -> String {
  let names = flags.map { flag in
    "  " + (flag.short.map { "-\($0), " } ?? "") + "--\(flag.name)" + (flag.value.map { " \($0)" } ?? "")
  }
  let margin = min(34, (names.map(\.count).max() ?? 0) + 2)
  var text = ""
  for (name, flag) in zip(names, flags) {
    let meaning = flag.meaning + (flag.repeats ? " (may be repeated)" : "")
    let lines = wrapped(meaning, columns: max(30, columns - margin)).split(separator: "\n")
    var first = name
    if name.count + 2 > margin {
      text += name + "\n"
      first = ""
    }
    for (index, line) in lines.enumerated() {
      let head = index == 0 ? first : ""
      text += head + String(repeating: " ", count: margin - head.count) + line + "\n"
    }
  }
  return text
}

/// Text broken into lines of at most `columns` characters at blanks; empty lines separate paragraphs, indented lines stay.
func wrapped(_ text: String, columns: Int) -> String {
  var lines: [String] = []
  var current = ""
  func flushed() -> [String] { current.isEmpty ? [] : [current] }
  for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
    if line.isEmpty || line.hasPrefix(" ") {
      lines += flushed() + [String(line)]
      current = ""
      continue
    }
    for word in line.split(separator: " ") {
      if !current.isEmpty, current.count + 1 + word.count > columns {
        lines.append(current)
        current = ""
      }
      current += (current.isEmpty ? "" : " ") + word
    }
  }
  return (lines + flushed()).joined(separator: "\n")
}
