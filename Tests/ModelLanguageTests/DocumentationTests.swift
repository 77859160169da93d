import FoundationEssentials
import ModelLanguage
import Testing

/// The page on the language says what is so.
@Suite struct DocumentationTests {
  private let page = String(decoding: FileManager.default.contents(atPath: "\(examples)/../docs/language.md") ?? .init(), as: UTF8.self)

  /// Code blocks of the page, without their indentation.
  private var blocks: [String] {
    var blocks = [""]
    for line in page.split(separator: "\n", omittingEmptySubsequences: false) {
      if line.hasPrefix("    ") { blocks[blocks.count - 1] += line.dropFirst(4) + "\n" } else if blocks.last != "" { blocks.append("") }
    }
    return blocks
  }

  @Test func itsExamplesAreUnderstood() throws {
    let heart = try #require(blocks.first)
    let file = try ModelFile(text: heart, file: "heart.gradc")
    #expect(try built(file).parameters.reduce(0) { $0 + $1.count } == 497)
    #expect(file.recipe == (try ModelFile(text: exampleText("heart"), file: "heart.gradc").recipe))

    let twins = try #require(blocks.first { $0.contains("model twins") })
    #expect(try parameters(twins).map { $0.prefix { $0 != " " } } == ["encoder.weight", "encoder.bias", "dense1.weight", "dense1.bias"])

    let block = try #require(blocks.first { $0.hasPrefix("layer block") })
    let names = try parameters(model("y = x |> block(64) |> block(32, p: 0.2)", before: block)).map { $0.prefix { $0 != " " } }
    #expect(names.contains("block1.dense1.weight") && names.contains("block2.dense1.weight"))
  }

  @Test func itsErrorIsPrintedSo() throws {
    let heart = try #require(blocks.first).replacing("features |> dense(16)", with: "features |> dens(16)")
    let error = try #require(blocks.first { $0.contains("error:") })
    #expect(rendered(heart, file: "heart.gradc") + "\n" == error)
  }

  /// Every directive and every layer, loss and optimizer is on the page.
  @Test func itNamesEverything() {
    for word in ModelFile.directives.data + ModelFile.directives.train { #expect(page.contains("`\(word)"), "\(word)") }
  }
}
