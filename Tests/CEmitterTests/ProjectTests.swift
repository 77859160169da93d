import Basics
import CEmitter
import Foundation
import LoopIR
import XCTest

@testable import TestSupport

/// Projects as users get them: built by make and CMake, embedded in C and C++, loaded with good and hostile weights, under sanitizers.
final class ProjectTests: XCTestCase {
  /// A safetensors file.
  private func safetensors(_ header: String, _ data: [UInt8]) -> [UInt8] {
    let length = UInt64(header.utf8.count)
    return (0..<8).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) } + Array(header.utf8) + data
  }

  private let parameters = numbers(480)

  private var goodHeader: String {
    #"{"__metadata__":{"format":"pt"},"dense1.bias":{"dtype":"F32","shape":[16],"data_offsets":[1856,1920]}, "#
      + #""dense\u0031.weight":{"shape":[29,16],"dtype":"F32","data_offsets":[0,1856]}}  "#
  }

  private var goodWeights: [UInt8] { safetensors(goodHeader, bytes(parameters, .f32)) }

  /// The output of the example for a row of zeros: relu of the biases.
  private var expectedLines: [String] {
    parameters[464...].enumerated().map { "hidden[\($0)] = " + String(format: "%g", max(0, Double(Float($1)))) }
  }

  private func project(gemm: Bool = false, blas: EmitOptions.BLAS = .none, recipe: String? = nil) throws -> EmittedProject {
    let runtime = [
      EmittedFile(
        "runtime/include/gradc_train.h",
        "#include \"gradc_model.h\"\nint gradc_trainer_main(const gradc_model *, const char *, int, char **);\n"),
      EmittedFile(
        "runtime/train.c",
        "#include \"gradc_train.h\"\n#include <stdio.h>\nint gradc_trainer_main(const gradc_model *m, const char *r, int c, char **v)"
          + "{ (void)c; (void)v; printf(\"%s: %s\", m->name, r); return 0; }\n"),
    ]
    return try emitProject(
      Sample.dense(gemm: gemm), options: EmitOptions(blas: blas),
      contents: ProjectContents(weights: goodWeights, recipe: recipe, runtime: recipe == nil ? [] : runtime))
  }

  func testMakeBuildsExampleAndTrainer() throws {
    let folder = try temporaryFolder(self)
    let recipe = "epochs 3\nname \"a \\ b\"\n" + String(repeating: "x", count: 5000) + "\n"
    try write(try project(gemm: true, blas: .cblas, recipe: recipe), to: folder)
    let strict = "CFLAGS=-O1 -Wall -Wextra -Wconversion -Wpedantic -Werror"
    let made = try execute(["make", "-s", strict], in: folder)
    XCTAssertEqual(made.output, "")
    XCTAssertEqual(made.status, 0)
    XCTAssertEqual(try execute(["./tiny_example"], in: folder).output.split(separator: "\n").map(String.init), expectedLines)
    XCTAssertEqual(try execute(["./tiny_trainer"], in: folder).output, "tiny: " + recipe)
    XCTAssertEqual(try execute(["./tiny_example", "missing"], in: folder).status, 1)
  }

  func testCMakeBuilds() throws {
    guard isInstalled("cmake") else { throw XCTSkip("no cmake") }
    let folder = try temporaryFolder(self)
    try write(try project(recipe: "epochs 1\n"), to: folder)
    let configured = try execute(["cmake", "-S", ".", "-B", "out"], in: folder)
    XCTAssertEqual(configured.status, 0, configured.output)
    let built = try execute(["cmake", "--build", "out"], in: folder)
    XCTAssertEqual(built.status, 0, built.output)
    XCTAssertEqual(try execute(["out/tiny_example"], in: folder).output.split(separator: "\n").map(String.init), expectedLines)
  }

  /// The libraries of image files are asked for where the runtime's readers of them come along, and nowhere else.
  func testLibrariesOfImages() throws {
    let reader = EmittedFile("runtime/image_read.c", "int reader;\n")
    for runtime in [[], [reader]] {
      let project = try emitProject(
        Sample.dense(), options: EmitOptions(blas: .none),
        contents: ProjectContents(weights: goodWeights, recipe: "epochs 1\n", runtime: runtime))
      let make = project.file("Makefile")!.text, cmake = project.file("CMakeLists.txt")!.text
      XCTAssertEqual(make.contains("-lpng -ljpeg -lz -lm -o"), !runtime.isEmpty, make)
      XCTAssertEqual(make.contains("-DGRADC_IMAGES"), !runtime.isEmpty, make)
      XCTAssertEqual(cmake.contains("tiny_library png jpeg z Threads::Threads"), !runtime.isEmpty, cmake)
      XCTAssertEqual(cmake.contains("PRIVATE _GNU_SOURCE GRADC_IMAGES)"), !runtime.isEmpty, cmake)
    }
  }

  func testEmbeddingInCPlusPlus() throws {
    guard isInstalled("g++") else { throw XCTSkip("no C++ compiler") }
    let folder = try temporaryFolder(self)
    try write(try project(), to: folder)
    let main = """
      #include "tiny.h"
      #include <cstdio>
      alignas(64) static tiny model;
      int main() {
        float x[29] = {}, y[16];
        model.parameters[TINY_DENSE1_BIAS + 3] = 2.5f;
        static_assert(sizeof(tiny) == TINY_BYTES, "size");
        int status = tiny_run(&model, x, y, 1, nullptr);
        std::printf("%d %g %g %s", status, double(y[3]), double(y[4]), tiny_model.tensors[1].name);
      }
      """
    try main.write(to: folder.appendingPathComponent("main.cpp"), atomically: true, encoding: .utf8)
    XCTAssertEqual(try execute(["make", "-s", "libtiny.a"], in: folder).output, "")
    XCTAssertEqual(
      try execute(["g++", "-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "main.cpp", "libtiny.a", "-lm", "-o", "main"], in: folder).output,
      "")
    XCTAssertEqual(try execute(["./main"], in: folder).output, "0 2.5 0 dense1.bias")
  }

  /// A program that loads argv[1] and says what came of it, and what the parameters are then.
  private let loader = """
    #include "tiny.h"
    #include <stdio.h>
    #include <stdlib.h>
    static union { tiny model; double align; } memory;
    int main(int argc, char **argv) {
      for (int i = 1; i < argc; ++i) {
        FILE *file = fopen(argv[i], "rb");
        size_t size;
        unsigned char *bytes = malloc(1 << 16), *exact;
        size = fread(bytes, 1, 1 << 16, file);
        exact = malloc(size ? size : 1);   /* so that a read behind the end is seen */
        for (size_t k = 0; k < size; ++k) exact[k] = bytes[k];
        memory.model.parameters[0] = 7.0f;
        printf("%d %g\\n", tiny_load(&memory.model, exact, size), (double)memory.model.parameters[0]);
        free(exact); free(bytes); fclose(file);
      }
      return 0;
    }

    """

  func testHostileWeightsUnderSanitizers() throws {
    guard isInstalled("clang") else { throw XCTSkip("no clang") }
    let data = bytes(parameters, .f32)
    let good = goodHeader
    func changed(_ from: String, _ to: String) -> [UInt8] { safetensors(good.replacingOccurrences(of: from, with: to), data) }
    let first = String(format: "%g", parameters[0])
    let wide = "18446744073709551615"
    var cases: [(bytes: [UInt8], status: Int)] = [
      (goodWeights, 0), ([], 3), ([1, 2, 3], 3), (safetensors("", data), 3), (safetensors("{}", []), 4), (safetensors("[]", data), 3),
      (Array(goodWeights.dropLast()), 3), (goodWeights + [0], 3), (changed("29,16", "16,29"), 5), (changed("[29,16]", "[464]"), 5),
      (changed("F32", "F64"), 5), (changed("dense1.bias", "dense2.bias"), 3), (changed("1856,1920", "1852,1916"), 3),
      (changed("1856,1920", "1856,\(wide)"), 3), (changed("1856,1920", "1856,\(wide)9"), 3), (changed("[16]", "[016]"), 3),
      (changed("[16]", "[1,1,1,1,1,1,1,1,16]"), 3), (changed("\"dtype\"", "\"type\""), 3), (changed("dense\\u0031", "dense\\u003"), 3),
      (changed("dense1.bias", "dense1.weight"), 5),
      (changed("}}  ", #"},"dense1.bias":{"dtype":"F32","shape":[16],"data_offsets":[1856,1920]}}  "#), 3), (changed("}}  ", "}},  "), 3),
      (changed("}}  ", "}} x"), 3),
      (changed("{\"format\":\"pt\"}", "{\"a\":{}}"), 3), (changed("{\"format\":\"pt\"}", "{}"), 0),
      ([255, 255, 255, 255, 255, 255, 255, 255, 123], 3),
    ]
    // Every beginning of a good file is refused, whatever it is cut in.
    cases += stride(from: 0, to: 230, by: 7).map { (Array(goodWeights.prefix($0)), 3) }
    let folder = try temporaryFolder(self)
    try write(try project(), to: folder)
    try loader.write(to: folder.appendingPathComponent("main.c"), atomically: true, encoding: .utf8)
    for (number, item) in cases.enumerated() { try Data(item.bytes).write(to: folder.appendingPathComponent("\(number).bin")) }
    let sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g"]
    XCTAssertEqual(try execute(["clang"] + warningFlags + sanitizers + ["main.c", "tiny.c", "-lm", "-o", "main"], in: folder).output, "")
    let result = try execute(["./main"] + cases.indices.map { "\($0).bin" }, in: folder)
    let expected = cases.map { "\($0.status) \($0.status == 0 ? first : "7")" }
    XCTAssertEqual(result.status, 0)
    let found = result.output.split(separator: "\n").map(String.init)
    XCTAssertEqual(found.count, expected.count, result.output)
    for (number, (a, b)) in zip(found, expected).enumerated() { XCTAssertEqual(a, b, "case \(number)") }
  }

  func testEverythingIsCleanUnderSanitizers() throws {
    guard isInstalled("clang") else { throw XCTSkip("no clang") }
    let sanitizers = ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g"]
    let programs = [
      Sample.dense(parallel: true), Sample.dense(gemm: true),
      Sample.product(m: 9, n: 17, k: 300, transposeA: true, transposeB: true, alpha: 1, beta: 0, element: .f64), Sample.toyTrainer(),
      Sample.scalars(element: .f32),
      Sample.scalars(element: .f64),
    ]
    for program in programs {
      let folder = try temporaryFolder(self)
      let emitted = try emitC(program, options: EmitOptions(blas: .none))
      try write(emitted, to: folder)
      try driver(emitted.name).write(to: folder.appendingPathComponent("main.c"), atomically: true, encoding: .utf8)
      XCTAssertEqual(
        try execute(["clang", "-std=c11"] + meaningFlags + sanitizers + ["main.c", "\(emitted.name).c", "-lm", "-o", "main"], in: folder)
          .output, "")
      XCTAssertEqual(try execute(["./main"], in: folder).output, "done\n", program.name)
    }
  }

  /// Drives any model through its descriptor, with every block of memory exactly as large as it says.
  private func driver(_ name: String) -> String {
    """
    #include "\(name).h"
    #include <math.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>
    static void *block(size_t bytes) { void *p = aligned_alloc(64, (bytes + 63) / 64 * 64 + 64 * !bytes); memset(p, 0, bytes); return p; }
    static void *ports(const gradc_port *port, int n, int fill) {
      static const size_t sizes[] = {4, 8, 4, 8, 1, 1, 1, 2, 2, 4, 8, 2, 2};
      const size_t bytes = port->row_count * (size_t)n * sizes[port->element];
      unsigned char *p = malloc(bytes);
      memset(p, 0, bytes);
      for (size_t i = 0; fill && i < bytes / sizes[port->element]; ++i) {
        const double hard[] = {1, -1, 0.5, 3e9, -3e9, 1e19, 1e30, -1e30, INFINITY, -INFINITY, NAN, 255.5, 88};
        const double value = fill == 2 ? hard[i % 13] : (double)(i % 7) * 0.25;
        if (port->element == GRADC_F32) ((float *)p)[i] = (float)value;
        if (port->element == GRADC_F64) ((double *)p)[i] = value;
      }
      return p;
    }
    int main(void) {
      const gradc_model *m = &\(name)_model;
      void *trainer = block(m->trainer_bytes > m->model_bytes ? m->trainer_bytes : m->model_bytes), *scratch = block(m->scratch_bytes);
      for (int n = m->max_batch; n >= 1; n -= n > 3 ? n - 3 : 1) {
        const void *inputs[512], *targets[512];
        void *outputs[512];
        double loss, norms[256];
        for (int i = 0; i < m->input_count; ++i) inputs[i] = ports(&m->inputs[i], n, m->input_count && m->output_count > 5 ? 2 : 1);
        for (int i = 0; i < m->target_count; ++i) targets[i] = ports(&m->targets[i], n, 1);
        for (int i = 0; i < m->output_count; ++i) outputs[i] = ports(&m->outputs[i], n, 0);
        if (m->run(trainer, inputs, outputs, n, scratch)) return 1;
        if (m->evaluate && m->evaluate(trainer, inputs, targets, 0, n, outputs, &loss, scratch)) return 2;
        if (m->train_step && (m->initialize(trainer, 1) || m->train_step(trainer, inputs, targets, 0, n) || m->gradient_norms(trainer, norms)))
          return 3;
        for (int i = 0; i < m->input_count; ++i) free((void *)inputs[i]);
        for (int i = 0; i < m->target_count; ++i) free((void *)targets[i]);
        for (int i = 0; i < m->output_count; ++i) free(outputs[i]);
      }
      free(trainer);
      free(scratch);
      puts("done");
      return 0;
    }
    """
  }
}
