import Basics
import Foundation
import Toolchain
import XCTest

@testable import GradcCommand
@testable import TestSupport

/// From a table to a program of somebody else's: what is trained, built and embedded gives for raw rows what `gradc predict` gives, bit for
/// bit.
final class EmbeddedRowTests: XCTestCase {
  private var folder = URL(fileURLWithPath: "/")

  override func setUpWithError() throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent("gradc-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    setenv("XDG_CACHE_HOME", folder.path + "/cache", 1)
  }

  override func tearDown() {
    unsetenv("XDG_CACHE_HOME")
    try? FileManager.default.removeItem(at: folder)
  }

  private func write(_ name: String, _ text: String) throws {
    try text.write(to: folder.appendingPathComponent(name), atomically: true, encoding: .utf8)
  }

  /// Runs `gradc` and gives what it printed; throws when it fails.
  @discardableResult
  private func gradc(_ words: [String]) throws -> String {
    var (out, err) = ("", "")
    let code = runCommand(words, Console(write: { out += $0 }, writeError: { err += $0 }))
    guard code == 0 else { throw Diagnostic(err) }
    return out
  }

  /// Cells of rows: a number that is missing now and then, a category as text, one as number, and what follows from them.
  private let rows: [[String]] = (0..<60).map { row in
    let size = row % 7 == 3 ? "" : "\(Double((row * 7919) % 101) / 8)"
    let kind = ["fox", "owl \\\"big\\\"", "ant"][row % 3]
    let legs = ["4", "2", "6"][(row * 5 + row / 7) % 3]
    return [size, kind, legs, (row * 7919) % 101 + row % 3 * 20 > 60 ? "far" : "near"]
  }

  private var table: String {
    "size,kind of,legs,place\n"
      + rows.map {
        [$0[0], "\"" + $0[1].replacingOccurrences(of: "\\\"", with: "\"\"") + "\"", $0[2], $0[3]].joined(separator: ",") + "\n"
      }
      .joined()
  }

  private let model = """
    model animals {
      input features: f32[N, 5]
      far = features |> dense(5) |> tanh |> dense(1) |> sigmoid
      output far
    }
    data {
      csv "animals.csv"
      target "place"
      standardize "size"
      one_hot "kind of", "legs", unknown: zeros, drop_first
      missing mean, "size"
      split train 0.6, validation 0.2, test 0.2, seed 3
    }
    train {
      loss binary_cross_entropy(far, target)
      batch 16
      epochs 4
      threshold 0.4
    }
    """

  /// A program in C and C++ at once: prints class and probability of every row.
  private func program(_ rows: [[String]]) -> String {
    let cells = rows.map { "  {\($0[0].isEmpty ? "NAN" : $0[0]), \"\($0[1])\", \($0[2])},\n" }.joined()
    return """
      #include "animals.h"
      #include "animals_row.h"
      #include <math.h>
      #include <stdio.h>
      #ifdef __cplusplus
      #define ALIGNED alignas(64)
      #else
      #define ALIGNED _Alignas(64)
      #endif
      ALIGNED static animals model;
      ALIGNED static unsigned char scratch[ANIMALS_SCRATCH_BYTES + 1];
      static const animals_row rows[] = {
      \(cells)};
      static unsigned char bytes[1 << 16];
      int main(void) {
        float features[sizeof rows / sizeof rows[0]][5], far;
        animals_problem problem;
        FILE *file = fopen("out/animals.safetensors", "rb");
        size_t size = fread(bytes, 1, sizeof bytes, file);
        int n = (int)(sizeof rows / sizeof rows[0]);
        if (animals_load(&model, bytes, size) != GRADC_OK) return 1;
        if (animals_encode(rows, n, features[0], &problem) != 0) return 2;
        for (int i = 0; i < n; ++i) {
          if (animals_run(&model, features[i], &far, 1, scratch) != GRADC_OK) return 3;
          printf("%s,%.9g\\n", animals_labels[(double)far >= ANIMALS_THRESHOLD], (double)far);
        }
        return 0;
      }

      """
  }

  func testAnEmbeddedModelPredictsRawRowsAsTheCommandDoes() throws {
    guard CCompiler(command: "gcc") != nil, CCompiler(command: "g++") != nil else { throw XCTSkip("no gcc and g++") }
    let path = folder.path
    try write("animals.csv", table)
    try write("animals.gradc", model)
    let weights = path + "/animals.safetensors"
    try gradc(["train", path + "/animals.gradc", "--save", weights, "--jit", "tcc"])
    let wrote = try gradc(["build", path + "/animals.gradc", "--weights", weights, "-o", path + "/out", "--blas", "none"])
    XCTAssertTrue(wrote.contains("animals_row.c, animals_row.h"), wrote)

    // A kind that training never saw becomes zeros.
    let asked = rows + [["3.5", "whale", "0", ""]]
    try write("new.csv", table + "3.5,whale,0,\n")
    let predictions = try gradc(
      ["predict", path + "/animals.gradc", "--weights", weights, "--data", path + "/new.csv", "--blas", "none", "--jit", "tcc"])
    let expected = predictions.split(separator: "\n").dropFirst().map { $0.split(separator: ",") }
    XCTAssertEqual(Set(expected.map { $0[1] }), ["far", "near"])

    try write("main.c", program(asked))
    try write("main.cpp", program(asked))
    let strict = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Iout"]
    XCTAssertEqual(
      try execute(["make", "-s", "-C", "out", "CFLAGS=-O1 -Wall -Wextra -Wconversion -Wpedantic -Werror"], in: folder).output, "")
    for compile in [["gcc", "-std=c11"] + strict + ["main.c"], ["g++", "-std=c++11"] + strict + ["main.cpp"]] {
      XCTAssertEqual(try execute(compile + ["out/libanimals.a", "-lm", "-o", "main"], in: folder).output, "")
      let result = try execute(["./main"], in: folder)
      XCTAssertEqual(result.status, 0, result.output)
      let found = result.output.split(separator: "\n").map { $0.split(separator: ",") }
      XCTAssertEqual(found.map { $0[0] }, expected.map { $0[1] })
      XCTAssertEqual(found.map { Float($0[1])! }, expected.map { Float($0[2])! })
    }
    XCTAssertEqual(try execute(["out/animals_example", "out/animals.safetensors"], in: folder).status, 0)
  }
}
