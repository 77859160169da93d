import Foundation
import Gradc
import ModelLanguage
import Testing

private let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

private func text(_ path: String) throws -> String {
  try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
}

/// Blocks of a page between lines of three backquotes, with the word after the opening ones.
private func blocks(_ page: String) -> [(language: String, text: String)] {
  page.components(separatedBy: "```").enumerated().filter { $0.offset % 2 == 1 }.map { part in
    let lines = part.element.split(separator: "\n", maxSplits: 1, omittingEmptySubsequences: false)
    return (String(lines[0]), lines.count > 1 ? String(lines[1]) : "")
  }
}

/// What README.md quotes is what the repository holds.
@Suite struct ReadmeQuoteTests {
  @Test func filesAreQuotedWhole() throws {
    let quoted = Set(blocks(try text("README.md")).map(\.text))
    for path in ["examples/heart/heart.gradc", "Sources/Operators/Softplus.swift", "Tests/GradcTests/HeartFromSwift.swift"] {
      #expect(quoted.contains(try text(path)), "README.md does not quote \(path) as it is")
    }
  }

  /// Each excerpt is one function of heart.c, from its first quoted line on. GRADC_BLESS=1 quotes it anew.
  @Test func generatedCIsQuotedAsItIs() throws {
    let source = try #require(try emitHeart()["heart.c"])
    var page = try text("README.md")
    let quoted = blocks(page).filter { $0.language == "c" && !$0.text.contains("int main") }
    #expect(quoted.count == 3)
    for block in quoted {
      let first = block.text.prefix { $0 != "\n" } + "\n"
      let rest = try #require(source.components(separatedBy: first).dropFirst().first, "heart.c has no line \(first)")
      let function = first + rest.components(separatedBy: "\n}\n")[0] + "\n}\n"
      if ProcessInfo.processInfo.environment["GRADC_BLESS"] == "1" {
        page = page.replacingOccurrences(of: block.text, with: function)
      } else {
        #expect(block.text == function, "README.md's excerpt of heart.c is another now; GRADC_BLESS=1 quotes it anew")
      }
    }
    if ProcessInfo.processInfo.environment["GRADC_BLESS"] == "1" {
      try page.write(to: root.appendingPathComponent("README.md"), atomically: true, encoding: .utf8)
    }
  }
}

/// The example in Swift does what its comments say.
@Suite struct SwiftExampleTests {
  @Test func isTheModelFile() throws {
    let file = try ModelFile(text: text("examples/heart/heart.gradc"), file: "heart.gradc")
    let fromFile = try compile(
      file.definition,
      training: TrainingSpecification(
        losses: [LossChoice("binary_cross_entropy", output: "risk", target: "target")], optimizer: OptimizerChoice("adam")),
      options: CompileOptions(maxBatch: 32))
    let fromSwift = try compileHeart()
    #expect(fromSwift.program.description == fromFile.program.description)
    #expect(fromSwift.model.parameters.map(\.count).reduce(0, +) == 497)
  }

  @Test func learns() throws {
    let features = (0..<32 * 29).map { (i: Int) -> Double in Double(i * 7919 % 101) / 50 - 1 }
    let targets = (0..<32).map { (i: Int) -> Double in Double(i % 2) }
    let losses = try trainHeart(features: features, targets: targets, steps: 200)
    #expect(losses.count == 200)
    #expect(losses[0] > 0.4 && losses[199] < 0.02)
  }
}

/// README.md's table of modules is Package.swift's, and the sources keep to it.
@Suite struct ModuleTableTests {
  /// Name to the modules that it may import, as README.md says; the command imports all.
  private func table() throws -> [String: Set<String>] {
    let rows = try text("README.md").components(separatedBy: "| module | holds | imports |\n|---|---|---|\n")[1]
      .components(separatedBy: "\n").prefix { $0.hasPrefix("| ") }
      .map { $0.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) } }
    let names = Set(rows.map { $0[0] })
    return Dictionary(
      uniqueKeysWithValues: rows.map { row in
        let imports = row[2].split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
        return (row[0], row[0] == "GradcCommand" ? names.subtracting(["GradcCommand", "gradc-bench", "CTCC"]) : Set(imports))
      })
  }

  @Test func isThatOfThePackage() throws {
    let package = try text("Package.swift")
    let list = package.components(separatedBy: "= [\n")[1].components(separatedBy: "\n]\n")[0]
    let readme = try table()
    var count = 0
    // Each row is ("NAME", ["A", "B"]), on one line or several.
    for row in list.components(separatedBy: "]").dropLast() where row.contains("\"") {
      let parts = row.components(separatedBy: "[")
      let words = parts.map { $0.components(separatedBy: "\"").enumerated().filter { $0.offset % 2 == 1 }.map(\.element) }
      try #require(words.count == 2 && words[0].count == 1, "\(row)")
      #expect(readme[words[0][0]] == Set(words[1]), "\(words[0][0])")
      count += 1
    }
    #expect(count == 14)
  }

  @Test func isKeptByTheSources() throws {
    let readme = try table()
    let modules = Set(readme.keys)
    for (module, allowed) in readme {
      let folder = root.appendingPathComponent(module == "gradc-bench" ? "Benchmarks/GradcBench" : "Sources/\(module)")
      guard let files = FileManager.default.enumerator(atPath: folder.path) else { continue }
      for case let file as String in files where file.hasSuffix(".swift") {
        let lines = try String(contentsOf: folder.appendingPathComponent(file), encoding: .utf8).components(separatedBy: "\n")
        for line in lines {
          let words = line.split(separator: " ")
          guard let keyword = words.firstIndex(of: "import"), keyword <= 1, words[..<keyword].allSatisfy({ $0.hasPrefix("@") }) else {
            continue
          }
          let imported = String(words[words.count - 1].split(separator: ".")[0])
          guard modules.contains(imported) else { continue }
          #expect(allowed.contains(imported), "\(module)/\(file) imports \(imported)")
        }
      }
    }
  }
}
