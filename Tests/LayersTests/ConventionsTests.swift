import Basics
import Foundation
import GraphIR
import Layers
import Optimizers
import XCTest

/// `docs/conventions.md` lists every entry of the catalogs with its defaults as the code has them.
final class ConventionsTests: XCTestCase {
  private func text(_ argument: Argument) -> String {
    if case .number(let value) = argument { return value == value.rounded() ? "\(Int(value))" : "\(value)" }
    return argument.description
  }

  private func row(_ entry: some CatalogEntry) -> String {
    let parameters = entry.parameters.map { parameter in
      parameter.name + (parameter.defaultValue.map { ": \(text($0))" } ?? (parameter.isOptional ? "?" : ""))
    }
    let call = entry.name + (parameters.isEmpty ? "" : "(\(parameters.joined(separator: ", ")))")
    return "| `\(call)` | \(entry.aliases.joined(separator: ", ")) | \(entry.summary.replacingOccurrences(of: "|", with: "\\|")) |"
  }

  func testEveryEntryIsListedWithItsDefaults() throws {
    let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../docs/conventions.md").standardized
    let lines = Set(try String(contentsOf: page, encoding: .utf8).split(separator: "\n").map(String.init))
    let rows =
      LayerCatalog.entries.map(row) + LossCatalog.entries.map(row) + OptimizerCatalog.entries.map(row) + InitializerCatalog.entries.map(row)
    for row in rows { XCTAssertTrue(lines.contains(row), "docs/conventions.md lacks the row\n\(row)") }
    XCTAssertEqual(
      lines.filter { $0.hasPrefix("| `") }.count, rows.count, "docs/conventions.md has rows of entries that do not exist")
  }
}
