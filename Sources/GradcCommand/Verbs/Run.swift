import Basics
import CRuntime
import Gradc
import LoopIR

extension Verb {
  static let run = Verb(
    "run", "tensors in, tensors out", operands: "MODEL", count: 1...1,
    about: """
      Runs the model on arrays as they are, without a recipe. An input is found by its name (features.npy, or the tensor of that name in a \
      .safetensors file), by input_K (the K-th input, from 0), or by its position when as many files are given as the model has inputs. Outputs \
      are written by name: as .npy files into a folder, or into one .safetensors file.
      """,
    flags: [
      CodeFlags.weights, Flag("inputs", "DIR|FILE", "arrays: .npy, .safetensors, ONNX's .pb, or a folder of them", repeats: true),
      Flag("outputs", "DIR|FILE", "a folder for files like the inputs', or a .safetensors file"), ModelFlags.dim,
    ] + CodeFlags.all,
    examples: [
      Example("gradc run heart.gradc --inputs features.npy --outputs out", "writes out/risk.npy"),
      Example("gradc run two.gradc --inputs in --outputs out.safetensors", "a folder of inputs; all outputs in one file"),
    ],
    run: { invocation, console in
      let tensors = try readInputs(invocation)
      var input = try ModelInput(invocation, given: tensors)
      let output = try invocation.required("outputs", "a folder for files like the inputs', or a .safetensors file")
      try input.adoptHead(invocation, console)
      var options = try invocation.codeOptions()
      options.isCalledOnce = true
      let compilation = try input.compiled(
        nil, element: invocation.element(input.file), maxBatch: input.inferenceBatch, blas: options.blas)
      let program = compilation.program.keeping(entries: ["run"])
      let (buffers, rows) = try bind(tensors, to: program.inputs)
      try requireMemory(program, rows: rows)
      let session = try Session(Compilation(model: compilation.model, program: program), options)
      report(session.code.notices, console)
      let trainer = try Trainer(session, threads: invocation.threads())
      try input.loadWeights(trainer, program, invocation)
      let results = try trainer.run(buffers, program, rows: rows)
      let format = arrayFormat(invocation)
      let files = try Tensor.write(
        zip(program.outputs, results).enumerated().map { index, result in
          Tensor(format == .pb ? "output_\(index)" : result.0.name, dims: result.0.shape(rows: rows), result.1)
        }, to: output, format: format)
      console.line("\(NumberText.grouped(rows)) rows; wrote \(files.joined(separator: ", "))")
      return 0
    })
}

/// The kind of file that arrays are written as: that of the inputs; for an ONNX model without any, ONNX's.
func arrayFormat(_ invocation: Invocation) -> Tensor.ArrayFormat {
  let paths = invocation.values("inputs").flatMap { (try? Tensor.expanded($0)) ?? [] }
  let isONNX = paths.isEmpty ? invocation.operands[0].hasSuffix(".onnx") : paths.allSatisfy { $0.hasSuffix(".pb") }
  return isONNX ? .pb : .npy
}

/// The arrays of `--inputs`.
func readInputs(_ invocation: Invocation) throws -> [Tensor] {
  let paths = invocation.values("inputs")
  guard !paths.isEmpty else { throw usage("--inputs is missing: .npy, .pb or .safetensors files, or a folder of them") }
  return try Tensor.read(paths)
}

/// The array of each name: of that name, else `input_K`, else by position when there are as many as names and none is named.
func arrays(for names: [String], among tensors: [Tensor]) -> [Tensor?] {
  let named = names.enumerated().map { index, name in
    tensors.first { $0.name == name } ?? tensors.first { $0.name == "input_\(index)" }
  }
  return tensors.count == names.count && named.allSatisfy { $0 == nil } ? tensors : named
}

/// Each port's array, converted to its type; all must have the same number of rows. By name, by `input_K`, or by position.
func bind(_ tensors: [Tensor], to ports: [Port]) throws -> (buffers: [AlignedBuffer], rows: Int) {
  var rows: Int?
  let found = arrays(for: ports.map(\.name), among: tensors)
  let buffers = try zip(ports, found).map { port, tensor -> AlignedBuffer in
    guard let tensor else {
      let nearest = nearestName(to: port.name, among: tensors.map(\.name)).map { "; did you mean '\($0)'?" } ?? ""
      throw Diagnostic(
        "found no array for the model's input '\(port.name)'; there are \(tensors.map(\.name).joined(separator: ", "))\(nearest)")
    }
    try fit(tensor, port, &rows)
    return tensor.converted(to: port.element)
  }
  return (buffers, rows ?? 1)
}

/// Checks an array against a port and against the rows of the others.
func fit(_ tensor: Tensor, _ port: Port, _ rows: inout Int?) throws {
  if !port.isBatched {
    guard tensor.dims == port.dims else {
      throw Diagnostic("the array '\(tensor.name)' is \(tensor.typeText), the model's '\(port.name)' needs \(port.dims)")
    }
    return
  }
  let wanted = "[rows" + port.dims.map { ", \($0)" }.joined() + "]"
  let fits = tensor.dims.count == port.dims.count + 1 && Array(tensor.dims.dropFirst()) == port.dims
  // A vector does for rows of one element.
  guard fits || (tensor.dims.count == 1 && port.rowCount == 1) else {
    throw Diagnostic("the array '\(tensor.name)' is \(tensor.typeText), the model's '\(port.name)' needs \(wanted)")
  }
  guard let count = tensor.dims.first, count >= 1 else { throw Diagnostic("the array '\(tensor.name)' has no rows") }
  guard rows ?? count == count else {
    throw Diagnostic("the array '\(tensor.name)' has \(count) rows, the others have \(rows!)")
  }
  rows = count
}
