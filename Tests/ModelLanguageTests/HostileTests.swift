import Basics
import ModelLanguage
import Testing

@Suite struct HostileTests {
  /// Splitmix64: the same mutations on every run.
  private struct Random: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
      state &+= 0x9e37_79b9_7f4a_7c15
      var z = state
      z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
      z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
      return z ^ (z >> 31)
    }
  }

  @Test func deepNestingIsRefused() {
    for open in ["(", "[", "relu(", "-("] {
      let text = rendered(model("y = " + String(repeating: open, count: 100_000) + "x"))
      #expect(text.contains("error: more than 64 brackets inside each other; give the inner parts names of their own"), "\(open)")
    }
  }

  @Test func longChainsAreNoDepth() throws {
    let minus = try ModelFile(text: model("y = " + String(repeating: "-", count: 100_000) + "x"), file: "m.gradc")
    #expect(minus.outputs == ["y"])
    let pipe = try ModelFile(text: model("y = x" + String(repeating: " |> relu", count: 5_000)), file: "m.gradc")
    #expect(pipe.outputs == ["y"])
    let sum = try ModelFile(text: model("y = x" + String(repeating: " + x", count: 5_000)), file: "m.gradc")
    #expect(sum.outputs == ["y"])
  }

  @Test func layersThatDoubleAtEachLevelAreRefused() {
    var layers = "layer a0(x) { return x |> relu |> relu }\n"
    for level in 1..<15 {
      layers += "layer a\(level)(x) { return x |> a\(level - 1) |> a\(level - 1) |> a\(level - 1) |> a\(level - 1) }\n"
    }
    #expect(rendered(model("y = x |> a14", before: layers)).contains("error: the model has more than 20000 layers and operators"))
  }

  @Test func layersInsideLayersHaveALimit() {
    var layers = "layer a0(x) { return x |> relu }\n"
    for level in 1..<1000 { layers += "layer a\(level)(x) { return x |> a\(level - 1) }\n" }
    #expect(rendered(model("y = x |> a999", before: layers)).contains("error: layers are nested more than 16 deep"))
  }

  @Test func hugeSizesAreRefused() {
    #expect(
      rendered("model m {\n input x: f32[N, 99999999999]\n output y = x\n}").contains("the size of an axis is a whole number from 1 to"))
    #expect(rendered("model m {\n input x: f32[N, 99999, 99999]\n output y = x\n}").contains("has more than 2147483647 elements"))
    #expect(rendered(model("y = x |> dense(99999999999)")).contains("99999999999 is too large"))
    #expect(rendered(model("y = x |> dense(99999999999999999999)")).contains("99999999999999999999"))
    #expect(rendered(model("y = x |> dense(2147483647) |> dense(2147483647)")).contains("has more than 2^40 elements"))
    #expect(rendered(model("y = x |> dense(9223372036854775807 * 2)")).contains("must be a whole number"))
  }

  @Test func aLargeFileIsRefused() {
    #expect(rendered(String(repeating: "/", count: 5 << 20)).contains("a model file has at most 4194304"))
  }

  @Test(arguments: exampleNames)
  func mutatedExamplesGiveErrorsAndNeverCrash(_ name: String) {
    let original = Array(exampleText(name).utf8)
    let pieces = [
      "(", ")", "{", "}", "[", "]", "|>", "\"", ",", ":", "=", "-", "layer ", "model ", "999999999999", "1e999", "0x", "N", "\\", "\n",
      "\u{0}",
      "é", "return ", "output ", "input ", " x ", "..", "//", "0", "-1", "true", "relu(", "dense(0)", "dense(-5)", "reshape([0])",
    ].map { Array($0.utf8) }
    var random = Random(state: UInt64(name.utf8.count))
    for _ in 0..<400 {
      var text = original
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let position = Int.random(in: 0..<text.count, using: &random)
        switch Int.random(in: 0..<5, using: &random) {
        case 0: text[position] = UInt8.random(in: 0...255, using: &random)
        case 1: text.removeSubrange(position..<min(text.count, position + Int.random(in: 1...20, using: &random)))
        case 2: text.insert(contentsOf: pieces.randomElement(using: &random)!, at: position)
        case 3:
          let end = min(text.count, position + Int.random(in: 1...60, using: &random))
          text.insert(contentsOf: Array(text[position..<end]), at: Int.random(in: 0..<text.count, using: &random))
        default: text = Array(text[..<position])
        }
        if text.isEmpty { text = original }
      }
      let mutated = String(decoding: text, as: UTF8.self)
      do {
        _ = try ModelFile(text: mutated, file: "m.gradc")
      } catch {
        #expect(
          !error.diagnostics.isEmpty && error.diagnostics.allSatisfy { $0.kind == .input && $0.location != nil }, "\(error)\n\(mutated)")
        _ = error.rendered(source: mutated)
      }
    }
  }
}
