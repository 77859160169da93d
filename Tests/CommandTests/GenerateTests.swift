import Basics
import CRuntime
import Foundation
import Gradc
import XCTest

@testable import GradcCommand
@testable import TestSupport

/// `gradc generate`, and the same text from the C of `gradc build --generate`.
final class GenerateTests: CommandTestCase {
  private let unbounded = """
    model speaker {
      input tokens: i32[N, 8]
      scores = tokens |> embedding(11, 6) |> lstm(10, return_sequences: true) |> dense(11) |> softmax
      output scores
    }
    """

  /// Learned positions: no more than 8 tokens at once.
  private let bounded = """
    model speaker {
      input tokens: i32[N, 8]
      scores = tokens |> embedding(11, 6) |> positional_embedding |> gru(10, return_sequences: true) |> dense(11)
      output scores
    }
    """

  /// Weights with much difference between tokens.
  private func writeWeights(_ shapes: [(String, [Int])]) throws {
    var stream = SplitMix(state: 4)
    let tensors = shapes.map { name, dims in
      Tensor(name, dims: dims, AlignedBuffer(.f32, (0..<dims.reduce(1, *)).map { _ in 1.5 * stream.number() }))
    }
    _ = try Tensor.write(tensors, to: path("speaker.safetensors"))
  }

  private func prepareUnbounded() throws {
    try write("speaker.gradc", unbounded)
    try writeWeights([
      ("embedding1.weight", [11, 6]), ("lstm1.input_weight", [6, 40]), ("lstm1.state_weight", [10, 40]), ("lstm1.bias", [40]),
      ("dense1.weight", [10, 11]), ("dense1.bias", [11]),
    ])
  }

  private func prepareBounded() throws {
    try write("speaker.gradc", bounded)
    try writeWeights([
      ("embedding1.weight", [11, 6]), ("positional_embedding1.weight", [8, 6]), ("gru1.input_weight", [6, 30]),
      ("gru1.state_weight", [10, 30]), ("gru1.bias", [30]), ("gru1.state_bias", [10]), ("dense1.weight", [10, 11]), ("dense1.bias", [11]),
    ])
  }

  private func generated(_ flags: String...) -> Outcome {
    gradc(["generate", path("speaker.gradc"), "--weights", path("speaker.safetensors")] + flags)
  }

  func testTheSameTextFromEveryCompiler() throws {
    try prepareUnbounded()
    let words = ["--ids", "1,2,3", "--tokens", "60", "--temperature", "0.9", "--top-k", "6", "--seed", "7", "--jit"]
    let first = gradc(["generate", path("speaker.gradc"), "--weights", path("speaker.safetensors")] + words + ["tcc"])
    XCTAssertEqual(first.code, 0, first.err)
    let tokens = first.out.split(separator: " ").compactMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
    XCTAssertEqual(tokens.count, 60)
    XCTAssertGreaterThan(Set(tokens).count, 3)
    XCTAssert(tokens.allSatisfy { (0..<11).contains($0) })
    let second = gradc(["generate", path("speaker.gradc"), "--weights", path("speaker.safetensors")] + words + ["clang"])
    XCTAssertEqual(second.out, first.out)
    XCTAssertNotEqual(generated("--ids", "1,2,3", "--tokens", "60", "--seed", "8", "--jit", "tcc").out, first.out)
    // Another beginning of the same text: what follows is the same.
    let joined = "1,2,3," + tokens[..<20].map(String.init).joined(separator: ",")
    let rest = generated("--ids", joined, "--tokens", "40", "--temperature", "0.9", "--top-k", "6", "--seed", "7", "--jit", "tcc").out
    XCTAssertEqual(rest.split(separator: " ").prefix(40).joined(separator: " "), tokens[20...].map(String.init).joined(separator: " "))
  }

  /// Trained on text, which is learned by heart: the prompt goes on with it, character by character, in UTF-8.
  func testTextGoesOnAsItWasLearned() throws {
    let line = "öl und wein, "
    try write("verse.txt", String(repeating: line, count: 120))
    try write(
      "verse.gradc",
      """
      model verse {
        input tokens: i32[N, 20]
        next = tokens |> embedding(10, 12) |> gru(24, return_sequences: true) |> dense(10)
        output next
      }
      data {
        text "verse.txt"
        tokens characters
        split train 0.9, validation 0.1
      }
      train {
        loss cross_entropy(next, target, from_logits: true)
        optimizer adam(rate: 0.02)
        batch 16
        epochs 40
      }
      """)
    let trained = gradc(
      "train", path("verse.gradc"), "--data", path("verse.txt"), "--save", path("verse.safetensors"), "--jit", "tcc", "--report", "none")
    XCTAssertEqual(trained.code, 0, trained.err)
    let words = ["generate", path("verse.gradc"), "--weights", path("verse.safetensors"), "--jit", "tcc", "--temperature", "0"]
    let text = gradc(words + ["--prompt", line + "öl", "--tokens", "37"])
    XCTAssertEqual(text.code, 0, text.err)
    XCTAssertEqual(text.out, String((line + line + line + line).dropFirst(2).prefix(37)) + "\n")
    XCTAssertNotEqual(gradc(words + ["--prompt", "xyz"]).code, 0)
    XCTAssertEqual(gradc(words + ["--prompt", ""]).code, 2)
  }

