import ModelLanguage
import Testing

private func recipe(_ data: String, train: String = "") throws -> [String] {
  let network = "model m {\n  input x: f32[N, 6]\n  output y = x |> dense(2) |> softmax\n}\n"
  let lines = data.split(separator: ";").map { "  \($0)\n" }.joined()
  let text = network + "data {\n\(lines)}\ntrain {\n  loss sparse_categorical_cross_entropy(y, target)\n\(train)}\n"
  let file = try ModelFile(text: text, file: "m.gradc", folder: "f")
  return file.recipe.split(separator: "\n").map { String($0).replacing("\t", with: " ") }.filter { !$0.hasPrefix("loss") }
}

private func complaint(_ data: String) -> String {
  do { _ = try recipe(data) } catch let errors as ModelFile.Errors {
    return errors.diagnostics.map { "\($0.location?.line ?? 0): \($0.message)" }.joined(separator: "\n")
  } catch {}
  return ""
}

/// Text, windows and columns of tokens in the `data` block.
@Suite struct TextRecipeTests {
  @Test func texts() throws {
    #expect(try recipe("text \"a.txt\";tokens characters") == ["text f/a.txt", "tokens characters"])
    #expect(try recipe("text \"/a\";tokens bpe(512);window 6, stride 3") == ["text /a", "tokens bpe size=512", "window 6 stride=3"])
    #expect(try recipe("text \"a\";tokens bpe \"t.json\"") == ["text f/a", "tokenizer f/t.json", "tokens bpe"])
  }

  @Test func tables() throws {
    #expect(
      try recipe("csv \"a\";tokens words(50), \"review\";length 6;target \"s\"") == [
        "csv f/a", "tokens words size=50 column=review", "length 6", "target s",
      ])
    #expect(
      try recipe("csv \"a\";target \"b\";standardize \"b\", \"c\";window 3, ahead 2") == [
        "csv f/a", "target b", "standardize b c", "window 3 ahead=2",
      ])
  }

  @Test func orders() throws {
    let lines = try recipe(
      "text \"a\";tokens bytes", train: "  steps 250\n  evaluate 200\n  metrics perplexity, bpc\n  order shuffled\n")
    #expect(lines.suffix(4) == ["steps 250", "evaluate 200", "metrics perplexity bits_per_character", "order shuffled"])
  }

  @Test func whatDoesNotGoTogether() {
    #expect(complaint("text \"a\"").contains("6: a text needs `tokens`"))
    #expect(complaint("text \"a\";tokens letters").contains("7: tokens are characters, bytes, words or bpe; found `letters`"))
    #expect(complaint("text \"a\";tokens words").contains("7: `words` needs the most words"))
    #expect(complaint("text \"a\";tokens bpe(99)").contains("7: a vocabulary of byte pairs has at least the 256 bytes; found 99"))
    #expect(complaint("text \"a\";tokens bytes, \"b\"").contains("7: a text has no columns"))
    #expect(complaint("text \"a\";tokens bytes;one_hot \"b\"").contains("8: 'one_hot' is for other data than a text"))
    #expect(complaint("csv \"a\";tokens bytes, \"b\";target \"c\"").contains("7: a column of tokens needs `length`"))
    #expect(complaint("csv \"a\";target \"c\";standardize \"c\"").contains("8: column \"c\" is used already, by 'target'"))
    #expect(complaint("npy \"a\", \"b\";window 3").contains("7: windows are of a text or of the lines of a table"))
    #expect(
      complaint("text \"a\";tokens bytes;split train 0.9, validation 0.1, stratified").contains("8: windows are split in order"))
  }
}
