import Basics
import CRuntime
import Gradc
import LoopIR

extension Verb {
  static let grad = Verb(
    "grad", "vector-Jacobian product: cotangents in, gradients out", operands: "MODEL", count: 1...1,
    about: """
      For each output K the array cotangent_K (by the output's name or its number) says how much it counts; what is missing counts as ones. \
      Written are grad_INPUT for each floating point input and grad_PARAMETER for each parameter: the sum over all outputs of cotangent times \
      derivative, in inference form (no dropout, running statistics).
      """,
    flags: [
      CodeFlags.weights,
      Flag("inputs", "DIR|FILE", "inputs and cotangents: .npy, .safetensors, ONNX's .pb, or a folder of them", repeats: true),
      Flag("outputs", "DIR|FILE", "a folder for files like the inputs', or a .safetensors file"), ModelFlags.dim,
    ] + CodeFlags.all,
    examples: [
      Example("gradc grad heart.gradc --inputs in --outputs out", "in/features.npy and in/cotangent_risk.npy to out/grad_features.npy …"),
      Example("gradc grad heart.gradc --inputs features.npy --outputs saliency.safetensors", "how each input moves the outputs"),
    ],
    run: { invocation, console in
      let tensors = try readInputs(invocation)
      var input = try ModelInput(invocation, given: tensors.filter { !$0.name.hasPrefix("cotangent_") })
      let output = try invocation.required("outputs", "a folder for files like the inputs', or a .safetensors file")
      try input.adoptHead(invocation, console)
      var options = try invocation.codeOptions()
      options.isCalledOnce = true
      let element = try invocation.element(input.file)
      // One call for all rows, so that nothing has to be added up outside the compiled code.
      let isBatched = input.file.inputs.contains(where: \.isBatched)
      let rows = isBatched ? tensors.first { !$0.name.hasPrefix("cotangent_") }?.dims.first ?? 1 : 1
      guard (1...1 << 24).contains(rows) else { throw Diagnostic("the inputs have \(rows) rows; 1 to 16,777,216 are possible") }
      let compilation = try input.rendering {
        try gradientModel(input.definition, element: element, maxBatch: rows, usesBLAS: options.blas == .cblas)
      }
      let program = compilation.program
      try requireMemory(program, rows: rows)
      let buffers = try bindCotangents(tensors, program, input.file.outputs, rows)
      let session = try Session(compilation, options)
      report(session.code.notices, console)
      let trainer = try Trainer(session, threads: invocation.threads())
      try input.loadWeights(trainer, program, invocation)
      var results: [Tensor] = []
      if program.entry("run") != nil {
        results = zip(program.outputs, try trainer.run(buffers, program, rows: rows)).map {
          Tensor($0.name, dims: $0.shape(rows: rows), $1)
        }
      }
      if program.entry("backward") != nil {
        _ = try trainer.backward(Batch(rows: rows, inputs: buffers, targets: []))
        for slot in program.tensors where slot.trainable && !slot.isState {
          results.append(Tensor("grad_\(slot.name)", dims: slot.dims, trainer.copy(slot, element: element, gradient: true)))
        }
      }
      let format = arrayFormat(invocation)
      if format == .pb {
        // ONNX's test data is numbered.
        for (index, port) in input.file.inputs.enumerated() {
          for result in results.indices where results[result].name == "grad_\(port.name)" { results[result].name = "grad_\(index)" }
        }
      }
      let files = try Tensor.write(results, to: output, format: format)
      console.line("\(NumberText.grouped(rows)) rows; wrote \(files.joined(separator: ", "))")
      return 0
    })
}

/// Inputs as for `run`; then a cotangent for each output, ones where none is given.
private func bindCotangents(_ tensors: [Tensor], _ program: Program, _ outputs: [String], _ rows: Int) throws -> [AlignedBuffer] {
  let plain = tensors.filter { !$0.name.hasPrefix("cotangent_") }
  let given = tensors.filter { $0.name.hasPrefix("cotangent_") }
  let inputs = program.inputs.filter { !$0.name.hasPrefix("cotangent_") }
  var (buffers, count) = try bind(plain, to: inputs)
  let ports = program.inputs.filter { $0.name.hasPrefix("cotangent_") }
  // Outputs may be named by numbers that are not their own.
  let areNumbered = given.allSatisfy { Int($0.name.dropFirst("cotangent_".count)).map(outputs.indices.contains) ?? false }
  var used = Set<String>()
  for port in ports {
    let index = outputs.firstIndex { "cotangent_\($0)" == port.name }
    let numbered = index.flatMap { number in given.first { $0.name == "cotangent_\(number)" } }
    let named = given.first { $0.name == port.name }
    let tensor = areNumbered ? numbered ?? named : named ?? numbered
    guard let tensor else {
      buffers.append(AlignedBuffer(port.element, [Double](repeating: 1, count: rows * port.rowCount)))
      continue
    }
    used.insert(tensor.name)
    var wanted: Int? = count
    try fit(tensor, port, &wanted)
    buffers.append(tensor.converted(to: port.element))
  }
  if let stray = given.first(where: { !used.contains($0.name) }) {
    throw Diagnostic("'\(stray.name)' belongs to no output; the outputs are \(outputs.joined(separator: ", "))")
  }
  count = rows
  return buffers
}
