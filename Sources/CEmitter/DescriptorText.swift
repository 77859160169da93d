import Basics
import LoopIR

/// The descriptor, its tables, and the generic wrappers that it points to.
func descriptorText(_ model: ModelText) -> String {
  let program = model.program
  let name = model.name
  var text = Signatures(model: model).wrappers
  for (kind, ports) in [("inputs", program.inputs), ("outputs", program.outputs), ("targets", program.targets)] {
    text += portTable(ports, kind, name)
  }
  let tasks: [Task: String] = [.regression: "GRADC_TASK_REGRESSION", .binary: "GRADC_TASK_BINARY", .classes: "GRADC_TASK_CLASSES"]
  var lines = CLines()
  lines.block("const gradc_model \(name)_model =", closing: "};") { lines in
    lines.line(
      "GRADC_MODEL_VERSION, \(stringLiteral(program.name)), \(program.element.descriptorName), \(model.macro)_MAX_BATCH,")
    let trainer = model.layout.hasTrainer
    lines.line("sizeof(\(name)), \(trainer ? "sizeof(\(name)_trainer)" : "0"), \(model.macro)_SCRATCH_BYTES, 64,")
    for row in memberOffsets(model) { lines.line(row) }
    lines.line("\(program.parameterCount), \(program.stateCount), \(program.gradientCount), \(program.momentCount),")
    lines.line("\(program.tensors.count), \(program.tensors.isEmpty ? "0" : "\(name)_tensors"),")
    for (kind, ports) in [("inputs", program.inputs), ("outputs", program.outputs), ("targets", program.targets)] {
      lines.line("\(ports.count), \(ports.isEmpty ? "0" : "\(name)_\(kind)"),")
    }
    lines.line("\(tasks[program.task]!),")
    let backward = trainer && program.entry("backward") != nil
    let functions: [(String, Bool)] = [
      ("initialize", trainer), ("run", program.entry("run") != nil), ("evaluate", program.entry("evaluate") != nil), ("backward", backward),
      ("update", trainer), ("train_step", backward), ("gradient_norms", trainer),
      ("prepare", program.entry("prepare") != nil),
    ]
    lines.line(functions.map { $1 ? "\(name)_any_\($0)" : "0" }.joined(separator: ", ") + ",")
    let generates = program.entry("generate") != nil
    lines.line(
      generates
        ? "\(model.macro)_MEMORY_BYTES, \(model.macro)_CONTEXT, \(model.macro)_VOCABULARY, \(name)_any_generate" : "0, 0, 0, 0")
  }
  return text + lines.text
}

/// Members that are not there are said to lie at the struct's end.
private func memberOffsets(_ model: ModelText) -> [String] {
  let (name, layout) = (model.name, model.layout)
  func offset(_ type: String, _ member: String, _ isThere: Bool) -> String { isThere ? "offsetof(\(type), \(member))" : "sizeof(\(type))" }
  let inModel = [
    "offsetof(\(name), parallel)", offset(name, "parameters", layout.parameters > 0), offset(name, "state", layout.state > 0),
  ]
  let trainer = "\(name)_trainer"
  let inTrainer =
    layout.hasTrainer
    ? [
      "offsetof(\(trainer), controls)", offset(trainer, "gradients", layout.gradients > 0), offset(trainer, "moments", layout.moments > 0),
    ] : ["0", "0", "0"]
  return [inModel.joined(separator: ", ") + ",", inTrainer.joined(separator: ", ") + ","]
}

/// The tensors as descriptor and loader read them.
func tensorTable(_ model: ModelText) -> String {
  let (program, name) = (model.program, model.name)
  if program.tensors.isEmpty { return model.options.load ? "static const gradc_tensor \(name)_tensors[1];\n\n" : "" }
  var text = ""
  for (number, tensor) in program.tensors.enumerated() where !tensor.dims.isEmpty {
    text += "static const int64_t \(name)_dims_\(number)[] = {\(tensor.dims.map(String.init).joined(separator: ", "))};\n"
  }
  var lines = CLines()
  lines.block("static const gradc_tensor \(name)_tensors[] =", closing: "};") { lines in
    for (number, tensor) in program.tensors.enumerated() {
      let dims = tensor.dims.isEmpty ? "0" : "\(name)_dims_\(number)"
      lines.line(
        "{\(stringLiteral(tensor.name)), \(tensor.dims.count), \(dims), \(tensor.offset), \(tensor.count), \(tensor.isState ? 1 : 0), "
          + "\(tensor.trainable && !tensor.isState ? 1 : 0)},")
    }
  }
  return text + lines.text + "\n"
}

private func portTable(_ ports: [Port], _ kind: String, _ name: String) -> String {
  if ports.isEmpty { return "" }
  var text = ""
  for (number, port) in ports.enumerated() {
    let dims = [-1] + port.dims
    text += "static const int64_t \(name)_\(kind)_\(number)[] = {\(dims.map(String.init).joined(separator: ", "))};\n"
  }
  var lines = CLines()
  lines.block("static const gradc_port \(name)_\(kind)[] =", closing: "};") { lines in
    for (number, port) in ports.enumerated() {
      lines.line(
        "{\(stringLiteral(port.name)), \(port.element.descriptorName), \(port.dims.count + 1), \(name)_\(kind)_\(number), "
          + "\(port.rowCount)},")
    }
  }
  return text + lines.text + "\n"
}
