import Basics
import LoopIR

/// The parts of NAME.c: constants and helpers, kernels, entries and descriptor.
func sourceParts(_ model: inout ModelText) throws -> SourceParts {
  // The entries come first: they decide which helpers are needed.
  let entries = try entryTexts(&model)
  let name = model.name
  var text = blockComment(["\(name).c: the model \(model.program.name), compiled to C.", "", licence])
  text += """
    #include "\(name).h"
    #include <math.h>
    #include <string.h>

    /* Keeps clang from unrolling a short loop over neighbouring elements before it can make vector code of it, and a loop over an odd number of
     * terms so far that it no longer keeps the sums in registers. */
    #if defined(__clang__)
    #pragma STDC FP_CONTRACT OFF
    #define GRADC_VECTOR _Pragma("clang loop unroll(disable)")
    #define GRADC_TERMS _Pragma("clang loop unroll_count(4)")
    #else
    #define GRADC_VECTOR
    #define GRADC_TERMS
    #endif
    #if defined(__GNUC__)
    #define GRADC_NOINLINE __attribute__((noinline))
    #else
    #define GRADC_NOINLINE
    #endif

    typedef char \(name)_has_the_stated_size[sizeof(\(name)) == \(model.macro)_BYTES ? 1 : -1];

    """
  if model.layout.hasTrainer {
    text += "typedef char \(name)_trainer_has_the_stated_size[sizeof(\(name)_trainer) == \(model.macro)_TRAINER_BYTES ? 1 : -1];\n"
  }
  text += "\n" + arenaPlan(model.program)
  for part in [model.helpers.text, model.functions.text, model.gemms.text, constantTexts(model), partsRunner(model)] where !part.isEmpty {
    text += part + "\n"
  }
  let end = entries + tensorTable(model) + (model.options.load ? loaderText(model) + "\n" : "") + descriptorText(model)
  return SourceParts(beginning: text, kernels: model.kernelParts, end: end)
}

private func arenaPlan(_ program: Program) -> String {
  let rows = program.buffers.filter { $0.block == .arena }.sorted { ($0.offset, $0.name) < ($1.offset, $1.name) }
  if rows.isEmpty { return "" }
  func column(_ text: String, _ width: Int) -> String { String(repeating: " ", count: max(0, width - text.count)) + text }
  let table = rows.map { column("\($0.offset)", 10) + column("\($0.count * $0.element.size)", 12) + "  " + $0.name }
  return blockComment(
    ["The arena: buffers that are never needed at the same time share their place.", column("offset", 10) + column("bytes", 12)] + table)
    + "\n"
}

private func constantTexts(_ model: ModelText) -> String {
  let texts = zip(model.program.constants, model.constantNames).map { constantText($0, named: $1) }
  if texts.isEmpty { return "" }
  let long = zip(model.program.constants, model.constantNames).contains { constantReference($0, named: $1) != $1 }
  if !long { return texts.joined() }
  return """
    #if defined(__GNUC__)
    #pragma GCC diagnostic push
    #pragma GCC diagnostic ignored "-Woverlength-strings"
    #endif
    \(texts.joined())#if defined(__GNUC__)
    #pragma GCC diagnostic pop
    #endif

    """
}

private func partsRunner(_ model: ModelText) -> String {
  guard model.program.kernels.contains(where: \.hasParts) else { return "" }
  return """
    /* Runs all parts, on the caller's threads if there are any. */
    static void gradc_run_parts(const gradc_parallel *parallel, gradc_part *body, void *context, int parts) {
      if (parallel->run && parts > 1) {
        parallel->run(parallel->pool, body, context, parts);
      } else {
        for (int part = 0; part < parts; ++part) {
          body(context, part);
        }
      }
    }

    """
}

private func entryTexts(_ model: inout ModelText) throws -> String {
  let signatures = Signatures(model: model)
  var text = ""
  if let entry = model.program.entry("prepare") { text += try prepare(entry, signatures.prepare, &model) }
  if let entry = model.program.entry("run") { text += try inference(entry, signatures.run, &model) }
  if let entry = model.program.entry("generate") { text += try generate(entry, signatures, &model) }
  if let entry = model.program.entry("evaluate") { text += try inference(entry, signatures.evaluate, &model) }
  if model.layout.hasTrainer {
    text += try initialize(signatures.initialize, &model)
    if let entry = model.program.entry("backward") { text += try backward(entry, signatures.backward, &model) }
    text += try update(signatures.update, &model)
    if model.program.entry("backward") != nil { text += trainStep(signatures.trainStep, model) }
    text += gradientTexts(signatures, model)
  }
  return text + describeError(signatures.describeError, model)
}

func batchCheck(_ model: ModelText) -> String { "if (n < 1 || n > \(model.macro)_MAX_BATCH) return GRADC_BATCH_RANGE;" }

