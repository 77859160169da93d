import Basics
import FoundationEssentials
import Layers
import LoopIR
import ModelLanguage
import Testing

/// The folder of the examples.
let examples = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/") + "/examples"

/// Every example model.
let exampleNames = ["heart", "churn", "wine", "breast_cancer", "digits", "autoencoder"]

/// The text of an example.
func exampleText(_ name: String) -> String {
  String(decoding: FileManager.default.contents(atPath: "\(examples)/\(name)/\(name).gradc") ?? .init(), as: UTF8.self)
}

/// All errors of a text as a person sees them; empty when there are none.
func rendered(_ text: String, file: String = "m.gradc") -> String {
  do {
    _ = try ModelFile(text: text, file: file)
    return ""
  } catch {
    return error.rendered(source: text)
  }
}

/// A model of one dense layer with these lines between input and output.
func model(_ lines: String..., before: String = "", after: String = "") -> String {
  before + "model m {\n  input x: f32[N, 4]\n" + lines.map { "  \($0)\n" }.joined() + "  output y\n}\n" + after
}

/// The builder after a file's definition ran on it.
func built(_ file: ModelFile, _ mode: Mode = .training) throws -> ModelBuilder {
  var builder = ModelBuilder(name: file.name, mode: mode, element: .f32, symbols: [Symbol(name: "n", maximum: 32)])
  try file.definition.build(&builder)
  return builder
}

/// Parameters of a text's model: name and shape.
func parameters(_ text: String) throws -> [String] {
  try built(ModelFile(text: text, file: "m.gradc")).parameters.map { "\($0.name) \($0.shape)" }
}

/// A faulty text and its errors as they are printed.
struct ErrorCase: Sendable, CustomTestStringConvertible {
  var title: String
  var text: String
  var expected: String

  init(_ title: String, _ text: String, _ expected: String) {
    self.title = title
    self.text = text
    self.expected = expected
  }

  var testDescription: String { title }
}
