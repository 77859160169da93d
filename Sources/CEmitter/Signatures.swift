import Basics
import LoopIR

/// The public functions of a model, as header and source declare them.
struct Signatures {
  let model: ModelText

  private var name: String { model.name }

  private func pointers(_ ports: [Port], _ names: [String], constant: Bool) -> [String] {
    zip(ports, names).map { "\(constant ? "const " : "")\($0.element.cMemoryType) *\($1)" }
  }

  private var inputs: [String] { pointers(model.program.inputs, model.inputNames, constant: true) }
  private var outputs: [String] { pointers(model.program.outputs, model.outputNames, constant: false) }
  private var targets: [String] { pointers(model.program.targets, model.targetNames, constant: true) }
  private var weights: String { "const \(model.real) *weights" }

  private func function(_ suffix: String, _ arguments: [String], returning type: String = "int ") -> String {
    wrapped("\(type)\(name)_\(suffix)(\(arguments.joined(separator: ", ")))")
  }

  var run: String { function("run", ["const \(name) *model"] + inputs + outputs + ["int n", "void *scratch"]) }

  var generate: String {
    function("generate", ["const \(name) *model", "void *memory"] + inputs.prefix(1) + outputs.prefix(1) + ["int n", "void *scratch"])
  }

  var sample: String {
    function("sample", ["const \(model.real) *scores", "double temperature", "int top_k", "uint64_t seed", "int64_t position"])
  }

  var evaluate: String {
    function("evaluate", ["const \(name) *model"] + inputs + targets + [weights, "int n"] + outputs + ["double *loss", "void *scratch"])
  }

  var backward: String { function("backward", ["\(name)_trainer *trainer"] + inputs + targets + [weights, "int n", "double *loss"]) }
  var update: String { function("update", ["\(name)_trainer *trainer"]) }
  var trainStep: String { function("train_step", ["\(name)_trainer *trainer"] + inputs + targets + [weights, "int n", "double *loss"]) }
  var initialize: String { function("initialize", ["\(name)_trainer *trainer", "uint64_t seed"]) }
  var gradients: String { function("gradients", ["\(name)_trainer *trainer", "size_t *count"], returning: model.real + " *") }
  var gradientNorms: String { function("gradient_norms", ["const \(name)_trainer *trainer", "double *norms"]) }
  var prepare: String { function("prepare", ["\(name) *model", "void *scratch"]) }
  var load: String { function("load", ["\(name) *model", "const void *safetensors", "size_t bytes"]) }
  var describeError: String { function("strerror", ["int status"], returning: "const char *") }

  /// Arguments of calls from the generic wrappers: elements of arrays of pointers.
  private func elements(_ ports: [Port], of array: String) -> [String] { ports.indices.map { "\(array)[\($0)]" } }

  /// A wrapper of the descriptor: its signature and the call that it makes.
  func generic(_ suffix: String, _ arguments: [String], calls: [String], unused: [String] = []) -> String {
    var lines = CLines()
    lines.block(wrapped("static int \(name)_any_\(suffix)(\(arguments.joined(separator: ", ")))")) { lines in
      for name in unused { lines.line("(void)\(name);") }
      lines.line("return \(name)_\(suffix)(\(calls.joined(separator: ", ")));")
    }
    return lines.text + "\n"
  }

  private var unusedPorts: [String] {
    (model.program.inputs.isEmpty ? ["inputs"] : []) + (model.program.targets.isEmpty ? ["targets"] : [])
  }

  /// The wrappers of all entries that the program has.
  var wrappers: String {
    let ports = "const void *const *inputs"
    let targets = "const void *const *targets, const void *weights, int n"
    let inputCalls = elements(model.program.inputs, of: "inputs")
    let targetCalls = elements(model.program.targets, of: "targets") + ["weights", "n"]
    let outputCalls = elements(model.program.outputs, of: "outputs")
    let noOutputs = model.program.outputs.isEmpty ? ["outputs"] : []
    var text = ""
    if model.program.entry("run") != nil {
      text += generic(
        "run", ["const void *model", ports, "void *const *outputs", "int n", "void *scratch"],
        calls: ["model"] + inputCalls + outputCalls + ["n", "scratch"], unused: (model.program.inputs.isEmpty ? ["inputs"] : []) + noOutputs
      )
    }
    if model.program.entry("evaluate") != nil {
      text += generic(
        "evaluate", ["const void *model", ports, targets, "void *const *outputs", "double *loss", "void *scratch"],
        calls: ["model"] + inputCalls + targetCalls + outputCalls + ["loss", "scratch"], unused: unusedPorts + noOutputs)
    }
    if model.program.entry("generate") != nil {
      text += generic(
        "generate", ["const void *model", "void *memory", "const void *tokens", "void *scores", "int n", "void *scratch"],
        calls: ["model", "memory", "tokens", "scores", "n", "scratch"])
    }
    if model.program.entry("prepare") != nil {
      text += generic("prepare", ["void *model", "void *scratch"], calls: ["model", "scratch"])
    }
    if !model.layout.hasTrainer { return text }
    text += generic("initialize", ["void *trainer", "uint64_t seed"], calls: ["trainer", "seed"])
    for suffix in ["backward", "train_step"] where model.program.entry("backward") != nil {
      text += generic(
        suffix, ["void *trainer", ports, targets], calls: ["trainer"] + inputCalls + targetCalls + ["0"], unused: unusedPorts)
    }
    text += generic("update", ["void *trainer"], calls: ["trainer"])
    text += generic("gradient_norms", ["const void *trainer", "double *norms"], calls: ["trainer", "norms"])
    return text
  }
}