func uses(_ entry: Entry, _ program: Program, _ test: (Block) -> Bool) -> Bool {
  entry.flatSteps.contains { $0.step.buffers.contains { test(program.buffers[$0].block) } }
}

/// `run` and `evaluate`: the model does not change, working memory is the caller's.
private func inference(_ entry: Entry, _ signature: String, _ model: inout ModelText) throws -> String {
  let program = model.program
  let body = try EntryText.body(of: entry, in: &model)
  let evaluates = entry.name == "evaluate"
  let readsWeights = evaluates && uses(entry, program) { $0 == .weights }
  let hasControls = evaluates || uses(entry, program) { $0 == .controls }
  var lines = CLines()
  lines.block(signature) { lines in
    lines.line(batchCheck(model))
    if uses(entry, program, { $0 == .prepared }) { lines.line("if (!model->is_prepared) return GRADC_NOT_PREPARED;") }
    if !body.contains("model->") { lines.line("(void)model;") }
    for port in model.inputNames + (evaluates ? model.targetNames : []) + model.outputNames
    where !usesPort(port, entry, model) { lines.line("(void)\(port);") }
    if readsWeights || uses(entry, program, { $0 == .arena }) {
      lines.line("unsigned char *const arena = scratch;")
    } else {
      lines.line("(void)scratch;")
    }
    if readsWeights {
      onesForNull(model, ones: "(\(model.real) *)(void *)(arena + \(model.layout.scratchArena))", &lines)
    } else if evaluates {
      lines.line("(void)weights;")
    }
    if hasControls { lines.line("gradc_controls controls = {0, 0, 0, 0, 0, 0, 0};") }
    lines.raw(body)
    if evaluates { lines.line("if (loss) *loss = controls.\(lossMember(entry, program));") }
    lines.line("return GRADC_OK;")
  }
  return lines.text + "\n"
}

/// `prepare`: what the weights alone decide, computed once.
private func prepare(_ entry: Entry, _ signature: String, _ model: inout ModelText) throws -> String {
  let body = try EntryText.body(of: entry, in: &model)
  var lines = CLines()
  lines.block(signature) { lines in
    lines.line(uses(entry, model.program) { $0 == .arena } ? "unsigned char *const arena = scratch;" : "(void)scratch;")
    lines.raw(body)
    lines.line("model->is_prepared = 1;")
    lines.line("return GRADC_OK;")
  }
  return lines.text + "\n"
}

private func usesPort(_ name: String, _ entry: Entry, _ model: ModelText) -> Bool {
  uses(entry, model.program) { block in
    switch block {
    case .input(let port): model.inputNames[port] == name
    case .output(let port): model.outputNames[port] == name
    case .target(let port): model.targetNames[port] == name
    default: false
    }
  }
}

/// The loss without penalties where the entry computes it apart.
private func lossMember(_ entry: Entry, _ program: Program) -> String {
  let writesDataLoss = entry.steps.contains { step in
    if case .call(_, let buffers) = step {
      return buffers.contains { program.buffers[$0].block == .controls && program.buffers[$0].offset == Controls.dataLoss }
    }
    return false
  }
  return writesDataLoss ? "data_loss" : "loss"
}

private func onesForNull(_ model: ModelText, ones: String, _ lines: inout CLines) {
  lines.block("if (!weights)") { lines in
    lines.line("\(model.real) *const ones = \(ones);")
    lines.block("for (int i = 0; i < n; ++i)") { $0.line("ones[i] = \(floatText(1, model.program.element));") }
    lines.line("weights = ones;")
  }
}

private func arenaLine(_ entry: Entry, _ program: Program) -> String? {
  uses(entry, program) { $0 == .arena } ? "unsigned char *const arena = trainer->arena;" : nil
}

private func initialize(_ signature: String, _ model: inout ModelText) throws -> String {
  let entry = model.program.entry("initialize") ?? Entry(name: "initialize", steps: [], arenaBytes: 0)
  let body = try EntryText.body(of: entry, in: &model)
  let layout = model.layout
  var lines = CLines()
  lines.block(signature) { lines in
    if layout.parameters > 0 { lines.line("memset(trainer->model.parameters, 0, sizeof trainer->model.parameters);") }
    if layout.state > 0 { lines.line("memset(trainer->model.state, 0, sizeof trainer->model.state);") }
    if layout.prepared > 0 { lines.line("trainer->model.is_prepared = 0;") }
    if layout.gradients > 0 { lines.line("memset(trainer->gradients, 0, sizeof trainer->gradients);") }
    if layout.moments > 0 { lines.line("memset(trainer->moments, 0, sizeof trainer->moments);") }
    for member in ["loss", "data_loss", "norm"] { lines.line("trainer->controls.\(member) = 0.0;") }
    lines.line("trainer->controls.seed = seed;")
    for member in ["step", "micro"] { lines.line("trainer->controls.\(member) = 0;") }
    if let arena = arenaLine(entry, model.program) { lines.line(arena) }
    lines.raw(body)
    lines.line("return GRADC_OK;")
  }
  return lines.text + "\n"
}

