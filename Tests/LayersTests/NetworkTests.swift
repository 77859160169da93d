import Basics
import Foundation
import GraphIR
import Layers
import Optimizers
import Training
import XCTest

/// Small networks whose numbers were worked out by hand or by PyTorch.
final class NetworkTests: XCTestCase {
  func testOneReluUnit() throws {
    var trainer = try TestTrainer(loss: LossChoice("mse")) { b in
      try b.output("y", b.dense(b.input("x", dims: [2]), units: 1, activation: .relu))
    }
    trainer.set("dense1.weight", [0.8, 0.2])
    trainer.set("dense1.bias", [0.1])
    assertClose(try trainer.run([Values([0.5, 0.3], shape: [1, 2])])[0].doubles, [0.56], 1e-15)
  }

  /// Two sigmoid layers, loss ½ Σ (a - y)² with gradients summed over three rows.
  func testTwoSigmoidLayers() throws {
    var trainer = try TestTrainer(loss: LossChoice("mse", weight: 1.5)) { b in
      let hidden = try b.dense(b.input("x", dims: [2]), units: 3, activation: .sigmoid)
      try b.output("a", b.dense(hidden, units: 1, activation: .sigmoid))
    }
    trainer.set("dense1.weight", [0.1, -0.2, 0.3, 0.4, 0.5, -0.6])
    trainer.set("dense1.bias", [0.1, 0, -0.1])
    trainer.set("dense2.weight", [0.7, -0.8, 0.9])
    trainer.set("dense2.bias", [0.05])
    let x = Values([1, 0, 0, 1, 1, 1], shape: [3, 2])
    assertClose(try trainer.run([x])[0].doubles, [0.63867124, 0.57111091, 0.59954905])
    try trainer.backward([x], [Values([1, 0, 1], shape: [3, 1])])
    XCTAssertEqual(trainer.loss, 0.3085435530, accuracy: 1e-10)
    assertClose(trainer.gradients["dense2.weight"]!, [-0.02084779, -0.00569028, -0.03801407])
    assertClose(trainer.gradients["dense2.bias"]!, [-0.03963845])
    assertClose(trainer.gradients["dense1.weight"]!, [-0.02984464, 0.03531374, -0.03936474, 0.00761482, -0.00749708, 0.00712410])
    assertClose(trainer.gradients["dense1.bias"]!, [-0.00683241, 0.00901405, -0.01145092])
  }

  /// A relu network with λ/2 Σ w² on both layers: the loss with and without penalty, and its gradient.
  func testPenalty() throws {
    var trainer = try TestTrainer(loss: LossChoice("mse", weight: 0.5)) { b in
      let hidden = try b.dense(b.input("x", dims: [2]), units: 2, bias: false, activation: .relu, l2: 0.1)
      try b.output("o", b.dense(hidden, units: 1, bias: false, l2: 0.1))
    }
    // W1 of the example is [out, in].
    trainer.set("dense1.weight", [0.5, 1, -1, 0.25])
    trainer.set("dense2.weight", [2, -1])
    let x = Values([1, 2], shape: [1, 2]), y = Values([1], shape: [1, 1])
    assertClose(try trainer.run([x])[0].doubles, [-1.5], 1e-15)
    try trainer.backward([x], [y])
    XCTAssertEqual(trainer.dataLoss, 3.125, accuracy: 1e-12)
    XCTAssertEqual(trainer.loss, 3.490625, accuracy: 1e-12)
    XCTAssertEqual(try trainer.evaluate([x], [y]), 3.125, accuracy: 1e-12)
    assertClose(trainer.gradients["dense2.weight"]!, [0.2, -3.85], 1e-12)
    assertClose(trainer.gradients["dense1.weight"]!, [0.05, 2.6, -0.1, 5.025], 1e-12)
  }

  func testAbsolutePenalty() throws {
    var trainer = try TestTrainer(loss: LossChoice("mse")) { b in
      try b.output("o", b.dense(b.input("x", dims: [2]), units: 1, bias: false, l1: 0.5))
    }
    trainer.set("dense1.weight", [2, -1])
    try trainer.backward([Values([0, 0], shape: [1, 2])], [Values([0], shape: [1, 1])])
    XCTAssertEqual(trainer.loss, 1.5)
    XCTAssertEqual(trainer.dataLoss, 0)
    XCTAssertEqual(trainer.gradients["dense1.weight"]!, [0.5, -0.5])
  }

