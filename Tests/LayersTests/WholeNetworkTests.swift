import Basics
import Foundation
import GraphIR
import Layers
import Optimizers
import Training
import XCTest

/// Twenty training steps of whole networks in f64 against PyTorch 2.15 in float64 (`references/whole_networks.py`): batches of 4, 4, 3, 2
/// rows with weights, clipping, decay, penalties.
final class WholeNetworkTests: XCTestCase {
  private func wave(_ count: Int, _ phase: Double) -> [Double] { (0..<count).map { sin(1.7 * Double($0) + phase) } }

  private func check(
    _ trainer: inout TestTrainer, rate: Double, width: Int, _ target: (Int, Int) -> Values, losses: [Double], norms: [Double]
  ) throws {
    trainer.rate = rate
    for (k, name) in ["dense1.weight", "dense1.bias", "dense2.weight", "dense2.bias"].enumerated() {
      trainer.set(name, wave(trainer.tensors[name]!.numbers.count, Double(k)).map { $0 / 2 })
    }
    for step in 0..<20 {
      let n = [4, 4, 3, 2][step % 4]
      let x = Values(wave(n * width, Double(step)), shape: [n, width])
      try trainer.backward([x], [target(n, step)], weights: wave(n, Double(step)).map { 1 + $0 / 2 })
      try trainer.update()
      XCTAssertEqual(trainer.loss, losses[step], accuracy: 1e-10, "loss of step \(step)")
      XCTAssertEqual(trainer.norm, norms[step], accuracy: 1e-9, "norm of step \(step)")
    }
  }

  func testClasses() throws {
    var trainer = try TestTrainer(loss: LossChoice("cross_entropy"), optimizer: OptimizerChoice("adam"), clipNorm: 0.5) { b in
      let hidden = try b.dense(b.input("x", dims: [4]), units: 5, activation: .tanh)
      try b.output("y", b.dense(hidden, units: 3, activation: .softmax))
    }
    try check(
      &trainer, rate: 0.05, width: 4, { n, step in Values((0..<n).map { Double(($0 + step) % 3) }, .i32) },
      losses: [
        1.48646969343, 1.69823303839, 1.13901458091, 0.835957281059, 1.13005370824, 1.05566207657, 1.17748820609, 1.28065255071,
        1.08751274139, 1.21525597078, 0.980390624964, 0.938564048802, 1.00428813301, 1.07792743664, 1.24585031721, 1.70012795922,
        1.07317452555, 1.17569597517, 1.11775441113, 1.0832806323,
      ],
      norms: [
        0.714610143892, 1.33367033097, 0.778058595648, 0.72886456103, 0.375612956017, 0.210758133792, 0.421990651976, 0.725765321794,
        0.498143204565, 0.568808044842, 0.398605354294, 0.710884188976, 0.232561553161, 0.205236358045, 0.515196887996,
        1.34136637182, 0.49048575331, 0.593084722539, 0.605159888253, 0.748022323905,
      ])
  }

  func testNumbers() throws {
    var trainer = try TestTrainer(loss: LossChoice("mae"), optimizer: OptimizerChoice("adamw")) { b in
      let hidden = try b.dense(b.input("x", dims: [3]), units: 4, activation: .relu, l1: 0.001, l2: 0.01)
      try b.output("y", b.dense(b.layerNorm(b.batchNorm(hidden)), units: 1))
    }
    try check(
      &trainer, rate: 0.05, width: 3, { n, step in Values(wave(n, 2 * Double(step)), shape: [n, 1]) },
      losses: [
        0.549312405159, 0.972304164341, 0.58587689688, 0.966327087319, 0.535078359874, 0.872644251652, 0.800015913669, 1.04028769243,
        0.559624675852, 0.917617917936, 0.627979004498, 0.525490127129, 0.657979977604, 0.630876563362, 0.613068340755,
        0.889276560767, 0.713479797984, 0.645621721488, 0.699228366549, 0.704549177465,
      ],
      norms: [
        3.32069422587, 1.86340197502, 1.71592970099, 1.45961328687, 2.07999345625, 2.46268504762, 1.45292772484, 1.748194969,
        0.949242756886, 0.824577329107, 1.07707387378, 0.962556803184, 0.839177363076, 1.10038274442, 1.03787694781, 1.28289190112,
        1.19822151312, 0.893627457231, 1.25114447405, 1.33072356326,
      ])
    let statistics = trainer.tensors["batch_norm1.running_mean"]!.doubles + trainer.tensors["batch_norm1.running_var"]!.doubles
    assertClose(
      statistics,
      [
        0.530473037231, 0.376898505405, 0, 0.0710311791018, 0.223034311166, 0.192052202687, 0.121576654591, 0.138601248761,
      ], 1e-9)
  }

  func testYesOrNo() throws {
    let optimizer = try OptimizerChoice("nesterov", [LabelledArgument(.number(0.1), label: "weight_decay")])
    var trainer = try TestTrainer(loss: LossChoice("binary_crossentropy"), optimizer: optimizer) { b in
      let hidden = try b.dense(b.input("x", dims: [3]), units: 4, activation: .silu)
      try b.output("y", b.dense(hidden, units: 1, activation: .sigmoid))
    }
    try check(
      &trainer, rate: 0.1, width: 3, { n, step in Values((0..<n).map { Double(($0 + step) % 2) }, shape: [n, 1]) },
      losses: [
        0.667242506883, 0.76543786474, 0.665531487833, 0.508297404147, 0.689290094937, 0.673488690586, 0.762948019451,
        0.970669530964, 0.697288815891, 0.731924785258, 0.603413558241, 0.527424978159, 0.670220650831, 0.693185180611,
        0.658535949742, 0.727169425697, 0.706275789191, 0.688527860905, 0.743541584089, 0.870751021298,
      ],
      norms: [
        0.0816434850708, 0.167996905764, 0.249959037228, 0.182184523674, 0.0607481267215, 0.0420800010107, 0.120201711698,
        0.183403167419, 0.0960338839266, 0.0834216696765, 0.239306308616, 0.132076826366, 0.060003260311, 0.0447337026737,
        0.101893054512, 0.267490873945, 0.057827995932, 0.08866161297, 0.0216300611351, 0.0273566967682,
      ])
  }
}
