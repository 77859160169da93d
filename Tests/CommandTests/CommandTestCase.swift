import Foundation
import Gradc
import XCTest

@testable import GradcCommand

/// Runs the command in a folder of its own.
class CommandTestCase: XCTestCase {
  private(set) var folder = ""

  override func setUpWithError() throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent("gradc-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    setenv("XDG_CACHE_HOME", folder + "/cache", 1)
  }

  override func tearDown() {
    unsetenv("XDG_CACHE_HOME")
    try? FileManager.default.removeItem(atPath: folder)
  }

  func path(_ name: String) -> String { "\(folder)/\(name)" }
  func write(_ name: String, _ text: String) throws { try text.write(toFile: path(name), atomically: true, encoding: .utf8) }
  func read(_ name: String) throws -> String { try String(contentsOfFile: path(name), encoding: .utf8) }

  struct Outcome {
    var code: Int32
    var out: String
    var err: String
  }

  /// Runs `gradc` with these words.
  @discardableResult
  func gradc(_ words: String...) -> Outcome { gradc(words) }

  @discardableResult
  func gradc(_ words: [String]) -> Outcome {
    var (out, err) = ("", "")
    let code = runCommand(words, Console(write: { out += $0 }, writeError: { err += $0 }))
    return Outcome(code: code, out: out, err: err)
  }

  /// A table of `rows` rows of `columns` columns `x0`, `x1` … without pattern, and a column `class` of so many classes, the same everywhere.
  func writeTable(_ name: String, rows: Int, columns: Int, classes: Int) throws {
    var text = (0..<columns).map { "x\($0)," }.joined() + "class\n"
    for row in 0..<rows {
      let own = row % classes
      for column in 0..<columns { text += "\(Double((row * 7919 + column * 104_729) % 101) / 101 + (column == own ? 1 : 0))," }
      text += "c\(own)\n"
    }
    try write(name, text)
  }
}
