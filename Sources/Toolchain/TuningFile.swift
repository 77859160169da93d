import Basics
import Glibc

/// What measurements found fastest on this machine, in a file beside the compiled code: for the words of a shape and a number of threads the
/// name of a method. Lines of other processors stay as they are.
public struct TuningFile {
  /// Nil when nothing can be kept beyond this process.
  private let path: String?
  private let machine: String
  private var lines: [[String]] = []

  /// More lines than this are not kept: the oldest go.
  private static let limit = 20_000

  /// The user's file. What cannot be read counts as empty.
  public init() throws {
    let cache = try CompileCache.standard()
    // The cache forgets files of other kinds after a day, hidden ones aside.
    self.init(path: cache.isTemporary ? nil : cache.folder + "/.tuning")
    cache.removeIfTemporary([])
  }

  init(path: String?) {
    self.path = path
    machine = String(sha256(Array(processorIdentity().utf8)).prefix(16))
    if let path {
      lines = readText(path, limit: 1 << 22).split(separator: "\n").map { $0.split(separator: "\t").map(String.init) }.filter {
        $0.count == 4
      }
    }
  }

  /// The fastest methods of all shapes that were measured with so many threads.
  public func choices(threads: Int) -> [String: String] {
    let own = lines.filter { $0[0] == machine && $0[1] == "\(threads)" }
    return Dictionary(own.map { ($0[2], $0[3]) }, uniquingKeysWith: { _, last in last })
  }

  /// Adds choices and writes the file, whole or not at all.
  public mutating func remember(_ choices: [String: String], threads: Int) throws {
    lines.removeAll { $0[0] == machine && $0[1] == "\(threads)" && choices[$0[2]] != nil }
    lines += choices.sorted { $0.key < $1.key }.map { [machine, "\(threads)", $0.key, $0.value] }
    lines = Array(lines.suffix(Self.limit))
    guard let path else { return }
    let temporary = "\(path).\(getpid())"
    let text = lines.map { $0.joined(separator: "\t") + "\n" }.joined()
    guard let file = fopen(temporary, "w") else { throw Diagnostic("cannot write \(path): \(String(cString: strerror(errno)))") }
    let written = fputs(text, file)
    guard fclose(file) == 0, written >= 0, rename(temporary, path) == 0 else {
      unlink(temporary)
      throw Diagnostic("cannot write \(path): \(String(cString: strerror(errno)))")
    }
  }
}
