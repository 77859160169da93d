import Basics
import LoopIR

/// example.c: loads the weights and runs one batch of one row.
func exampleText(_ model: ModelText) -> String {
  let (name, macro, program) = (model.name, model.macro, model.program)
  var lines = CLines()
  lines.block("int main(int argc, char **argv)") { lines in
    lines.line("\(name) *model = zeroed(\(macro)_BYTES);")
    lines.line("void *scratch = zeroed(\(macro)_SCRATCH_BYTES);")
    for (port, cName) in zip(program.inputs, model.inputNames) {
      lines.line(
        "static \(port.element.cMemoryType) \(cName)[\(max(port.rowCount, 1))]; /* \(commentText(port.name)): put a row's values here */")
    }
    for (port, cName) in zip(program.outputs, model.outputNames) {
      lines.line("static \(port.element.cMemoryType) \(cName)[\(max(port.rowCount, 1))];")
    }
    lines.line("size_t bytes;")
    lines.line("void *weights = contents(argc > 1 ? argv[1] : \"\(name).safetensors\", &bytes);")
    lines.line("int status;")
    lines.block("if (!model || !scratch || !weights)") { lines in
      lines.line("fprintf(stderr, \"cannot read the weights, or out of memory\\n\");")
      lines.line("return 1;")
    }
    lines.line("status = \(name)_load(model, weights, bytes);")
    let arguments = (["model"] + model.inputNames + model.outputNames + ["1", "scratch"]).joined(separator: ", ")
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
    lines.line("free(weights);")
    lines.line("free(scratch);")
    lines.line("free(model);")
    lines.line("return 0;")
  }
  return blockComment(["example.c: how to use the model \(program.name).", "", licence]) + """
    #include "\(name).h"
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