  func testMistakes() throws {
    try prepareUnbounded()
    XCTAssertEqual(generated().code, 2)
    XCTAssertEqual(generated("--ids", "1", "--temperature", "-1").code, 2)
    XCTAssertEqual(generated("--ids", "a").code, 2)
    XCTAssert(generated("--ids", "1,11", "--jit", "tcc").err.contains("token 11 is outside the model's vocabulary: tokens are 0 ... 10"))
    XCTAssert(generated("--prompt", "hello", "--jit", "tcc").err.contains("has no vocabulary"))
    try write(
      "flat.gradc", "model flat {\n  input tokens: i32[N, 8]\n  y = tokens |> embedding(11, 6) |> flatten |> dense(11)\n  output y\n}\n")
    let flat = gradc("generate", path("flat.gradc"), "--weights", path("speaker.safetensors"), "--ids", "1")
    XCTAssertEqual(flat.code, 3)
    XCTAssert(flat.err.contains("layer 'flatten1' reads all positions of a sequence at once"), flat.err)
  }

  /// A program with the emitted C writes the text of the command: beyond the context it reads the last half of it again.
  func testEmbeddedTextIsTheCommands() throws {
    for prepare in [prepareUnbounded, prepareBounded] {
      try prepare()
      let built = gradc(
        "build", path("speaker.gradc"), "--weights", path("speaker.safetensors"), "-o", path("out"), "--inference", "--generate",
        "--max-batch",
        "2", "--blas", "none")
      XCTAssertEqual(built.code, 0, built.err)
      let expected = generated("--ids", "1,2,3", "--tokens", "50", "--temperature", "0.8", "--top-k", "9", "--seed", "3", "--jit", "tcc")
        .out
      try write("main.c", Self.program)
      let strict = [
        "-std=c11", "-O2", "-ffp-contract=off", "-Wall", "-Wextra", "-Wconversion", "-Wpedantic", "-Werror", "-I\(path("out"))",
      ]
      let compiled = try execute(
        ["cc"] + strict + [path("main.c"), path("out/speaker.c"), "-lm", "-o", path("main")])
      XCTAssertEqual(compiled.output, "")
      XCTAssertEqual(try execute([path("main"), path("speaker.safetensors")]).output, expected)
    }
  }

  private static let program = """
    #include "speaker.h"
    #include <stdio.h>
    #include <string.h>

    static _Alignas(64) speaker model;
    static _Alignas(64) unsigned char scratch[SPEAKER_SCRATCH_BYTES], memory[SPEAKER_MEMORY_BYTES];
    static unsigned char file[1 << 16];
    static int32_t text[256];
    static float scores[2 * SPEAKER_VOCABULARY];

    static int take(int count) {
      if (SPEAKER_CONTEXT != 0 && *(const int64_t *)(const void *)memory >= SPEAKER_CONTEXT) {
        if (speaker_generate(&model, memory, &text[count - 1], scores, 1, scratch) == GRADC_OK) return -1;
        memset(memory, 0, sizeof memory);
        for (int i = count - 1 - SPEAKER_CONTEXT / 2; i < count - 1; ++i) {
          speaker_generate(&model, memory, &text[i], scores, 1, scratch);
        }
      }
      return speaker_generate(&model, memory, &text[count - 1], scores, 1, scratch);
    }

    int main(int argc, char **argv) {
      FILE *in = fopen(argv[argc - 1], "rb");
      int count = 0;
      if (!in || speaker_load(&model, file, fread(file, 1, sizeof file, in)) != GRADC_OK) return 1;
      fclose(in);
      for (int token = 1; token <= 3; ++token) {
        text[count++] = token;
        if (take(count) != GRADC_OK) return 2;
      }
      for (int i = 0; i < 50; ++i) {
        const int token = speaker_sample(scores, 0.8, 9, 3, count);
        printf("%d ", token);
        text[count++] = token;
        if (take(count) != GRADC_OK) return 3;
      }
      printf("\\n");
      return 0;
    }

    """
}
