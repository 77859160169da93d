import Basics
import CEmitter
import CRuntime
import Foundation
import Gradc
import Layers
import LoopIR
import Optimizers
import Testing
import Toolchain
import Training

@testable import TestSupport

/// Trainings give the same bits (parameters, statistics, moments, gradients, losses) from every compiler at every level, from the
/// interpreter, and on any number of threads.
@Suite struct OneMeaningTests {
  /// Twenty steps, and fewer where statements are interpreted.
  @Test(arguments: [("heart", 20), ("churn", 3), ("wine", 3)])
  func compilersAndInterpreterAgree(_ name: String, _ interpretedSteps: Int) throws {
    let program = try example(name, maxBatch: 16)
    func trained(_ machine: Machine) throws -> (early: [UInt8], late: [UInt8], losses: [Double]) {
      machine.controls.pointee.rate = 0.01
      try machine.initialize(seed: 42)
      var losses = try machine.train(steps: interpretedSteps, rows: 16)
      let early = machine.snapshot
      if case .native = machine.code { losses += try machine.train(steps: 20 - interpretedSteps, from: interpretedSteps, rows: 16) }
      return (early, machine.snapshot, losses)
    }
    let reference = try trained(TestCompiler.tcc.machine(program))
    #expect(reference.losses.count == 20 && Set(reference.losses).count == 20 && reference.losses.allSatisfy(\.isFinite))
    let interpreted = try trained(.interpreting(program))
    #expect(interpreted.early == reference.early, "the interpreter differs")
    for compiler in TestCompiler.optimising {
      #expect(try trained(compiler.machine(program)).late == reference.late, "\(compiler) differs")
    }
    for threads in [2, 3] {
      #expect(try trained(TestCompiler.tcc.machine(program, threads: threads)).late == reference.late, "\(threads) threads differ")
    }
  }

  private func large(_ usesBLAS: Bool) throws -> Program {
    try Gradc.compile(
      ModelDefinition(name: "large") { b in
        let first = try b.dense(b.input("x", dims: [784]), units: 512, activation: .relu)
        let second = try b.dropout(b.dense(first, units: 400, activation: .relu), rate: 0.2)
        try b.output("y", b.dense(second, units: 10, activation: .softmax))
      },
      training: TrainingSpecification(
        losses: [LossChoice("sparse_categorical_cross_entropy")], optimizer: try OptimizerChoice("adam"), clipNorm: 1),
      options: CompileOptions(maxBatch: 512, usesBLAS: usesBLAS)
    ).program
  }

  /// Kernels with parts, and with calls of the library in their parts: threads decide who runs a part, nothing else.
  @Test(arguments: [true, false]) func threadsChangeNothing(_ usesBLAS: Bool) throws {
    let program = try large(usesBLAS)
    #expect(program.kernels.filter { $0.parts != .constant(1) }.count >= 3)
    let calls = program.kernels.contains { kernel in kernel.body.contains { $0.callsGemm } }
    #expect(calls == usesBLAS)
    var results: [[UInt8]] = []
    for threads in [1, 2, 3] {
      let machine = try TestCompiler.fastest.machine(program, blas: usesBLAS ? .cblas : .none, threads: threads)
      machine.controls.pointee.rate = 0.001
      try machine.initialize(seed: 1)
      // 512 rows, and a smaller last batch.
      _ = try machine.train(steps: 4, rows: 512)
      results.append(machine.snapshot)
    }
    #expect(results[0] == results[1])
    #expect(results[0] == results[2])
  }

  /// Code swapped between two steps, as tiered compilation does it.
  @Test func aSwapInTheMiddleChangesNothing() throws {
    let program = try example("churn", maxBatch: 16)
    let (slow, fast) = (try TestCompiler.tcc.load(program), try TestCompiler.fastest.load(program))
    func trained(swapAfter: Int?) throws -> [UInt8] {
      var created: OpaquePointer?
      try callRuntime { gradc_trainer_create(slow.descriptor, 2, 0, &created, $0) }
      let trainer = try #require(created)
      defer { gradc_trainer_free(trainer) }
      try callRuntime { gradc_initialize(trainer, 7, $0) }
      gradc_trainer_controls(trainer).pointee.rate = 0.01
      for step in 0..<20 {
        if step == swapAfter { try callRuntime { gradc_trainer_swap(trainer, fast.descriptor, $0) } }
        let batch = WaveBatch(program, rows: 16, step: step)
        let (x, t) = (Rows(batch.inputs), Rows(batch.targets))
        let model = gradc_trainer_model(trainer)!.pointee
        let status = model.train_step(
          gradc_trainer_memory(trainer), x.pointers.map { UnsafeRawPointer($0) }, t.pointers.map { UnsafeRawPointer($0) }, nil, 16)
        #expect(status == 0)
      }
      #expect(gradc_trainer_model(trainer) == (swapAfter == nil ? slow.descriptor : fast.descriptor))
      let m = slow.descriptor.pointee
      let memory = UnsafeRawBufferPointer(start: gradc_trainer_memory(trainer), count: m.trainer_bytes)
      let count = (m.parameter_count + m.gradient_count + m.moment_count) * 4
      let blocks = [(m.parameters_offset, m.parameter_count), (m.gradients_offset, m.gradient_count), (m.moments_offset, m.moment_count)]
      let result = blocks.flatMap { offset, elements in Array(memory[offset..<(offset + elements * 4)]) }
      #expect(result.count == count)
      return result
    }
    let untiered = try trained(swapAfter: nil)
    for step in [1, 11] { #expect(try trained(swapAfter: step) == untiered) }
  }
}

extension Statement {
  fileprivate var callsGemm: Bool {
    switch self {
    case .gemm: true
    case .loop(let loop): loop.body.contains { $0.callsGemm }
    case .when(_, let a, let b): (a + b).contains { $0.callsGemm }
    default: false
    }
  }
}
