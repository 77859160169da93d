import Basics
import Foundation
import Gradc
import GraphIR
import Layers
import LoopIR
import ModelLanguage
import Optimizers
import Training

@testable import TestSupport

/// A network with a loss, through the whole compiler.
func program(
  loss: LossChoice, optimizer: OptimizerChoice? = nil, element: ElementType = .f64, maxBatch: Int = 64, usesBLAS: Bool = true,
  _ build: @escaping (inout ModelBuilder) throws -> Void
) throws -> Program {
  let training = TrainingSpecification(losses: [loss], optimizer: try optimizer ?? OptimizerChoice("sgd"))
  return try compile(
    ModelDefinition(name: "network", build: build), training: training,
    options: CompileOptions(element: element, maxBatch: maxBatch, usesBLAS: usesBLAS)
  ).program
}

/// The same in tcc's code, with memory.
func network(
  loss: LossChoice, optimizer: OptimizerChoice? = nil, rate: Double = 0.1, element: ElementType = .f64, maxBatch: Int = 64,
  _ build: @escaping (inout ModelBuilder) throws -> Void
) throws -> Machine {
  let machine = try TestCompiler.tcc.machine(
    program(loss: loss, optimizer: optimizer, element: element, maxBatch: maxBatch, build))
  machine.controls.pointee.rate = rate
  return machine
}

/// A model of the examples, compiled as `gradc train` compiles it.
func example(_ name: String, element: ElementType = .f32, maxBatch: Int, usesBLAS: Bool = true) throws -> Program {
  let path = repository.appendingPathComponent("examples/\(name)/\(name).gradc").path
  let file = try ModelFile.read(path: path).result.get()
  return try compile(
    file.definition, training: file.specification(Recipe(text: file.recipe)),
    options: CompileOptions(element: element, maxBatch: maxBatch, usesBLAS: usesBLAS)
  ).program
}

let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

/// Rows of sines for a program's inputs and targets: labels below `classes` for integers, 0 and 1 for a probability, sines for numbers.
struct WaveBatch {
  var rows: Int
  var inputs: [[UInt8]]
  var targets: [[UInt8]]

  init(_ program: Program, rows: Int, step: Int) {
    self.rows = rows
    inputs = program.inputs.map { bytes(wave(rows * $0.rowCount, Double(step)), $0.element) }
    targets = program.targets.map { port in
      let labels = (0..<rows).map { Double((3 * $0 + step) % (port.element.isFloat ? 2 : program.outputs[0].rowCount)) }
      return bytes(program.task == .regression ? wave(rows * port.rowCount, Double(2 * step)).map { 2 * $0 } : labels, port.element)
    }
  }
}

extension Machine {
  /// Steps over batches of sines, the last of every four smaller; the loss of each.
  func train(steps: Int, from first: Int = 0, rows: Int) throws -> [Double] {
    try (first..<(first + steps)).map { step in
      let batch = WaveBatch(program, rows: step % 4 == 3 ? max(1, rows / 2 - 1) : rows, step: step)
      try self.step(batch.inputs, batch.targets, rows: batch.rows)
      return controls.pointee.loss
    }
  }
}
