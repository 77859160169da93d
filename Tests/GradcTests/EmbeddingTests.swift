import Basics
import CEmitter
import CRuntime
import Foundation
import Gradc
import LoopIR
import Testing
import Toolchain

@testable import TestSupport

/// A trained heart network in a C and in a C++ program: what they compute is what `gradc run` computes.
@Suite struct EmbeddingTests {
  private static let rows = 13

  /// Reads weights and rows, writes outputs. Compiles as C and as C++.
  private static let main = """
    #include "heart.h"
    #include <stdio.h>
    #include <stdlib.h>

    static union { heart model; unsigned char bytes[HEART_BYTES]; double alignment; } memory;
    static float features[\(rows) * 29], risk[\(rows)];

    int main(void) {
      static unsigned char weights[1 << 16], scratch[1 << 20];
      FILE *file = fopen("heart.safetensors", "rb");
      size_t size = fread(weights, 1, sizeof weights, file);
      int status;
      fclose(file);
      file = fopen("rows.bin", "rb");
      if (fread(features, sizeof features, 1, file) != 1) return 9;
      fclose(file);
      status = heart_load(&memory.model, weights, size);
      if (status == GRADC_OK) status = heart_run(&memory.model, features, risk, \(rows), scratch);
      if (status != GRADC_OK) { fprintf(stderr, "%s\\n", heart_strerror(status)); return status; }
      file = fopen("risk.bin", "wb");
      fwrite(risk, sizeof risk, 1, file);
      fclose(file);
      return 0;
    }

    """

  private func trained() throws -> (program: Program, weights: [UInt8], tensors: [Gradc.Tensor]) {
    let program = try example("heart", maxBatch: 16)
    let machine = try TestCompiler.tcc.machine(program)
    machine.controls.pointee.rate = 0.01
    try machine.initialize(seed: 3)
    _ = try machine.train(steps: 30, rows: 16)
    let tensors = program.tensors.map { slot in
      Gradc.Tensor(slot.name, dims: slot.dims, dtype: GRADC_DTYPE_F32, bytes: bytes(machine.tensor(slot.name), .f32))
    }
    let folder = try makeTemporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appendingPathComponent("heart.safetensors").path
    _ = try Gradc.Tensor.write(tensors, to: path)
    return (program.keeping(entries: ["run"]), Array(try Data(contentsOf: URL(fileURLWithPath: path))), tensors)
  }

  @Test func cAndCPlusPlusComputeWhatASessionComputes() throws {
    let (program, weights, tensors) = try trained()
    let input = bytes(wave(Self.rows * 29, 5), .f32)
    let session = try Session(
      Compilation(model: .init(name: "heart", element: .f32, symbols: program.symbols), program: program), CodeOptions(mode: .tcc))
    let trainer = try Trainer(session)
    for (slot, tensor) in zip(program.tensors, tensors) {
      trainer.elements(slot).copyMemory(from: tensor.bytes, byteCount: tensor.bytes.count)
    }
    let expected = try trainer.run([AlignedBuffer(.f32, wave(Self.rows * 29, 5))], program, rows: Self.rows)[0].numbers
    #expect(Set(expected).count == Self.rows && expected.allSatisfy { $0 > 0 && $0 < 1 })

    var languages: [(String, [String])] = [("main.c", ["tcc"])]
    for (c, plus) in [("gcc", "g++"), ("clang", "clang++")] where CCompiler(command: c) != nil {
      languages.append(("main.c", [c, "-O3", "-march=native", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]))
      if CCompiler(command: plus) != nil {
        languages.append(("main.cpp", [plus, "-O2", "-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]))
      }
    }
    for blas in EmitOptions.BLAS.allCases {
      let folder = try makeTemporaryFolder()
      defer { try? FileManager.default.removeItem(at: folder) }
      try emitProject(program, options: EmitOptions(blas: blas), contents: ProjectContents(weights: weights)).write(to: folder)
      try Data(input).write(to: folder.appendingPathComponent("rows.bin"))
      for (file, command) in languages {
        try Self.main.write(to: folder.appendingPathComponent(file), atomically: true, encoding: .utf8)
        // The model itself is C in both.
        let compiler = command[0] == "g++" ? "gcc" : command[0] == "clang++" ? "clang" : command[0]
        let meaning = compiler == "tcc" ? [] : ["-O3", "-std=c11", "-ffp-contract=off", "-fno-math-errno"]
        let object = try execute([compiler] + meaning + ["-c", "heart.c", "-o", "heart.o"], in: folder)
        #expect(object.status == 0, "\(object.output)")
        let built = try execute(command + [file, "heart.o", "-lm", "-o", "main"], in: folder)
        #expect(built.output == "" && built.status == 0, "\(command): \(built.output)")
        let ran = try execute(["./main"], in: folder)
        #expect(ran.status == 0, "\(command): \(ran.output)")
        let risk = doubles(Array(try Data(contentsOf: folder.appendingPathComponent("risk.bin"))), .f32)
        for (found, wanted) in zip(risk, expected) {
          #expect(blas == .cblas ? found == wanted : abs(found - wanted) <= 1e-5, "\(command) \(blas): \(found), not \(wanted)")
        }
        try FileManager.default.removeItem(at: folder.appendingPathComponent("risk.bin"))
      }
    }
  }
}
