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
      CodeFlags.weights, Flag("inputs", "DIR|FILE", "arrays: .npy, .safetensors, or a folder of them", repeats: true),
      Flag("outputs", "DIR|FILE", "a folder for .npy files, or a .safetensors file"),
    ] + CodeFlags.all,
    examples: [
      Example("gradc run heart.gradc --inputs features.npy --outputs out", "writes out/risk.npy"),
      Example("gradc run two.gradc --inputs in --outputs out.safetensors", "a folder of inputs; all outputs in one file"),
    ],
    run: { invocation, console in
      var input = try ModelInput(invocation)
      let output = try invocation.required("outputs", "a folder for .npy files, or a .safetensors file")
      let weights = try input.weightsPath(invocation)
      try input.adoptHead(of: weights, console)
      let tensors = try readInputs(invocation)
      let options = try invocation.codeOptions()
      let compilation = try input.compiled(
        nil, element: invocation.element(input.file), maxBatch: input.inferenceBatch, blas: options.blas)
      let program = compilation.program.keeping(entries: ["run"])
      let (buffers, rows) = try bind(tensors, to: program.inputs)
      let session = try Session(Compilation(model: compilation.model, program: program), options)
      report(session.code.notices, console)
      let trainer = try Trainer(session, threads: invocation.threads())
      try trainer.loadWeights(weights)
      let results = try trainer.run(buffers, program, rows: rows)
      let files = try Tensor.write(zip(program.outputs, results).map { Tensor($0.name, dims: [rows] + $0.dims, $1) }, to: output)
      console.line("\(NumberText.grouped(rows)) rows; wrote \(files.joined(separator: ", "))")
      return 0
    })
}

/// The arrays of `--inputs`.
func readInputs(_ invocation: Invocation) throws -> [Tensor] {
  let paths = invocation.values("inputs")
  guard !paths.isEmpty else { throw usage("--inputs is missing: .npy or .safetensors files, or a folder of them") }
  return try Tensor.read(paths)
}

/// Each port's array, converted to its type; all must have the same number of rows. By name, by `input_K`, or by position.
func bind(_ tensors: [Tensor], to ports: [Port], isComplete: Bool = true) throws -> (buffers: [AlignedBuffer], rows: Int) {
  var rows: Int?
  let named = ports.enumerated().map { index, port in
    tensors.first { $0.name == port.name } ?? tensors.first { $0.name == "input_\(index)" }
  }
  let byPosition = isComplete && tensors.count == ports.count && named.allSatisfy { $0 == nil }
  let buffers = try ports.enumerated().map { index, port -> AlignedBuffer in
    guard let tensor = byPosition ? tensors[index] : named[index] else {
      let nearest = nearestName(to: port.name, among: tensors.map(\.name)).map { "; did you mean '\($0)'?" } ?? ""
      throw Diagnostic(
        "found no array for the model's input '\(port.name)'; there are \(tensors.map(\.name).joined(separator: ", "))\(nearest)")
    }
    try fit(tensor, port, &rows)
    return tensor.converted(to: port.element)
  }
  return (buffers, rows ?? 0)
}

/// Checks an array against a port and against the rows of the others.
func fit(_ tensor: Tensor, _ port: Port, _ rows: inout Int?) throws {
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
