import Basics
import GraphIR
import Layers
import Optimizers
import Training
import XCTest

final class OptimizerTests: XCTestCase {
  private let x = Values([1], shape: [1, 1]), y = Values([3], shape: [1, 1])

  /// J = (w - 3)², from w = 5.
  private func parabola(
    _ optimizer: String, _ arguments: [String: Double] = [:], rate: Double, clipNorm: Double? = nil, clipValue: Double? = nil
  ) throws -> TestTrainer {
    let choice = try OptimizerChoice(optimizer, arguments.map { LabelledArgument(.number($0.value), label: $0.key) })
    var trainer = try TestTrainer(loss: LossChoice("mse"), optimizer: choice, clipNorm: clipNorm, clipValue: clipValue) { b in
      try b.output("y", b.dense(b.input("x", dims: [1]), units: 1, bias: false))
    }
    trainer.rate = rate
    trainer.set("dense1.weight", [5])
    return trainer
  }

  private func steps(_ trainer: TestTrainer, _ count: Int = 3) throws -> [Double] {
    var trainer = trainer
    return try (0..<count).map { _ in
      try trainer.backward([x], [y])
      try trainer.update()
      return trainer.tensors["dense1.weight"]!.doubles[0]
    }
  }

  func testThreeStepsOfEachOptimizer() throws {
    let cases: [(String, [String: Double], Double, [Double])] = [
      ("sgd", [:], 0.1, [4.6, 4.28, 4.024]),
      ("momentum", ["momentum": 0.9], 0.1, [4.6, 3.92, 3.124]),
      ("nesterov", ["momentum": 0.9], 0.1, [4.24, 3.4448, 2.783296]),
      ("adagrad", [:], 0.1, [4.9, 4.831125054, 4.775821515]),
      ("rmsprop", [:], 0.1, [4.000000025, 3.550986771, 3.309687388]),
      ("adadelta", [:], 1, [4.996837723, 4.993595729, 4.990300752]),
      ("adam", [:], 0.1, [4.9, 4.800166486, 4.700623392]),
      ("adamw", ["weight_decay": 0.01], 0.1, [4.895, 4.790281802, 4.685977284]),
    ]
    XCTAssertEqual(cases.map(\.0).sorted(), OptimizerCatalog.entries.map(\.name).sorted())
    for (name, arguments, rate, expected) in cases {
      assertClose(try steps(parabola(name, arguments, rate: rate)), expected, 1e-8, name)
    }
  }

  func testRatesOfGradientDescent() throws {
    assertClose(try steps(parabola("sgd", rate: 0.4), 1), [3.4])
    XCTAssertEqual(try steps(parabola("sgd", rate: 0.5), 1), [3])
    XCTAssertEqual(try steps(parabola("sgd", rate: 1), 2), [1, 5])
    assertClose(try steps(parabola("sgd", rate: 1.1), 2), [0.6, 5.88])
  }

  func testLossAndNormAreReported() throws {
    var trainer = try parabola("sgd", rate: 0.1)
    try trainer.backward([x], [y])
    XCTAssertEqual(trainer.loss, 4)
    XCTAssertEqual(trainer.gradients["dense1.weight"], [4])
    try trainer.update()
    XCTAssertEqual(trainer.norm, 4)
    XCTAssertEqual(try trainer.evaluate([x], [y]), 2.56, accuracy: 1e-12)
  }

  /// The sum of two passes is divided by two.
  func testMicroBatchesAreAveraged() throws {
    var trainer = try parabola("sgd", rate: 0.1)
    try trainer.backward([x], [y])
    try trainer.backward([x], [Values([4], shape: [1, 1])])
    try trainer.update()
    XCTAssertEqual(trainer.norm, 3)
    assertClose(trainer.tensors["dense1.weight"]!.doubles, [4.7])
  }

  func testClipping() throws {
    assertClose(try steps(parabola("sgd", rate: 0.1, clipValue: 0.5), 1), [4.95])
    // PyTorch's clip_grad_norm_: times max_norm / (norm + 1e-6).
    assertClose(try steps(parabola("sgd", rate: 0.1, clipNorm: 2), 1), [5 - 0.1 * 4 * 2 / 4.000001], 1e-12)
    assertClose(try steps(parabola("sgd", rate: 0.1, clipNorm: 10), 1), [4.6], 1e-12)
    XCTAssertThrowsError(try parabola("sgd", rate: 0.1, clipNorm: 0)) { XCTAssert($0 is Diagnostic) }
  }

