import Basics
import LoopIR

let licence = "This file belongs to whoever generated it. 0BSD for what came from gradc."

/// NAME.h: layout, sizes, offsets and functions.
func headerText(_ model: ModelText) -> String {
  let guardName = "\(model.macro)_H"
  var text = blockComment(["\(model.name).h: the model \(model.program.name), compiled to C.", "", licence])
  text += """
    #ifndef \(guardName)
    #define \(guardName)

    #include "gradc_model.h"

    #ifdef __cplusplus
    extern "C" {
    #endif

    \(sizes(model))
    \(offsets(model))\(structs(model))
    \(prototypes(model))
    #ifdef __cplusplus
    }
    #endif
    #endif

    """
  return text
}

private func sizes(_ model: ModelText) -> String {
  let layout = model.layout
  let macro = model.macro
  return """
    /* The largest batch, and exact sizes in bytes. All memory is the caller's, aligned to 64 bytes, and zero to begin with. */
    #define \(macro)_MAX_BATCH \(layout.maximumBatch)
    #define \(macro)_BYTES \(layout.modelBytes)
    #define \(macro)_TRAINER_BYTES \(layout.trainerBytes)
    #define \(macro)_SCRATCH_BYTES \(layout.scratchBytes)
    #define \(macro)_PARAMETERS \(model.program.parameterCount)
    #define \(macro)_STATE \(model.program.stateCount)

    """ + (model.program.entry("generate") == nil ? "" : generationSizes(model))
}

/// The sizes of generated text.
private func generationSizes(_ model: ModelText) -> String {
  let macro = model.macro
  return """
    /* Text that goes on token by token: bytes of what is kept of it, the most tokens of one text (0: any number), scores a token. */
    #define \(macro)_MEMORY_BYTES \(model.layout.memoryBytes)
    #define \(macro)_CONTEXT \(model.program.contextLength)
    #define \(macro)_VOCABULARY \(model.vocabulary)

    """
}

private func offsets(_ model: ModelText) -> String {
  if model.program.tensors.isEmpty { return "" }
  var text = "/* Where each tensor begins in `parameters` or `state`, in elements. */\n"
  for (tensor, macro) in zip(model.program.tensors, model.tensorMacros) {
    let shape = "[" + tensor.dims.map(String.init).joined(separator: ", ") + "]"
    let place = tensor.isState ? "state" : tensor.trainable ? "parameters" : "parameters, frozen"
    text += "#define \(macro) \(tensor.offset) /* \(place): \(commentText(tensor.name)) \(shape) */\n"
  }
  return text + "\n"
}

private func structs(_ model: ModelText) -> String {
  let (name, layout, real) = (model.name, model.layout, model.real)
  var lines = CLines()
  lines.line("/* Parameters and running state. */")
  lines.block("typedef struct \(name)", closing: "} \(name);") { lines in
    lines.line("gradc_parallel parallel; /* {0, 0}: work is done by the calling thread */")
    if layout.prepared > 0 {
      lines.line("int is_prepared; /* set by \(name)_prepare; to be cleared by who changes parameters or state */")
      lines.line("unsigned char padding[64 - sizeof(gradc_parallel) - sizeof(int)];")
    } else {
      lines.line("unsigned char padding[64 - sizeof(gradc_parallel)];")
    }
    if layout.parameters > 0 { lines.line("\(real) parameters[\(layout.parameters)]; /* \(model.program.parameterCount), padded */") }
    if layout.state > 0 { lines.line("\(real) state[\(layout.state)]; /* \(model.program.stateCount), padded */") }
    if layout.prepared > 0 { lines.line("\(real) prepared[\(layout.prepared)]; /* computed from them by \(name)_prepare */") }
  }
  if !layout.hasTrainer { return lines.text }
  lines.line()
  lines.line("/* What training needs besides. */")
  lines.block("typedef struct \(name)_trainer", closing: "} \(name)_trainer;") { lines in
    lines.line("\(name) model;")
    lines.line("gradc_controls controls;")
    lines.line("unsigned char padding[64 - sizeof(gradc_controls)];")
    if layout.gradients > 0 { lines.line("\(real) gradients[\(layout.gradients)]; /* \(model.program.gradientCount), padded */") }
    if layout.moments > 0 { lines.line("\(real) moments[\(layout.moments)]; /* \(model.program.momentCount), padded */") }
    if layout.ones > 0 { lines.line("\(real) ones[\(layout.ones)]; /* the weights of rows when the caller gives none */") }
    if layout.arena > 0 { lines.line("unsigned char arena[\(layout.arena)];") }
  }
  return lines.text
}

private func generationPrototypes(_ model: ModelText, _ signatures: Signatures) -> String {
  let (input, output) = (model.inputNames[0], model.outputNames[0])
  return """
    /* One token of each of n texts, \(input)[n], and the scores of the token that follows, \(output)[n][\(model.macro)_VOCABULARY]. memory holds what
     * is known of the texts so far: all zero before the first token. It begins with the number of tokens, an int64_t; at \(model.macro)_CONTEXT
     * (unless that is 0) the texts are full: GRADC_CONTEXT_END, and nothing changes. Re-entrant: all it writes is memory, \(output), scratch. */
    \(signatures.generate);
    /* Draws a token by the scores of one text: each by exp(score / temperature), among the top_k highest alone unless top_k is 0. Temperature 0
     * takes the highest. The draw depends on seed and position (the token's number in its text) alone. -1 where no score is a number. */
    \(signatures.sample);

    """
}

private func prototypes(_ model: ModelText) -> String {
  let signatures = Signatures(model: model)
  let program = model.program
  var text = "/* Every function that returns int returns 0 (GRADC_OK) or an error of gradc_model.h. n is the number of rows, 1 to "
  text += "\(model.macro)_MAX_BATCH. */\n"
  if model.options.load {
    text +=
      "/* Reads parameters and state from the bytes of a safetensors file. On an error the model is as it was. */\n\(signatures.load);\n"
  }
  if program.entry("prepare") != nil {
    text +=
      "/* Computes from parameters and state what run needs of them: once before the first run, and again when they change. */\n\(signatures.prepare);\n"
  }
  if program.entry("run") != nil { text += "/* Inference. Re-entrant: all it writes is outputs and scratch. */\n\(signatures.run);\n" }
  if program.entry("generate") != nil {
    text += generationPrototypes(model, signatures)
  }
  if program.entry("evaluate") != nil {
    text +=
      "/* Inference with the mean loss of the batch, without penalties. weights: a factor a row, or null. */\n\(signatures.evaluate);\n"
  }
  if model.layout.hasTrainer {
    text +=
      "/* Fresh parameters, state and moments from the seed. The rate, in controls.rate, is the caller's. */\n\(signatures.initialize);\n"
    if program.entry("backward") != nil {
      text += "/* Adds into the gradients. weights: a factor a row, or null. loss may be null. */\n\(signatures.backward);\n"
    }
    text += "/* Applies the optimizer to the gradients since the last update. */\n\(signatures.update);\n"
    if program.entry("backward") != nil { text += "/* backward, then update. */\n\(signatures.trainStep);\n" }
    text += "/* The gradients as one flat block, in the order of the parameters. */\n\(signatures.gradients);\n"
    text += "/* The squared norm of each tensor's gradient, in the order of the descriptor. */\n\(signatures.gradientNorms);\n"
  }
  text += "/* What an error means. */\n\(signatures.describeError);\n"
  return text + "\n/* Everything above, for programs that drive any model. */\nextern const gradc_model \(model.name)_model;\n"
}
