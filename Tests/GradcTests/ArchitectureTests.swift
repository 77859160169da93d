import Foundation
import Testing

/// The rules of the architecture beyond the table of imports, which `ReadmeTests` holds against the sources.
@Suite struct ArchitectureTests {
  private func modules() throws -> [String: Set<String>] {
    let text = try String(contentsOf: repository.appendingPathComponent("Package.swift"), encoding: .utf8)
    let start = try #require(text.range(of: "let modules: ")), end = try #require(text.range(of: "\n]\n"))
    let table = text[start.upperBound..<end.lowerBound].split(separator: "=", maxSplits: 1)[1]
    var result: [String: Set<String>] = [:]
    // Each entry is a name and a list of names.
    for entry in table.components(separatedBy: "(").dropFirst() {
      let names = entry.split(separator: "\"", omittingEmptySubsequences: false).enumerated().filter { $0.offset % 2 == 1 }.map {
        String($0.element)
      }
      result[names[0]] = Set(names.dropFirst())
    }
    return result
  }

  private func files(_ folder: String) throws -> [URL] {
    let all = try #require(FileManager.default.enumerator(at: repository.appendingPathComponent(folder), includingPropertiesForKeys: nil))
    return all.compactMap { $0 as? URL }.filter { $0.pathExtension == "swift" }
  }

  @Test func theTwoRulesHold() throws {
    let modules = try modules()
    let lowering = try #require(modules["Lowering"]), emitter = try #require(modules["CEmitter"])
    #expect(lowering.isDisjoint(with: ["Operators", "Layers", "Differentiation", "Optimizers", "Training"]))
    #expect(emitter.isSubset(of: ["Basics", "LoopIR", "CResources"]))
    // Lower modules know nothing of higher ones.
    var open = modules
    while let next = open.first(where: { $0.value.allSatisfy { open[$0] == nil } }) { open[next.key] = nil }
    #expect(open.isEmpty, "there is a cycle among \(open.keys.sorted())")
  }

  /// Passes ask how an operator lowers, not which it is: no name of an operator of the registry stands in Lowering or CEmitter.
  @Test func passesNameNoOperator() throws {
    let names = try FileManager.default.contentsOfDirectory(atPath: repository.appendingPathComponent("Sources/Operators").path)
      .filter { $0.hasSuffix(".swift") && $0 != "Registry.swift" }.map { String($0.dropLast(6)) }
    #expect(names.count > 40)
    for folder in ["Sources/Lowering", "Sources/CEmitter"] {
      for file in try files(folder) {
        let text = try String(contentsOf: file, encoding: .utf8)
        for name in names {
          for use in ["is \(name) ", "is \(name))", "as? \(name) ", "as? \(name))"] where text.contains(use) {
            Issue.record("\(file.lastPathComponent) asks for the operator \(name)")
          }
        }
      }
    }
  }

  @Test func nothingIsLeftForLater() throws {
    for folder in ["Sources", "Tests", "Runtime"] {
      let all = try #require(FileManager.default.enumerator(at: repository.appendingPathComponent(folder), includingPropertiesForKeys: nil))
      for case let file as URL in all where ["swift", "c", "h"].contains(file.pathExtension) && !file.path.contains("ArchitectureTests") {
        let text = try String(contentsOf: file, encoding: .utf8)
        for word in ["TO" + "DO", "FIX" + "ME"] { #expect(!text.contains(word), "\(file.lastPathComponent) says \(word)") }
      }
    }
  }
}