  /// Coupled decay is added to the gradient of weights, not of biases: w from 5 with gradient 4 + 0.1 · 5.
  func testWeightDecaySparesBiases() throws {
    let choice = try OptimizerChoice("sgd", [LabelledArgument(.number(0.1), label: "weight_decay")])
    var trainer = try TestTrainer(loss: LossChoice("mse"), optimizer: choice) { b in
      try b.output("y", b.dense(b.input("x", dims: [1]), units: 1))
    }
    trainer.set("dense1.weight", [5])
    trainer.set("dense1.bias", [2])
    try trainer.backward([x], [Values([5], shape: [1, 1])])
    try trainer.update()
    assertClose(trainer.tensors["dense1.weight"]!.doubles, [5 - 0.1 * 4.5])
    assertClose(trainer.tensors["dense1.bias"]!.doubles, [2 - 0.1 * 4])
  }

  /// Two segments (decayed, plain) and two moments: moments are laid out moment by moment over both. Values from PyTorch 2.15, AdamW with
  /// the bias in a group without decay, two steps.
  func testMomentsOfTwoSegments() throws {
    var trainer = try TestTrainer(loss: LossChoice("mse"), optimizer: OptimizerChoice("adamw")) { b in
      try b.output("y", b.dense(b.input("x", dims: [2]), units: 1))
    }
    trainer.set("dense1.weight", [5, -1])
    trainer.set("dense1.bias", [2])
    for _ in 0..<2 {
      try trainer.backward([Values([1, 2], shape: [1, 2])], [Values([3], shape: [1, 1])])
      try trainer.update()
    }
    assertClose(
      trainer.tensors["dense1.weight"]!.doubles + trainer.tensors["dense1.bias"]!.doubles, Self.adamwParameters, 1e-9)
    assertClose(trainer.moments, Self.adamwMoments, 1e-9)
  }

  static let adamwParameters = [4.79130731394, -1.19669868632, 1.80120231395]
  static let adamwMoments = [0.67940000015, 1.3588000003, 0.67940000015, 0.0261856360096, 0.104742544038, 0.0261856360096]

  func testFrozenLayersStay() throws {
    var trainer = try TestTrainer(loss: LossChoice("mse"), freeze: ["first"]) { b in
      try b.output("y", b.dense(b.dense(b.input("x", dims: [1]), units: 1, name: "first"), units: 1))
    }
    XCTAssertEqual(trainer.model.parameterOrder.map(\.name), ["dense1.weight", "dense1.bias", "first.weight", "first.bias"])
    trainer.set("first.weight", [2])
    trainer.set("dense1.weight", [1])
    try trainer.backward([x], [y])
    XCTAssertEqual(trainer.gradients.keys.sorted(), ["dense1.bias", "dense1.weight"])
    try trainer.update()
    XCTAssertEqual(trainer.tensors["first.weight"]!.doubles, [2])
    XCTAssertEqual(trainer.tensors["dense1.weight"]!.doubles, [1 + 0.1 * 4])
    XCTAssertThrowsError(
      try TestTrainer(loss: LossChoice("mse"), freeze: ["dense"]) { b in
        try b.output("y", b.dense(b.input("x", dims: [1]), units: 1))
      }
    ) { XCTAssertEqual(($0 as? Diagnostic)?.message, "no layer 'dense' with parameters to freeze; did you mean 'dense1'?") }
  }

  func testConstantsAreChecked() {
    for (name, label, value) in [("adam", "beta1", 1.0), ("sgd", "weight_decay", -1), ("sgd", "rate", -0.1), ("momentum", "momentum", 1)] {
      XCTAssertThrowsError(try OptimizerChoice(name, [LabelledArgument(.number(value), label: label)]), label) {
        XCTAssert($0 is Diagnostic)
      }
    }
    XCTAssertThrowsError(try OptimizerChoice("adm")) {
      XCTAssertEqual(($0 as? Diagnostic)?.message, "unknown optimizer 'adm'; did you mean 'adam'?")
    }
  }
}