  /// y = F(x) + x with F = 0.
  func testResidual() throws {
    var trainer = try TestTrainer(loss: LossChoice("mse")) { b in
      let x = try b.layer("shift") { b in
        try b.graph.add(b.input("x", dims: [2]), b.parameter("z", shape: [2], initializer: .zeros))
      }
      try b.output("y", b.add([b.dense(x, units: 2), x]))
    }
    let x = Values([3, -1], shape: [1, 2])
    XCTAssertEqual(try trainer.run([x])[0].doubles, [3, -1])
    // d mse / dx = 2 (y - t) / 2 · dy/dx, and dy/dx = 1.
    try trainer.backward([x], [Values([2, 1], shape: [1, 2])])
    XCTAssertEqual(trainer.gradients["shift1.z"], [1, -2])
  }

  func testDropoutMasks() throws {
    let width = 400
    for (rate, kept) in [(0.2, 1.25), (0.5, 2)] {
      var trainer = try TestTrainer(loss: LossChoice("mse")) { b in
        let x = try b.input("x", dims: [width])
        let scale = try b.layer("scale") { try $0.parameter("w", shape: [width], initializer: .ones) }
        try b.output("y", b.graph.multiply(b.dropout(x, rate: rate), scale))
      }
      let ones = Values(Array(repeating: 1, count: width), shape: [1, width])
      let zeros = Values(Array(repeating: 0, count: width), shape: [1, width])
      trainer.set("scale1.w", ones.doubles)
      XCTAssertEqual(try trainer.run([ones])[0].doubles, ones.doubles)
      var masks: [[Double]] = []
      for (step, micro, seed) in [(0, 0, 1), (1, 0, 1), (0, 1, 1), (0, 0, 2), (0, 0, 1)] {
        (trainer.step, trainer.micro, trainer.seed) = (step, 0, UInt64(seed))
        if micro == 1 {
          try trainer.backward([ones], [zeros])
          trainer.gradients["scale1.w"] = zeros.doubles
        }
        try trainer.backward([ones], [zeros])
        // d/dw mean (w d)² = 2 w d² / width: the backward mask is the forward one.
        let mask = trainer.gradients["scale1.w"]!.map { ($0 * Double(width) / 2).squareRoot() }
        XCTAssertEqual(trainer.loss, mask.reduce(0) { $0 + $1 * $1 } / Double(width), accuracy: 1e-12)
        for value in mask { XCTAssertTrue(abs(value) < 1e-12 || abs(value - kept) < 1e-12, "\(value)") }
        XCTAssertEqual(Double(mask.filter { $0 > 0 }.count) / Double(width), 1 - rate, accuracy: 0.1)
        masks.append(mask.map { $0.rounded() })
      }
      // Step, micro-batch and seed each give another mask; the same three the same.
      XCTAssertEqual(Set(masks.prefix(4)).count, 4)
      XCTAssertEqual(masks[0], masks[4])
    }
  }

  func testTwoDropoutsNeverShareAMask() throws {
    var trainer = try TestTrainer(loss: LossChoice("mse")) { b in
      let x = try b.input("x", dims: [64])
      let y = try b.multiply([b.dropout(x, rate: 0.5, name: "d"), b.dropout(x, rate: 0.5, name: "d")])
      let z = try b.multiply([y, b.dropout(x, rate: 0.5)])
      try b.output("y", b.dense(z, units: 1, bias: false))
    }
    trainer.set("dense1.weight", Array(repeating: 1, count: 64))
    try trainer.backward([Values(Array(repeating: 1, count: 64), shape: [1, 64])], [Values([0], shape: [1, 1])])
    // Kept by all three masks: about an eighth. With a shared mask it would be a quarter or a half.
    let kept = trainer.gradients["dense1.weight"]!.filter { $0 != 0 }.count
    XCTAssertTrue((1...15).contains(kept), "\(kept)")
  }

  func testBadModelsAreErrors() throws {
    let training = TrainingSpecification(losses: [LossChoice("mse", output: "z")], optimizer: try OptimizerChoice("sgd"))
    let good = ModelDefinition(name: "m") { try $0.output("y", $0.input("x", dims: [1])) }
    XCTAssertThrowsError(try buildModel(definition: good, training: training, element: .f32, maxBatch: 4)) {
      XCTAssertEqual(($0 as? Diagnostic)?.message, "loss 'mse' judges 'z', but the outputs are y")
    }
    for (definition, batch) in [
      (good, 0), (ModelDefinition(name: "m") { _ in }, 1), (ModelDefinition(name: "m") { _ = try $0.input("x", dims: [1]) }, 1),
    ] {
      XCTAssertThrowsError(try buildModel(definition: definition, training: nil, element: .f32, maxBatch: batch)) {
        XCTAssert($0 is Diagnostic)
      }
    }
    XCTAssertThrowsError(try buildModel(definition: good, training: nil, element: .i32, maxBatch: 1)) { XCTAssert($0 is Diagnostic) }
  }

