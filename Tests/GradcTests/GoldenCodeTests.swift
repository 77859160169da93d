import Basics
import CEmitter
import Foundation
import Gradc
import Layers
import LoopIR
import Testing
import Training

@testable import TestSupport

/// The C of a dense layer with relu, and the step of the heart network, as texts in `Golden`; `GRADC_BLESS=1` writes them anew.
@Suite struct GoldenCodeTests {
  /// The function of that name with the comment before it.
  private func function(_ name: String, in text: String) throws -> String {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    let start = try #require(
      lines.indices.first { index in
        lines[index].contains(" \(name)(") && !lines[index].hasPrefix(" ")
          && lines[index...].prefix { !$0.hasSuffix("{") }.allSatisfy { !$0.hasSuffix(";") }
      }, "no function \(name)")
    let end = try #require(lines[start...].firstIndex(of: "}"))
    var first = start
    while first > 0, !lines[first - 1].isEmpty { first -= 1 }
    return lines[first...end].joined(separator: "\n") + "\n"
  }

  @Test func denseWithRelu() throws {
    let compilation = try compile(
      ModelDefinition(name: "tiny") { b in
        try b.output("y", b.dense(b.input("x", dims: [29]), units: 16, activation: .relu))
      }, training: nil, options: CompileOptions(maxBatch: 32))
    let project = try emitC(compilation.program.keeping(entries: ["run"]))
    let text = try #require(project.file("tiny.c")).text
    let kernel = try #require(compilation.program.keeping(entries: ["run"]).kernels.first)
    let golden = try function(kernel.name, in: text) + "\n" + function("tiny_run", in: text)
    #expect(try differenceFromGolden(golden, "dense_relu.c.txt") == nil)
  }

  @Test func trainStepOfHeart() throws {
    let text = try #require(try emitC(example("heart", maxBatch: 32)).file("heart.c")).text
    let golden = try ["heart_backward", "heart_update", "heart_train_step"].map { try function($0, in: text) }.joined(separator: "\n")
    #expect(try differenceFromGolden(golden, "heart_step.c.txt") == nil)
  }
}
