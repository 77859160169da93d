import Gradc
import LoopIR
import ModelLanguage
import Testing

@testable import TestSupport

/// The scales of normalisations behind convolutions, in models for inference alone.
@Suite struct NormalisationInInferenceTests {
  private func programs(_ layout: String, _ element: ElementType) throws -> (alone: Program, trained: Program) {
    let text = """
      model m {
        layout \(layout)
        input image: f32[N, \(layout == "channels_first" ? "4, 9, 9" : "9, 9, 4")]
        a = image |> conv2d(16, 3, padding: same, bias: false) |> batch_norm |> relu
        b = a |> conv2d(16, 3, padding: same, groups: 16, bias: false) |> batch_norm |> relu
        c = (b |> conv2d(16, 1, bias: false) |> batch_norm) + a
        // What another layer reads too keeps its values.
        d = c |> conv2d(8, 3, stride: 2, bias: false)
        y = (d |> batch_norm) + d |> global_avg_pool2d
        output y
      }
      train {
        loss mse(y, target)
        optimizer sgd(rate: 0.1)
        batch 3
      }
      """
    let file = try ModelFile(text: text, file: "m.gradc", folder: ".")
    let options = CompileOptions(element: element, maxBatch: 3)
    return try (
      compile(file.definition, training: nil, options: options).program,
      compile(file.definition, training: file.specification(Recipe(text: file.recipe)), options: options).program
    )
  }

  @Test(arguments: ["channels_first", "channels_last"], [ElementType.f32, .f64])
  func scalesAreInTheFilters(_ layout: String, _ element: ElementType) throws {
    let (alone, trained) = try programs(layout, element)
    let kernels = try #require(alone.entries.first { $0.name == "run" }).steps.compactMap { step -> String? in
      if case .call(let kernel, _) = step { alone.kernels[kernel].name } else { nil }
    }
    // Of four scales one is left: that behind the convolution whose result another layer reads too.
    #expect(kernels.filter { $0.contains("multiply") }.count == 1, "\(kernels)")
    let outputs = try [alone, trained].map { program -> [Double] in
      let machine = try TestCompiler.tcc.machine(program)
      for (number, slot) in program.tensors.sorted(by: { $0.name < $1.name }).enumerated() {
        let values = wave(slot.count, Double(number))
        machine.set(slot.name, slot.name.hasSuffix("running_var") ? values.map { $0 * $0 + 0.1 } : values)
      }
      return doubles(try machine.run([bytes(wave(3 * 9 * 9 * 4, 0.5), element)], rows: 3)[0], element)
    }
    let largest = outputs[1].map(abs).max()!
    for (a, b) in zip(outputs[0], outputs[1]) { #expect(abs(a - b) <= (element == .f32 ? 4e-6 : 1e-14) * largest) }
  }
}
