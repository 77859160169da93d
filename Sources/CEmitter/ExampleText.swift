import Basics
import LoopIR

/// example.c: loads the weights and runs one batch of one row: a raw one, or an image, when there is a preprocessing.
func exampleText(_ model: ModelText, row: RowText? = nil, image: ImageText? = nil) -> String {
  let (name, macro, program) = (model.name, model.macro, model.program)
  var lines = CLines()
  lines.block("int main(int argc, char **argv)") { lines in
    lines.line("\(name) *model = zeroed(\(macro)_BYTES);")
    lines.line("void *scratch = zeroed(\(macro)_SCRATCH_BYTES);")
    for (port, cName) in zip(program.inputs, model.inputNames) {
      let comment = row == nil && image == nil ? " /* \(commentText(port.name)): put a row's values here */" : ""
      lines.line("static \(port.element.cMemoryType) \(cName)[\(max(port.rowCount, 1))];\(comment)")
    }
    for (port, cName) in zip(program.outputs, model.outputNames) {
      lines.line("static \(port.element.cMemoryType) \(cName)[\(max(port.rowCount, 1))];")
    }
    if let row { rawRow(row, &lines) }
    if let image {
      lines.line("/* An image as a decoder gives it: put your own pixels here. */")
      lines.line("static uint8_t image[\(image.macro)_IMAGE_HEIGHT * \(image.macro)_IMAGE_WIDTH * \(image.macro)_IMAGE_CHANNELS];")
    }
    lines.line("size_t bytes;")
    lines.line("void *weights = contents(argc > 1 ? argv[1] : \"\(name).safetensors\", &bytes);")
    lines.line("int status;")
    lines.block("if (!model || !scratch || !weights)") { lines in
      lines.line("fprintf(stderr, \"cannot read the weights, or out of memory\\n\");")
      lines.line("return 1;")
    }
    if let row { encodeRow(row, &lines) }
    if let image { lines.line("\(image.name)_pixels(image, 1, \(model.inputNames[0]));") }
    lines.line("status = \(name)_load(model, weights, bytes);")
    let arguments = (["model"] + model.inputNames + model.outputNames + ["1", "scratch"]).joined(separator: ", ")
    if model.layout.prepared > 0 { lines.line("if (status == GRADC_OK) status = \(name)_prepare(model, scratch);") }
    lines.line("if (status == GRADC_OK) status = \(name)_run(\(arguments));")
    lines.block("if (status != GRADC_OK)") { lines in
      lines.line("fprintf(stderr, \"%s\\n\", \(name)_strerror(status));")
      lines.line("return 1;")
    }
    for (port, cName) in zip(program.outputs, model.outputNames) {
      lines.block("for (int i = 0; i < \(max(port.rowCount, 1)); ++i)") {
        $0.line("printf(\"\(cName)[%d] = %g\\n\", i, (double)\(cName)[i]);")
      }
    }
    if let row { readOutputs(row, &lines) }
    if let image, let output = model.outputNames.first, image.labels.count > 1, program.outputs[0].rowCount == image.labels.count {
      bestClass(output, image.name, image.macro, &lines)
    }
    lines.line("free(weights);")
    lines.line("free(scratch);")
    lines.line("free(model);")
    lines.line("return 0;")
  }
  return blockComment(["example.c: how to use the model \(program.name).", "", licence]) + """
    #include "\(name).h"\(row == nil ? image == nil ? "" : "\n#include \"\(name)_image.h\"" : "\n#include \"\(name)_row.h\"")
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>

    /* Zeroed memory with the alignment that the model needs. */
    static void *zeroed(size_t bytes) {
      const size_t size = bytes > 0 ? (bytes + 63) / 64 * 64 : 64;
      void *memory = aligned_alloc(64, size);
      return memory ? memset(memory, 0, size) : memory;
    }

    /* The bytes of a file; null when it cannot be read. */
    static void *contents(const char *path, size_t *bytes) {
      FILE *file = fopen(path, "rb");
      unsigned char *text = 0;
      *bytes = 0;
      if (!file) return 0;
      for (size_t capacity = 4096;; capacity *= 2) {
        unsigned char *larger = realloc(text, capacity);
        if (!larger) break;
        text = larger;
        *bytes += fread(text + *bytes, 1, capacity - *bytes, file);
        if (*bytes < capacity) {
          fclose(file);
          return text;
        }
      }
      fclose(file);
      free(text);
      return 0;
    }


    """ + lines.text
}

/// A row of raw columns in the middle of what was seen in training.
private func rawRow(_ row: RowText, _ lines: inout CLines) {
  lines.line("/* A row as it stands in the data: put your own values here. */")
  lines.block("const \(row.name)_row row =", closing: "};") { lines in
    for field in row.fields { lines.line(".\(field.cName) = \(typicalValue(field.columns[0].encoding)),") }
  }
  lines.line("\(row.name)_problem problem;")
}

private func typicalValue(_ encoding: Preprocessing.Encoding) -> String {
  switch encoding {
  case .number(let offset, _, _):
    // Three decimals say enough, unless they say nothing.
    let rounded = (offset * 1000).rounded() / 1000
    return floatText(rounded == 0 || !rounded.isFinite ? offset : rounded, .f64)
  case .category(.numbers(let values), _, _, _): return floatText(values.first ?? 0, .f64)
  case .category(.texts(let values), _, _, _): return stringLiteral(values.first ?? "")
  }
}

private func encodeRow(_ row: RowText, _ lines: inout CLines) {
  let arguments = ["&row", "1"] + row.model.inputNames + ["&problem"]
  lines.block("if (\(row.name)_encode(\(arguments.joined(separator: ", "))) != 0)") { lines in
    lines.line("fprintf(stderr, \"row %d, column %s: %s\\n\", problem.row + 1, problem.column, problem.message);")
    lines.line("return 1;")
  }
}

/// What the first output means: a class, or a number in the target's own unit.
private func readOutputs(_ row: RowText, _ lines: inout CLines) {
  guard let output = row.model.outputNames.first else { return }
  if row.tellsTwoClasses {
    let isSecond = "(double)\(output)[0] >= \(row.macro)_THRESHOLD"
    lines.line(
      row.labels.isEmpty ? "printf(\"class: %d\\n\", \(isSecond));" : "printf(\"class: %s\\n\", \(row.name)_labels[\(isSecond)]);")
  } else if row.tellsClasses {
    bestClass(output, row.name, row.macro, &lines)
  } else if row.decodes {
    let count = row.preprocessing.targets.count
    lines.block("") { lines in
      lines.line("double values[\(count)];")
      lines.line("\(row.name)_decode(\(output), 1, values);")
      for (index, target) in row.preprocessing.targets.enumerated() {
        lines.line("printf(\"%s: %g\\n\", \(stringLiteral(target.name)), values[\(index)]);")
      }
    }
  }
}

/// The class of the largest probability, by name.
private func bestClass(_ output: String, _ name: String, _ macro: String, _ lines: inout CLines) {
  lines.block("") { lines in
    lines.line("int best = 0;")
    lines.block("for (int i = 1; i < \(macro)_LABELS; ++i)") { $0.line("if (\(output)[i] > \(output)[best]) best = i;") }
    lines.line("printf(\"class: %s\\n\", \(name)_labels[best]);")
  }
}