private func backward(_ entry: Entry, _ signature: String, _ model: inout ModelText) throws -> String {
  let body = try EntryText.body(of: entry, in: &model)
  var lines = CLines()
  lines.block(signature) { lines in
    lines.line(batchCheck(model))
    for port in model.inputNames + model.targetNames where !usesPort(port, entry, model) { lines.line("(void)\(port);") }
    if uses(entry, model.program, { $0 == .weights }) {
      onesForNull(model, ones: "trainer->ones", &lines)
    } else {
      lines.line("(void)weights;")
    }
    if let arena = arenaLine(entry, model.program) { lines.line(arena) }
    lines.raw(body)
    lines.line("trainer->controls.micro += 1;")
    lines.line("if (loss) *loss = trainer->controls.loss;")
    lines.line("return GRADC_OK;")
  }
  return lines.text + "\n"
}

private func update(_ signature: String, _ model: inout ModelText) throws -> String {
  let entry = model.program.entry("update") ?? Entry(name: "update", steps: [], arenaBytes: 0)
  let body = try EntryText.body(of: entry, in: &model)
  var lines = CLines()
  lines.block(signature) { lines in
    if let arena = arenaLine(entry, model.program) { lines.line(arena) }
    lines.raw(body)
    lines.line("trainer->controls.micro = 0;")
    lines.line("trainer->controls.step += 1;")
    lines.line("return GRADC_OK;")
  }
  return lines.text + "\n"
}

private func trainStep(_ signature: String, _ model: ModelText) -> String {
  let arguments = ["trainer"] + model.inputNames + model.targetNames + ["weights", "n", "loss"]
  var lines = CLines()
  lines.block(signature) { lines in
    lines.line("const int status = \(model.name)_backward(\(arguments.joined(separator: ", ")));")
    lines.line("return status != GRADC_OK ? status : \(model.name)_update(trainer);")
  }
  return lines.text + "\n"
}

private func gradientTexts(_ signatures: Signatures, _ model: ModelText) -> String {
  var lines = CLines()
  lines.block(signatures.gradients) { lines in
    lines.line("if (count) *count = \(model.program.gradientCount);")
    if model.layout.gradients == 0 { lines.line("(void)trainer;") }
    lines.line("return \(model.layout.gradients > 0 ? "trainer->gradients" : "0");")
  }
  lines.line()
  lines.block(signatures.gradientNorms) { lines in
    var isUsed = false
    for (number, tensor) in model.program.tensors.enumerated() {
      lines.line("norms[\(number)] = 0.0;")
      if tensor.isState || !tensor.trainable || tensor.count == 0 || tensor.offset + tensor.count > model.program.gradientCount { continue }
      isUsed = true
      lines.block("for (size_t i = \(tensor.offset); i < \(tensor.offset + tensor.count); ++i)") {
        let cast = model.program.element == .f32 ? "(double)" : ""
        $0.line("norms[\(number)] += \(cast)trainer->gradients[i] * \(cast)trainer->gradients[i];")
      }
    }
    if !isUsed { lines.line("(void)trainer;") }
    if model.program.tensors.isEmpty { lines.line("(void)norms;") }
    lines.line("return GRADC_OK;")
  }
  return lines.text + "\n"
}

private func describeError(_ signature: String, _ model: ModelText) -> String {
  let notPrepared =
    model.layout.prepared > 0
    ? "case GRADC_NOT_PREPARED: return \"the weights are not prepared: call \(model.name)_prepare first\";\n    " : ""
  let contextEnd =
    model.program.entry("generate") != nil && model.program.contextLength > 0
    ? "case GRADC_CONTEXT_END: return \"the text has as many tokens as the model can see\";\n    " : ""
  return """
    \(signature) {
      switch (status) {
        case GRADC_OK: return "no error";
        case GRADC_BATCH_RANGE: return "the number of rows is below 1 or above the largest batch";
        case GRADC_NOT_FINITE: return "the loss or the gradient norm is NaN or infinite";
        case GRADC_BAD_WEIGHTS: return "not a safetensors file of this model";
        case GRADC_MISSING_TENSOR: return "a tensor of the model is not in the file";
        case GRADC_WRONG_SHAPE: return "a tensor has another shape or element type";
        \(notPrepared)\(contextEnd)default: return "unknown error";
      }
    }


    """
}
