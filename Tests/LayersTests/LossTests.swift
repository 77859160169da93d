import Basics
import Foundation
import GraphIR
import Layers
import Training
import XCTest

final class LossTests: XCTestCase {
  /// Loss and gradient with respect to the input of a model whose only parameter is added to the input.
  private func lossAndGradient(
    _ loss: LossChoice, _ x: [Double], _ target: Values, width: Int,
    _ head: @escaping (inout ModelBuilder, ValueID) throws -> ValueID = { $1 }
  ) throws -> (loss: Double, gradient: [Double]) {
    var trainer = try TestTrainer(loss: loss) { b in
      let z = try b.layer("shift") { b in
        try b.graph.add(b.input("x", dims: [width]), b.parameter("z", shape: [width], initializer: .zeros))
      }
      try b.output("y", head(&b, z))
    }
    try trainer.backward([Values(x, shape: [x.count / width, width])], [target])
    XCTAssertEqual(try trainer.evaluate([Values(x, shape: [x.count / width, width])], [target]), trainer.loss)
    return (trainer.loss, trainer.gradients["shift1.z"]!)
  }

  func testRegressionLosses() throws {
    let y = Values([1, 2, 3], shape: [1, 3])
    let cases: [(LossChoice, Double, [Double])] = [
      (LossChoice("mse"), 4.25 / 3, [1 / 3.0, 0, 4 / 3.0]), (LossChoice("mae"), 2.5 / 3, [1 / 3.0, 0, 1 / 3.0]),
      (LossChoice("huber"), 1.625 / 3, [0.5 / 3, 0, 1 / 3.0]),
      (LossChoice("huber", [LabelledArgument(.number(0.25), label: "delta")]), (0.09375 + 0.46875) / 3, [0.25 / 3, 0, 0.25 / 3]),
    ]
    for (loss, expected, gradient) in cases {
      let found = try lossAndGradient(loss, [1.5, 2, 5], y, width: 3)
      XCTAssertEqual(found.loss, expected, accuracy: 1e-12, loss.name)
      assertClose(found.gradient, gradient, 1e-12, loss.name)
    }
  }

  func testSoftmaxCrossEntropyFromLogits() throws {
    let logits = [0.7, 0.2, 0.1].map { Foundation.log($0) }
    for (name, target) in [
      ("sparse_categorical_crossentropy", Values([0], .i32)), ("categorical_crossentropy", Values([1, 0, 0], shape: [1, 3])),
    ] {
      let found = try lossAndGradient(LossChoice(name), logits, target, width: 3) { try $0.softmax($1) }
      XCTAssertEqual(found.loss, 0.3566749439, accuracy: 1e-10, name)
      assertClose(found.gradient, [-0.3, 0.2, 0.1], 1e-12, name)
    }
  }

  func testCrossEntropyOfProbabilities() throws {
    for (name, target) in [("cross_entropy", Values([0], .i32)), ("categorical_cross_entropy", Values([1, 0, 0], shape: [1, 3]))] {
      let found = try lossAndGradient(LossChoice(name), [0.7, 0.2, 0.1], target, width: 3)
      XCTAssertEqual(found.loss, 0.3566749439, accuracy: 1e-10, name)
      assertClose(found.gradient, [-1 / 0.7, 0, 0], 1e-9, name)
      XCTAssertEqual(try lossAndGradient(LossChoice(name), [0, 1, 0], target, width: 3).loss, 16.11809565, accuracy: 1e-7, name)
    }
  }

  func testSigmoidCrossEntropyFromLogits() throws {
    let z = Foundation.log(99.0)
    let binary = try lossAndGradient(LossChoice("bce"), [z], Values([0], shape: [1, 1]), width: 1) { try $0.sigmoid($1) }
    XCTAssertEqual(binary.loss, 4.6051701860, accuracy: 1e-10)
    assertClose(binary.gradient, [0.99], 1e-12)
    let squared = try lossAndGradient(LossChoice("mse"), [z], Values([0], shape: [1, 1]), width: 1) { try $0.sigmoid($1) }
    assertClose(squared.gradient, [0.019602], 1e-12)
    let far = try lossAndGradient(LossChoice("bce"), [800], Values([0], shape: [1, 1]), width: 1) { try $0.sigmoid($1) }
    XCTAssertEqual(far.loss, 800)
    assertClose(far.gradient, [1])
  }

