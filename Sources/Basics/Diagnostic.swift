/// A position in a text that a user wrote: 1-based line and column (in characters).
public struct SourceLocation: Hashable, Sendable, CustomStringConvertible {
  public var file: String
  public var line: Int
  public var column: Int

  /// A location; line and column count from 1.
  public init(file: String, line: Int, column: Int) {
    self.file = file
    self.line = line
    self.column = column
  }

  public var description: String { "\(file):\(line):\(column)" }
}

/// What went wrong decides the exit code of the command.
public enum FailureKind: Int32, Sendable {
  /// The user's model or data.
  case input = 1
  /// The command line.
  case usage = 2
  /// An operator that gradc does not have.
  case unsupported = 3
  /// NaN, infinity, a gradient check that fails.
  case numerical = 4
  /// A bug in gradc.
  case bug = 70
  /// Stopped by the user.
  case interrupted = 130
}

/// One message to the user: what was found, what was expected, what to do.
public struct Diagnostic: Error, Sendable, CustomStringConvertible {
  /// How serious a message is.
  public enum Severity: String, Sendable { case error, warning, note }

  public var severity: Severity
  public var kind: FailureKind
  public var message: String
  public var location: SourceLocation?
  /// How many characters from the location on are meant (the caret's tail).
  public var length: Int
  /// The replacement for the marked text, when one is clear.
  public var fixIt: String?
  public var notes: [Diagnostic]

  /// An error unless said otherwise.
  public init(
    _ message: String, kind: FailureKind = .input, severity: Severity = .error, at location: SourceLocation? = nil, length: Int = 1,
    fixIt: String? = nil, notes: [Diagnostic] = []
  ) {
    self.message = message
    self.kind = kind
    self.severity = severity
    self.location = location
    self.length = length
    self.fixIt = fixIt
    self.notes = notes
  }

  /// A breach of gradc's own invariants: never the user's fault.
  public static func bug(_ message: String) -> Diagnostic { Diagnostic("internal error: \(message)", kind: .bug) }

  /// One line without the source excerpt: `file:line:column: error: message`.
  public var description: String {
    (location.map { "\($0): " } ?? "") + "\(severity.rawValue): \(message)"
  }

  /// The message, the line of `source` it speaks of with a caret below, the fix-it, and the notes, as clang prints them.
  public func rendered(source: String?) -> String {
    var text = description
    if let location, let source {
      let lines = source.split(separator: "\n", omittingEmptySubsequences: false)
      if location.line >= 1, location.line <= lines.count {
        let line = lines[location.line - 1].filter { $0 != "\r" }
        let margin = String(line.prefix(max(0, location.column - 1)).map { $0 == "\t" ? "\t" : " " })
        text += "\n  \(line)\n  \(margin)^" + String(repeating: "~", count: max(0, min(length, line.count - location.column + 1) - 1))
        if let fixIt { text += "\n  \(margin)\(fixIt)" }
      }
    }
    for note in notes { text += "\n" + note.rendered(source: note.location?.file == location?.file ? source : nil) }
    return text
  }
}

/// The candidate that is nearest to `name` by edit distance, when it is near enough to suggest.
public func nearestName(to name: String, among candidates: some Sequence<String>) -> String? {
  let limit = max(1, name.count / 3)
  return candidates.map { ($0, editDistance(name.lowercased(), $0.lowercased())) }
    .filter { $0.1 <= limit }
    .min { ($0.1, $0.0) < ($1.1, $1.0) }?.0
}

/// Levenshtein distance with adjacent transpositions counted once.
func editDistance(_ a: String, _ b: String) -> Int {
  let a = Array(a), b = Array(b)
  if a.isEmpty || b.isEmpty { return max(a.count, b.count) }
  var beforePrevious: [Int] = []
  var previous = Array(0...b.count)
  for i in 1...a.count {
    var row = [i] + Array(repeating: 0, count: b.count)
    for j in 1...b.count {
      row[j] = min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1))
      if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] { row[j] = min(row[j], beforePrevious[j - 2] + 1) }
    }
    beforePrevious = previous
    previous = row
  }
  return previous[b.count]
}
