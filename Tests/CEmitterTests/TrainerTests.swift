import Basics
import CEmitter
import CRuntime
import Foundation
import LoopIR
import XCTest

@testable import Toolchain

/// A toy model that learns, driven through the descriptor.
final class TrainerTests: XCTestCase {
  private func model() throws -> LoadedModel {
    let project = try emitC(Sample.toyTrainer(element: .f64))
    return try LibTCC.compile(ModelSource(text: project.translationUnit, descriptorSymbol: "toy_model", callsBLAS: false))
  }

  private let x: [Double] = [1, 2, 3, -1, 0, 2]
  private let t: [Double] = [1, -2]

  private func controls(_ trainer: UnsafeMutableRawPointer, _ m: gradc_model) -> UnsafeMutablePointer<gradc_controls> {
    trainer.advanced(by: m.controls_offset).assumingMemoryBound(to: gradc_controls.self)
  }

  private func step(
    _ function: (UnsafeMutableRawPointer?, UnsafePointer<UnsafeRawPointer?>?, UnsafePointer<UnsafeRawPointer?>?, UnsafeRawPointer?, Int32)
      -> Int32,
    _ trainer: UnsafeMutableRawPointer, weights: [Double]?, n: Int32
  ) -> Int32 {
    x.withUnsafeBytes { x in
      t.withUnsafeBytes { t in
        guard let weights else { return function(trainer, [x.baseAddress], [t.baseAddress], nil, n) }
        return weights.withUnsafeBytes { function(trainer, [x.baseAddress], [t.baseAddress], $0.baseAddress, n) }
      }
    }
  }

  /// Kernels in three objects that were compiled side by side and linked: the same steps, to the last bit.
  func testUnitsAreTheSameModel() throws {
    let project = try emitC(Sample.toyTrainer(element: .f64))
    let units = project.units(3)
    XCTAssertEqual(units.count, 3)
    XCTAssertEqual(project.units(1), [project.translationUnit])
    guard let compiler = CCompiler.find() else { throw XCTSkip("no C compiler") }
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("units-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let source = ModelSource(
      text: project.translationUnit, descriptorSymbol: "toy_model", callsBLAS: false, units: { project.units($0) })
    let job = try CompileJob(source, compiler: compiler, cache: XCTUnwrap(CompileCache(folder: folder)), units: 3)
    let joined = try job.wait()
    XCTAssertEqual(try FileManager.default.contentsOfDirectory(atPath: folder).count, 1)
    let states = try [joined, model()].map { model in
      let m = model.descriptor.pointee
      let trainer = alignedMemory(m.trainer_bytes)
      defer { trainer.deallocate() }
      controls(trainer, m).pointee.rate = 0.01
      XCTAssertEqual(m.initialize(trainer, 8), 0)
      for _ in 0..<3 {
        XCTAssertEqual(step(m.backward, trainer, weights: [0.3, 0.7], n: 2), 0)
        XCTAssertEqual(m.update(trainer), 0)
      }
      return Array(UnsafeRawBufferPointer(start: trainer.advanced(by: m.parameters_offset), count: 24))
    }
    XCTAssertEqual(states[0], states[1])
  }

  func testAStepDoneByHand() throws {
    let model = try model()
    let m = model.descriptor.pointee
    let trainer = alignedMemory(m.trainer_bytes)
    defer { trainer.deallocate() }
    let state = controls(trainer, m)
    state.pointee.rate = 0.5
    XCTAssertEqual(m.initialize(trainer, 8), 0)
    let w = trainer.advanced(by: m.parameters_offset).assumingMemoryBound(to: Double.self)
    let g = trainer.advanced(by: m.gradients_offset).assumingMemoryBound(to: Double.self)
    XCTAssertEqual([w[0], w[1], w[2]], [1, 2, 3])
    // y = (14, 5); residuals 13 and 7; loss (169 + 49) / 2; dy = residuals; dw = 13 x1 + 7 x2.
    XCTAssertEqual(step(m.backward, trainer, weights: nil, n: 2), 0)
    XCTAssertEqual(state.pointee.loss, 109)
    XCTAssertEqual(state.pointee.micro, 1)
    XCTAssertEqual([g[0], g[1], g[2]], [6, 26, 53])
    // Another pass adds; row weights of a half and nothing.
    XCTAssertEqual(step(m.backward, trainer, weights: [0.5, 0], n: 2), 0)
    XCTAssertEqual([g[0], g[1], g[2]], [12.5, 39, 72.5])
    var norms = [0.0]
    XCTAssertEqual(m.gradient_norms(trainer, &norms), 0)
    XCTAssertEqual(norms, [12.5 * 12.5 + 39 * 39 + 72.5 * 72.5])
    XCTAssertEqual(m.update(trainer), 0)
    XCTAssertEqual([w[0], w[1], w[2]], [1 - 6.25, 2 - 19.5, 3 - 36.25])
    XCTAssertEqual(state.pointee.micro, 0)
    XCTAssertEqual(state.pointee.step, 1)
    XCTAssertEqual(step(m.train_step, trainer, weights: nil, n: 2), 0)
    XCTAssertEqual(state.pointee.step, 2)
  }

  func testBatchRangeAndInfiniteLoss() throws {
    let model = try model()
    let m = model.descriptor.pointee
    let trainer = alignedMemory(m.trainer_bytes)
    defer { trainer.deallocate() }
    XCTAssertEqual(m.initialize(trainer, 8), 0)
    XCTAssertEqual(step(m.train_step, trainer, weights: nil, n: 0), 1)
    XCTAssertEqual(step(m.train_step, trainer, weights: nil, n: 9), 1)
    let before = trainer.advanced(by: m.parameters_offset).assumingMemoryBound(to: Double.self)[0]
    XCTAssertEqual(step(m.train_step, trainer, weights: [.infinity, 1], n: 2), 2)
    XCTAssertEqual(trainer.advanced(by: m.parameters_offset).assumingMemoryBound(to: Double.self)[0], before)
    XCTAssertEqual(controls(trainer, m).pointee.step, 0)
    XCTAssertEqual(controls(trainer, m).pointee.micro, 0)
  }

  func testEvaluateGivesLossAndOutputs() throws {
    let model = try model()
    let m = model.descriptor.pointee
    let trainer = alignedMemory(m.trainer_bytes)
    let scratch = alignedMemory(m.scratch_bytes)
    defer {
      trainer.deallocate()
      scratch.deallocate()
    }
    XCTAssertEqual(m.initialize(trainer, 8), 0)
    var y = [0.0, 0.0]
    var loss = 0.0
    let status = x.withUnsafeBytes { x in
      t.withUnsafeBytes { t in
        y.withUnsafeMutableBytes { y in m.evaluate(trainer, [x.baseAddress], [t.baseAddress], nil, 2, [y.baseAddress], &loss, scratch) }
      }
    }
    XCTAssertEqual(status, 0)
    XCTAssertEqual(y, [14, 5])
    XCTAssertEqual(loss, 109)
  }
}