  func testBinaryCrossEntropyAtExactProbabilities() throws {
    func loss(_ p: Double, _ y: Double) throws -> (loss: Double, gradient: [Double]) {
      try lossAndGradient(LossChoice("binary_crossentropy"), [p], Values([y], shape: [1, 1]), width: 1)
    }
    XCTAssertEqual(try loss(1, 1).loss, 0, accuracy: 2e-7)
    XCTAssertEqual(try loss(0, 0).loss, 0, accuracy: 2e-7)
    XCTAssertEqual(try loss(0, 1).loss, 16.11809565, accuracy: 1e-7)
    XCTAssertEqual(try loss(0.25, 1).loss, 2 * Foundation.log(2), accuracy: 1e-12)
    for p in [0.0, 1] { for y in [0.0, 1] { XCTAssertTrue(try loss(p, y).gradient[0].isFinite) } }
  }

  /// A sigmoid seen through a reshape is still worked on from its logits.
  func testLogitsSurviveReshape() throws {
    let found = try lossAndGradient(LossChoice("bce"), [800], Values([0], shape: [1, 1]), width: 1) { try $0.flatten($0.sigmoid($1)) }
    XCTAssertEqual(found.loss, 800)
  }

  /// Σ wᵢ lᵢ / N: weights do not renormalise.
  func testRowWeights() throws {
    let trainer = try TestTrainer(loss: LossChoice("mse")) { try $0.output("y", $0.input("x", dims: [1])) }
    let x = Values([1, 2, 3, 4], shape: [4, 1]), y = Values([0, 0, 0, 0], shape: [4, 1])
    XCTAssertEqual(try trainer.evaluate([x], [y]), 7.5)
    XCTAssertEqual(try trainer.evaluate([x], [y], weights: [1, 0, 2, 0]), 19 / 4.0)
  }

  func testSeveralOutputsAreAddedWithWeights() throws {
    let definition = ModelDefinition(name: "two") { b in
      let x = try b.input("x", dims: [1])
      try b.output("a", x)
      try b.output("b", b.graph.multiply(x, 2))
    }
    let training = TrainingSpecification(
      losses: [LossChoice("mse", output: "a"), LossChoice("mae", output: "b", target: "t", weight: 0.5)], optimizer: try .init("sgd"))
    let trainer = TestTrainer(try buildModel(definition: definition, training: training, element: .f64, maxBatch: 4))
    XCTAssertEqual(trainer.model.targets.map(\.name), ["a_target", "t"])
    let zero = Values([0], shape: [1, 1])
    XCTAssertEqual(try trainer.evaluate([Values([3], shape: [1, 1])], [zero, zero]), 9 + 0.5 * 6)
  }

  func testTargetsFollowFromLossAndOutput() throws {
    func model(_ loss: String, _ head: @escaping (inout ModelBuilder, ValueID) throws -> ValueID) throws -> Model {
      try TestTrainer(loss: LossChoice(loss)) { b in try b.output("y", head(&b, b.input("x", dims: [4]))) }.model
    }
    let binary = try model("bce") { try $0.sigmoid($0.dense($1, units: 1)) }
    XCTAssertEqual(binary.targets, [.init(name: "target", element: .f64, dims: [1])])
    XCTAssertEqual(binary.task, .binary)
    let classes = try model("sparse_categorical_crossentropy") { try $0.softmax($0.dense($1, units: 3)) }
    XCTAssertEqual(classes.targets, [.init(name: "target", element: .i32, dims: [])])
    XCTAssertEqual(classes.task, .classes)
    let numbers = try model("mse") { try $0.dense($1, units: 2) }
    XCTAssertEqual(numbers.targets, [.init(name: "target", element: .f64, dims: [2])])
    XCTAssertEqual(numbers.task, .regression)
  }

  /// A model that learns its own input has no target port.
  func testAnInputAsTarget() throws {
    let trainer = try TestTrainer(loss: LossChoice("mse", target: "x")) { b in
      try b.output("y", b.graph.multiply(b.input("x", dims: [1]), 3))
    }
    XCTAssertEqual(trainer.model.targets, [])
    XCTAssertEqual(try trainer.evaluate([Values([2], shape: [1, 1])], []), 16)
  }

  func testUnknownLoss() {
    XCTAssertThrowsError(try LossCatalog.entry("binary_crosentropy")) {
      XCTAssertEqual(($0 as? Diagnostic)?.message, "unknown loss 'binary_crosentropy'; did you mean 'binary_crossentropy'?")
    }
  }
}