  func testGraphsOfAModel() throws {
    let model = try TestTrainer(loss: LossChoice("bce"), optimizer: OptimizerChoice("adam")) { b in
      try b.output("risk", b.sigmoid(b.dense(b.relu(b.dense(b.input("features", dims: [29]), units: 16)), units: 1)))
    }.model
    XCTAssertEqual(model.graphs.map(\.name), ["run", "evaluate", "backward", "update", "initialize"])
    XCTAssertEqual(model.graph("run")!.outputs.map(\.name), ["risk"])
    XCTAssertEqual(model.graph("evaluate")!.outputs.map(\.name), ["risk"])
    XCTAssertEqual(model.graph("evaluate")!.updates.map(\.leaf.name), ["loss"])
    XCTAssertEqual(model.graph("backward")!.outputs, [])
    XCTAssertEqual(model.momentsPerParameter, 2)
    XCTAssertEqual(
      model.graph("backward")!.updates.map { "\($0.leaf.name) \($0.mode)" },
      [
        "dense1.weight accumulate", "dense1.bias accumulate", "dense2.weight accumulate", "dense2.bias accumulate", "loss assign",
        "data_loss assign",
      ])
    // Without decay the whole block is one segment.
    XCTAssertEqual(model.graph("update")!.updates.map(\.leaf.name), ["norm", "parameters", "moment1", "moment2"])
    XCTAssertEqual(model.graph("backward")!.requirements.count, 1)
    XCTAssertEqual(model.graph("update")!.requirements.count, 1)
  }

  /// Reverse mode as text: one dense layer under the squared error.
  func testBackwardOfADenseLayerAsText() throws {
    let model = try TestTrainer(loss: LossChoice("mse")) { b in
      try b.output("y", b.dense(b.input("x", dims: [3]), units: 1))
    }.model
    XCTAssertEqual(
      "\(model.graph("backward")!)".trimmingCharacters(in: .newlines),
      """
      graph backward {
        symbol n <= 64
        %0 = input 0 "x" : f64[N, 3]
        %1 = parameter "dense1.weight" : f64[3, 1] in "dense1"
        %2 = matmul(%0, %1) : f64[N, 1] in "dense1"
        %3 = parameter "dense1.bias" : f64[1] in "dense1"
        %4 = broadcast(%3, shape: [N, 1]) : f64[N, 1] in "dense1"
        %5 = add(%2, %4) : f64[N, 1] in "dense1"
        %6 = weights "weights" : f64[N]
        %7 = target 0 "target" : f64[N, 1]
        %8 = subtract(%5, %7) : f64[N, 1] in "mean_squared"
        %9 = square(%8) : f64[N, 1] in "mean_squared"
        %10 = reshape(%9, shape: [N]) : f64[N] in "mean_squared"
        %11 = multiply(%10, %6) : f64[N] in "loss"
        %12 = mean(%11, axes: [0]) : f64[] in "loss"
        %13 = constant(value: 1.0, element: f64) : f64[]
        %14 = size(size: N, element: f64) : f64[] in "loss" backward
        %15 = divide(%13, %14) : f64[] in "loss" backward
        %16 = reshape(%15, shape: [1]) : f64[1] in "loss" backward
        %17 = broadcast(%16, shape: [N]) : f64[N] in "loss" backward
        %18 = multiply(%17, %6) : f64[N] in "loss" backward
        %19 = multiply(%17, %10) : f64[N] in "loss" backward
        %20 = reshape(%18, shape: [N, 1]) : f64[N, 1] in "mean_squared" backward
        %21 = constant(value: 2.0, element: f64) : f64[] in "mean_squared" backward
        %22 = broadcast(%21, shape: [N, 1]) : f64[N, 1] in "mean_squared" backward
        %23 = multiply(%8, %22) : f64[N, 1] in "mean_squared" backward
        %24 = multiply(%20, %23) : f64[N, 1] in "mean_squared" backward
        %25 = negate(%24) : f64[N, 1] in "mean_squared" backward
        %26 = sum(%24, axes: [0]) : f64[1] in "dense1" backward
        %27 = matmul(%24, %1, transpose_b: true) : f64[N, 3] in "dense1" backward
        %28 = matmul(%0, %24, transpose_a: true) : f64[3, 1] in "dense1" backward
        update gradient "dense1.weight" <- %28 accumulate
        update gradient "dense1.bias" <- %26 accumulate
        update control 8 "loss" <- %12
        update control 16 "data_loss" <- %12
        require finite %12
      }
      """)
    for graph in model.graphs { XCTAssertEqual(graph.verify().map(\.message), []) }
  }
}
