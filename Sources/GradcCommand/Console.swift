import Glibc

/// Where a verb writes, and what can be shown there. Tests put their own closures in.
public struct Console {
  /// Takes results (standard output).
  public var write: (String) -> Void
  /// Takes notices, warnings and errors (standard error).
  public var writeError: (String) -> Void
  /// Whether a person reads the results as they come.
  public var isTerminal: Bool
  /// Whether colours may be used.
  public var usesColor: Bool
  /// Whether characters beyond ASCII may be used.
  public var isUnicode: Bool
  /// Width in characters.
  public var columns: Int

  public init(
    write: @escaping (String) -> Void, writeError: @escaping (String) -> Void, isTerminal: Bool = false, usesColor: Bool = false,
    isUnicode: Bool = true, columns: Int = 80
  ) {
    self.write = write
    self.writeError = writeError
    self.isTerminal = isTerminal
    self.usesColor = usesColor
    self.isUnicode = isUnicode
    self.columns = columns
  }

  /// The process's own streams. Colour only on a terminal that is not dumb, and never when `NO_COLOR` is set.
  public static func standard() -> Console {
    let isTerminal = isatty(STDOUT_FILENO) == 1
    let language = environment("LC_ALL") ?? environment("LC_CTYPE") ?? environment("LANG") ?? ""
    let name = language.uppercased()
    return Console(
      write: { writeAll($0, to: stdout) }, writeError: { writeAll($0, to: stderr) }, isTerminal: isTerminal,
      usesColor: isTerminal && environment("NO_COLOR") == nil && environment("TERM") != "dumb",
      isUnicode: name.contains("UTF-8") || name.contains("UTF8"), columns: terminalColumns())
  }

  /// A line of results.
  public func line(_ text: String = "") { write(text + "\n") }

  /// A warning on standard error.
  public func warn(_ text: String) { writeError("warning: \(text)\n") }

  /// Emphasised where colours may be used.
  public func bold(_ text: String) -> String { usesColor ? "\u{1B}[1m\(text)\u{1B}[0m" : text }
}

/// The value of an environment variable; nil when it is not set, or empty.
func environment(_ name: String) -> String? {
  guard let value = getenv(name), value.pointee != 0 else { return nil }
  return String(cString: value)
}

private func writeAll(_ text: String, to file: UnsafeMutablePointer<FILE>?) {
  var text = text
  text.withUTF8 { _ = fwrite($0.baseAddress, 1, $0.count, file) }
  fflush(file)
}

/// `COLUMNS`, the terminal's own width, or 80; between 20 and 400.
private func terminalColumns() -> Int {
  if let value = environment("COLUMNS"), let columns = Int(value), columns > 0 { return min(max(columns, 20), 400) }
  var size = winsize()
  guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
  return min(max(Int(size.ws_col), 20), 400)
}
