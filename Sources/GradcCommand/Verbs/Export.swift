import Basics
import CRuntime
import Gradc
import GraphIR
import LoopIR
import ONNX
import Training

extension Verb {
  static let export = Verb(
    "export", "ONNX for other programs, or the weights alone", operands: "MODEL", count: 1...1,
    about: """
      Writes the model with its weights as ONNX, in inference form: what ONNX Runtime and others run, and what gradc reads back. Inputs, outputs \
      and parameters keep their names; the batch is the symbolic dimension N. Operators are those of ONNX's operator set \
      \(ONNXWriter.operatorSet). The numbers are what the model takes and gives: how a recipe encodes tables or scales images is no part of it. \
      To a .safetensors or .npz file the weights alone are written, parameters and running statistics by name. An operator that ONNX has no words \
      for is named, with exit code 3.
      """,
    flags: [
      CodeFlags.weights, Flag("seed", "N", "fresh weights of this seed instead of trained ones"),
      Flag("output", "FILE", "an .onnx file; .safetensors or .npz for the weights alone", short: "o"), CodeFlags.precision, ModelFlags.dim,
    ],
    examples: [
      Example("gradc export heart.gradc -o heart.onnx", "the weights of heart.safetensors, which train wrote"),
      Example("gradc export heart.gradc --seed 1 -o heart.onnx", "untrained"),
      Example("gradc export model.onnx --weights tuned.safetensors -o tuned.onnx", "a model from elsewhere with weights from here"),
      Example("gradc export model.onnx -o weights.npz", "the weights for NumPy"),
    ],
    run: { invocation, console in
      let path = try invocation.required("output", "an .onnx, .safetensors or .npz file")
      guard [".onnx", ".safetensors", ".npz"].contains(where: path.hasSuffix) else {
        throw usage("--output: found \"\(path)\", expected a file whose name ends in .onnx, .safetensors or .npz")
      }
      try requireWritable(path, "the model")
      let export = try Export(invocation, console)
      let count = NumberText.grouped(export.weights.reduce(0) { $0 + $1.dims.reduce(1, *) })
      guard path.hasSuffix(".onnx") else {
        if path.hasSuffix(".npz") {
          try Tensor.writeArchive(export.weights, to: path)
        } else {
          _ = try Tensor.write(export.weights, to: path)
        }
        console.line("wrote \(path): \(export.weights.count) tensors, \(count) numbers")
        return 0
      }
      let message = try export.message()
      try message.write(to: path)
      console.line(
        "wrote \(path): \(message.graph.node.count) nodes of operator set \(ONNXWriter.operatorSet), \(export.weights.count) tensors of "
          + "\(count) weights")
      return 0
    })
}

/// A model with its weights.
private struct Export {
  let model: Model
  /// Parameters and running statistics, in the order of the model.
  let weights: [Tensor]

  init(_ invocation: Invocation, _ console: Console) throws {
    var input = try ModelInput(invocation)
    let seed = try invocation.integer("seed", in: 0...(.max))
    if seed != nil, input.onnx != nil || invocation.has("weights") {
      throw usage("--seed makes fresh weights, but there are some already: leave it out")
    }
    if seed == nil { try input.adoptHead(invocation, console) }
    let element = try invocation.element(input.file)
    if seed == nil, !invocation.has("weights"), let onnx = input.onnx {
      model = try input.rendering { try buildModel(definition: input.definition, training: nil, element: element, maxBatch: 1) }
      weights = try model.parameters.map { parameter in
        guard let tensor = try onnx.tensor(parameter.name) else { throw Diagnostic.bug("no initializer is called '\(parameter.name)'") }
        return Tensor(parameter.name, dims: parameter.shape, Tensor(parameter.name, tensor).converted(to: element))
      }
      return
    }
    // The runtime reads weights into a compiled model, which says what is wrong with them.
    let compilation = try input.compiled(nil, element: element, maxBatch: 1, blas: .none)
    let program = compilation.program.keeping(entries: ["run", "initialize"])
    let session = try Session(Compilation(model: compilation.model, program: program), CodeOptions(mode: .tcc, blas: .none))
    let trainer = try Trainer(session)
    if let seed { try trainer.initialize(seed: UInt64(seed)) } else { try input.loadWeights(trainer, program, invocation) }
    let slots = Dictionary(uniqueKeysWithValues: program.tensors.map { ($0.name, $0) })
    model = compilation.model
    weights = model.parameters.map { parameter in
      Tensor(parameter.name, dims: parameter.shape, trainer.copy(slots[parameter.name]!, element: element))
    }
  }

  /// The model as ONNX.
  func message() throws -> ModelMessage {
    let values = Dictionary(uniqueKeysWithValues: weights.map { ($0.name, $0) })
    return try ModelMessage(model, gradcVersion: version) { parameter in
      HostTensor(model.element, parameter.shape, bytes: values[parameter.name]!.bytes)
    }
  }
}
