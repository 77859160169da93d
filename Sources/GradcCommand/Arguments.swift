import Basics

/// What stood after a verb, checked against its flags.
struct Invocation {
  var operands: [String] = []
  /// In the order in which they were given; value nil for a switch.
  var flags: [(name: String, value: String?)] = []

  /// Whether the flag was given.
  func has(_ name: String) -> Bool { flags.contains { $0.name == name } }

  /// The flag's value.
  func value(_ name: String) -> String? { flags.last { $0.name == name }?.value }

  /// All values of a flag that may be repeated.
  func values(_ name: String) -> [String] { flags.compactMap { $0.name == name ? $0.value : nil } }

  /// The flag's value as a whole number in a range.
  func integer(_ name: String, in range: ClosedRange<Int>) throws -> Int? {
    guard let text = value(name) else { return nil }
    guard let number = Int(text), range.contains(number) else {
      let bounds = range.upperBound == .max ? "from \(range.lowerBound) on" : "from \(range.lowerBound) to \(range.upperBound)"
      throw usage("--\(name): found \"\(text)\", expected a whole number \(bounds)")
    }
    return number
  }

  /// The flag's value as a finite number above zero.
  func positive(_ name: String) throws -> Double? {
    guard let text = value(name) else { return nil }
    guard let number = Double(text), number.isFinite, number > 0 else {
      throw usage("--\(name): found \"\(text)\", expected a number above 0")
    }
    return number
  }

  /// The flag's value as one of some words.
  func word(_ name: String, among words: [String]) throws -> String? {
    guard let text = value(name) else { return nil }
    guard words.contains(text) else {
      let nearest = nearestName(to: text, among: words).map { "; did you mean \($0)?" } ?? ""
      throw usage("--\(name): found \"\(text)\", expected \(words.joined(separator: ", "))\(nearest)")
    }
    return text
  }

  /// The flag's value, which must be there.
  func required(_ name: String, _ what: String) throws -> String {
    guard let value = value(name) else { throw usage("--\(name) is missing: \(what)") }
    return value
  }
}

/// An error of the command line.
func usage(_ message: String) -> Diagnostic { Diagnostic(message, kind: .usage) }

extension Verb {
  /// Reads what stands after the verb. `--x v` and `--x=v` are the same, `-` and `_` in names too; `--` ends the flags; a lone `-` is an
  /// operand. Unknown flags, missing values, values that are not wanted and wrong numbers of operands are errors of usage.
  func parse(_ words: some Sequence<String>) throws -> Invocation {
    var invocation = Invocation()
    var words = Array(words)[...]
    var flagsEnded = false
    while let word = words.popFirst() {
      if flagsEnded || word == "-" || !word.hasPrefix("-") {
        invocation.operands.append(word)
      } else if word == "--" {
        flagsEnded = true
      } else {
        try parseFlag(word, &words, &invocation)
      }
    }
    if invocation.has("help") { return invocation }
    guard operandCount.contains(invocation.operands.count) else { throw operandError(invocation.operands) }
    return invocation
  }

  private func parseFlag(_ word: String, _ words: inout ArraySlice<String>, _ invocation: inout Invocation) throws {
    let isLong = word.hasPrefix("--")
    let body = word.drop { $0 == "-" }
    let equals = body.firstIndex(of: "=")
    let written = String(equals.map { body[..<$0] } ?? body)
    let attached = equals.map { String(body[body.index(after: $0)...]) }
    let flag = try flag(written, isLong: isLong)
    guard flag.repeats || !invocation.has(flag.name) else { throw usage("--\(flag.name) is given twice") }
    guard let wanted = flag.value else {
      if let attached { throw usage("--\(flag.name) takes no value, but \"\(attached)\" was given") }
      invocation.flags.append((flag.name, nil))
      return
    }
    var value = attached
    // A flag is no value, but a negative number and a lone dash are.
    if value == nil, let next = words.first, !next.hasPrefix("--"), !(next.hasPrefix("-") && next.count > 1 && Double(next) == nil) {
      value = words.popFirst()
    }
    guard let value, !value.isEmpty else { throw usage("--\(flag.name) needs a value: --\(flag.name) \(wanted)") }
    invocation.flags.append((flag.name, value))
  }

  private func flag(_ written: String, isLong: Bool) throws -> Flag {
    let all = flags + [Flag("help", nil, "")]
    if isLong {
      let name = written.split(separator: "_", omittingEmptySubsequences: false).joined(separator: "-")
      if let flag = all.first(where: { $0.name == name }) { return flag }
      if let nearest = nearestName(to: name, among: all.map(\.name)) {
        throw usage("unknown flag --\(written) for gradc \(self.name); did you mean --\(nearest)?")
      }
    } else {
      if let flag = all.first(where: { $0.short.map { String($0) } == written }) { return flag }
      if written == "h" { return all[all.count - 1] }
      if let flag = all.first(where: { $0.name == written }) { throw usage("unknown flag -\(written); did you mean --\(flag.name)?") }
    }
    let dashes = isLong ? "--" : "-"
    throw usage("unknown flag \(dashes)\(written) for gradc \(name); gradc \(name) --help lists them")
  }

  private func operandError(_ found: [String]) -> Diagnostic {
    if found.count < operandCount.lowerBound {
      return usage("gradc \(name) needs \(operands): gradc \(name) \(operands)")
    }
    let extra = found[operandCount.upperBound]
    return usage("gradc \(name) does not take \"\(extra)\": gradc \(name) \(operands)")
  }
}
