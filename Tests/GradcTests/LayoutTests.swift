import Gradc
import LoopIR
import ModelLanguage
import Testing

/// Which copies of images stand in the programs of a network with a pooling between convolutions.
@Suite struct LayoutTests {
  private func program(_ layout: String, _ image: String, _ pooling: String) throws -> Program {
    let text = """
      model m {
        layout \(layout)
        input image: f32[N, \(image)]
        a = image |> conv2d(8, 3, padding: same) |> relu |> \(pooling)
        b = a |> conv2d(8, 3, padding: same) |> batch_norm |> relu |> \(pooling)
        kind = (b |> conv2d(8, 3, padding: same)) + b |> global_avg_pool2d |> dense(10) |> softmax
        output kind
      }
      train {
        loss sparse_categorical_cross_entropy(kind, target)
        optimizer sgd(rate: 0.1)
        batch 4
      }
      """
    let file = try ModelFile(text: text, file: "m.gradc", folder: ".")
    let options = CompileOptions(maxBatch: 4)
    return try compile(file.definition, training: file.specification(Recipe(text: file.recipe)), options: options).program
  }

  /// The kernels of an entry that do nothing but turn images around.
  private func copies(_ program: Program, _ entry: String) throws -> [String] {
    let entry = try #require(program.entries.first { $0.name == entry })
    return entry.steps.compactMap { step in
      guard case .call(let kernel, _) = step else { return nil }
      let comments = program.kernels[kernel].comments
      return comments.contains { $0.contains("layout ") || $0.contains("transpose f32[N") } ? program.kernels[kernel].name : nil
    }
  }

  @Test(arguments: ["max_pool2d(2)", "avg_pool2d(3, stride: 2)"]) func poolingsBetweenConvolutions(_ pooling: String) throws {
    let last = try program("channels_last", "16, 16, 3", pooling)
    let first = try program("channels_first", "3, 16, 16", pooling)
    for entry in ["run", "evaluate", "backward"] {
      #expect(try copies(last, entry) == [], "channels last, \(entry)")
      // Convolutions read images channels last: the input is turned around once.
      #expect(try copies(first, entry) == ["\(entry)_layout"], "channels first, \(entry)")
      // The order in memory is one: the same kernels otherwise.
      let counts = try [last, first].map { program in try #require(program.entries.first { $0.name == entry }).steps.count }
      #expect(counts[1] == counts[0] + 1, "\(entry)")
    }
  }
}
