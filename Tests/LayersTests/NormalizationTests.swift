import Basics
import GraphIR
import Layers
import Training
import XCTest

final class NormalizationTests: XCTestCase {
  /// Training form on [1, 2, 3, 4], a gradient that is not zero, the running statistics, and the inference form from these.
  func testBatchNorm() throws {
    var trainer = try TestTrainer(loss: LossChoice("mse")) { b in
      try b.output("y", b.batchNorm(b.input("x", dims: [1])))
    }
    let x = Values([1, 2, 3, 4], shape: [4, 1])
    try trainer.backward([x], [Values([-1.34163542, -0.44721181, 0.44721181, 1.34163542], shape: [4, 1])])
    XCTAssertEqual(trainer.loss, 0, accuracy: 1e-15)
    // Running statistics: 0.9 · 0 + 0.1 · 2.5 and 0.9 · 1 + 0.1 · 5/3.
    assertClose(trainer.tensors["batch_norm1.running_mean"]!.doubles, [0.25], 1e-15)
    assertClose(trainer.tensors["batch_norm1.running_var"]!.doubles, [0.9 + 0.5 / 3], 1e-15)
    // PyTorch 2.15, float64, eval() after that step.
    assertClose(
      try trainer.run([x])[0].doubles, [0.726180973449, 1.694422271380, 2.662663569311, 3.630904867243], 1e-11)
  }

  func testBatchNormWithAnotherEpsilon() throws {
    var trainer = try TestTrainer(loss: LossChoice("mse")) { b in
      try b.output("y", b.batchNorm(b.input("x", dims: [1]), epsilon: 1e-3))
    }
    try trainer.backward(
      [Values([1, 2, 3, 4], shape: [4, 1])], [Values([-1.34110445, -0.44703482, 0.44703482, 1.34110445], shape: [4, 1])])
    XCTAssertEqual(trainer.loss, 0, accuracy: 1e-15)
  }

  func testASingleRowCountsAsVarianceZero() throws {
    var trainer = try TestTrainer(loss: LossChoice("mse")) { b in
      try b.output("y", b.batchNorm(b.input("x", dims: [1])))
    }
    try trainer.backward([Values([3], shape: [1, 1])], [Values([0], shape: [1, 1])])
    assertClose(trainer.tensors["batch_norm1.running_var"]!.doubles, [0.9], 1e-15)
  }

  /// Two features, two rows more than once: gradients against central differences of the loss.
  func testGradientsOfNormalisationsAgreeWithDifferences() throws {
    for kind in ["batch_norm", "layer_norm"] {
      var trainer = try TestTrainer(loss: LossChoice("mse")) { b in
        let h = try b.dense(b.input("x", dims: [2]), units: 3)
        try b.output("y", b.apply(layer: kind, [LabelledArgument(.value(h))]))
      }
      trainer.set("dense1.weight", [0.3, -0.2, 0.5, 0.1, 0.7, -0.4])
      trainer.set("dense1.bias", [0.1, -0.1, 0.2])
      let x = [Values([1, 2, -1, 0.5, 0.3, -0.7], shape: [3, 2])]
      let y = [Values([0.5, -1, 0, 1, 0.2, -0.3, 0.4, 0.9, -1.2], shape: [3, 3])]
      try trainer.backward(x, y)
      let gradients = trainer.gradients
      for (name, gradient) in gradients {
        for index in gradient.indices {
          let losses = try [1e-5, -1e-5].map { step in
            var moved = trainer
            var values = moved.tensors[name]!.doubles
            values[index] += step
            moved.set(name, values)
            moved.micro = 0
            try moved.backward(x, y)
            return moved.loss
          }
          XCTAssertEqual(gradient[index], (losses[0] - losses[1]) / 2e-5, accuracy: 1e-8, "\(kind) \(name)[\(index)]")
        }
      }
    }
  }
}
