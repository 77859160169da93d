import Basics
import Foundation
import Gradc
import GraphIR
import Layers
import LoopIR
import ModelLanguage
import ONNX
import Testing

/// Whole models go to ONNX, are read back and give the same outputs.
@Suite struct ModelExportTests {
  /// The examples and a model of many layers.
  static let models: [String] = {
    let folders = (try? FileManager.default.contentsOfDirectory(atPath: repository.appendingPathComponent("examples").path)) ?? []
    let examples = folders.flatMap { folder -> [String] in
      let files = (try? FileManager.default.contentsOfDirectory(atPath: repository.appendingPathComponent("examples/\(folder)").path)) ?? []
      return files.filter { $0.hasSuffix(".gradc") }.map { "examples/\(folder)/\($0)" }
    }
    return examples.sorted() + ["Tests/ONNXTests/references/layers.gradc"]
  }()

  /// A model in tcc's code.
  private func loaded(_ definition: ModelDefinition) throws -> (compilation: Compilation, trainer: Trainer) {
    let compilation = try compile(definition, training: nil, options: CompileOptions(maxBatch: 2, usesBLAS: false))
    return (compilation, try Trainer(Session(compilation, CodeOptions(mode: .tcc, blas: .none))))
  }

  @Test func thereAreModels() { #expect(Self.models.count > 10) }

  @Test(arguments: models) func comesBack(_ path: String) throws {
    let file = try ModelFile.read(path: repository.appendingPathComponent(path).path).result.get()
    let (original, first) = try loaded(file.definition)
    try first.initialize(seed: 3)
    let slots = Dictionary(uniqueKeysWithValues: original.program.tensors.map { ($0.name, $0) })
    let message = try ModelMessage(original.model, gradcVersion: "0") { parameter in
      Tensor(parameter.name, dims: parameter.shape, first.copy(slots[parameter.name]!, element: .f32)).hostTensor!
    }
    let model = try ONNXModel(ModelMessage(bytes: message.encoded(), name: "model.onnx"), path: "model.onnx")
    let (again, second) = try loaded(ModelDefinition(name: "again") { try model.build(&$0) })
    #expect(again.model.inputs == original.model.inputs)
    #expect(again.model.outputs == original.model.outputs)
    let shapes = { (model: Model) in Dictionary(uniqueKeysWithValues: model.parameters.map { ($0.name, $0.shape) }) }
    #expect(shapes(again.model) == shapes(original.model))
    for slot in again.program.tensors {
      let values = Tensor(slot.name, try #require(try model.tensor(slot.name))).converted(to: .f32)
      second.elements(slot).copyMemory(from: values.pointer, byteCount: values.bytes)
    }
    let batch = Batch(random: original.program, rows: 2, seed: 5)
    let wanted = try first.run(batch.inputs, original.program, rows: 2)
    let found = try second.run(batch.inputs, again.program, rows: 2)
    for (output, (a, b)) in zip(original.model.outputs, zip(found, wanted)) {
      let scale = b.numbers.reduce(1) { max($0, abs($1)) }
      let difference = zip(a.numbers, b.numbers).reduce(0) { max($0, abs($1.0 - $1.1)) }
      #expect(a.count == b.count && difference <= 1e-5 * scale, "\(output.name) is off by \(difference)")
    }
  }
}
