import CResources
import LoopIR

/// `generate` and `sample`: a text that goes on token by token.
func generate(_ entry: Entry, _ signatures: Signatures, _ model: inout ModelText) throws -> String {
  let program = model.program
  let body = try EntryText.body(of: entry, in: &model)
  var lines = CLines()
  lines.block(signatures.generate) { lines in
    lines.line(batchCheck(model))
    if program.contextLength > 0 {
      lines.line("if (*(const int64_t *)memory >= \(model.macro)_CONTEXT) return GRADC_CONTEXT_END;")
    }
    if !body.contains("model->") { lines.line("(void)model;") }
    if !uses(entry, program, { $0 == .input(0) }) { lines.line("(void)\(model.inputNames[0]);") }
    lines.line(uses(entry, program) { $0 == .arena } ? "unsigned char *const arena = scratch;" : "(void)scratch;")
    lines.raw(body)
    lines.line("return GRADC_OK;")
  }
  var sample = CLines()
  sample.block(signatures.sample) { lines in
    let isDouble = program.element == .f64 ? 1 : 0
    lines.line("return gradc_sample_scores(scores, \(isDouble), \(model.macro)_VOCABULARY, temperature, top_k, seed, position);")
  }
  return lines.text + "\n" + sampler + "\n" + sample.text + "\n"
}

extension ModelText {
  /// Scores of `generate` a row.
  var vocabulary: Int { program.outputs.first?.dims.last ?? 0 }
}

/// The runtime's own way to draw a token, so that `gradc generate` and embedded code write the same text.
private let sampler: String = {
  let lines = resource("sample.c").split(separator: "\n", omittingEmptySubsequences: false)
  let body = lines.drop { !$0.hasPrefix("/* From here") }.dropFirst().prefix { !$0.hasPrefix("/* Up to here") }
  return body.map { $0 + "\n" }.joined()
}()
