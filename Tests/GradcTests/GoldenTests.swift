import Basics
import CRuntime
import Foundation
import Gradc
import GraphIR
import Layers
import LoopIR
import ModelLanguage
import Operators
import Optimizers
import Testing
import Training

@testable import TestSupport

/// Worked examples of courses and textbooks, through the whole compiler to machine code. Their numbers are checkable by hand. Batches (1,000
/// rows of 100; 10,000 rows of 32) are the runtime's: `SplitTests`, and there also that an epoch visits every row once.
@Suite struct GoldenTests {
  private func expect(
    _ found: [Double], _ wanted: [Double], _ tolerance: Double = 1e-8, _ what: String = "",
    sourceLocation: Testing.SourceLocation = #_sourceLocation
  ) {
    #expect(found.count == wanted.count, "\(what)", sourceLocation: sourceLocation)
    for (a, b) in zip(found, wanted) {
      #expect(abs(a - b) <= tolerance, "\(what): \(found), not \(wanted)", sourceLocation: sourceLocation)
    }
  }

  private func run(_ machine: Machine, _ x: [Double], rows: Int) throws -> [Double] {
    doubles(try machine.run([bytes(x, .f64)], rows: rows)[0], .f64)
  }

  private func backward(_ machine: Machine, _ x: [Double], _ y: [Double], rows: Int, integers: Bool = false) throws {
    #expect(try machine.backward([bytes(x, .f64)], [bytes(y, integers ? .i32 : .f64)], rows: rows) == 0)
  }

  // MARK: Layers

  @Test func parameterCounts() throws {
    func count(_ widths: [Int]) throws -> Int {
      try program(loss: LossChoice("mse")) { b in
        var x = try b.input("x", dims: [widths[0]])
        for units in widths.dropFirst() { x = try b.dense(x, units: units) }
        try b.output("y", x)
      }.parameterCount
    }
    for (widths, expected) in [([29, 16, 1], 497), ([5, 8, 4, 2], 94), ([3, 1], 4), ([2, 2], 6), ([11, 64, 32, 1], 2881)] {
      #expect(try count(widths) == expected)
    }
    #expect(try example("heart", maxBatch: 32).parameterCount == 497)
    #expect(try example("churn", maxBatch: 32).parameterCount == 2881)
  }

  @Test func oneReluUnit() throws {
    let machine = try network(loss: LossChoice("mse")) { b in
      try b.output("y", b.dense(b.input("x", dims: [2]), units: 1, activation: .relu))
    }
    machine.set("dense1.weight", [0.8, 0.2])
    machine.set("dense1.bias", [0.1])
    expect(try run(machine, [0.5, 0.3], rows: 1), [0.56], 1e-15)
  }

  @Test func activations() throws {
    let cases: [(Activation, [Double], [Double])] = [
      (.leakyRelu(slope: 0.01), [-2, 0, 3], [-0.02, 0, 3]), (.relu, [-2, 0, 3], [0, 0, 3]), (.relu6, [-1, 5, 7], [0, 5, 6]),
      (.softplus, [0], [0.6931471806]),
      (.tanh, [1], [0.7615941560]), (.silu, [1], [0.7310585786]), (.elu(alpha: 1), [-1], [-0.6321205588]),
    ]
    for (activation, x, y) in cases {
      let machine = try network(loss: LossChoice("mse")) { b in
        try b.output("y", b.activation(activation, b.input("x", dims: [1])))
      }
      expect(try run(machine, x, rows: x.count), y, 1e-10, "\(activation)")
    }
  }

  /// d/dx of sigmoid: mse of one row against y - 1/2 has the derivative (a - y) 2 a' = a'.
  @Test func slopeOfTheSigmoid() throws {
    let machine = try network(loss: LossChoice("mse")) { b in
      let z = try b.layer("shift") { b in
        try b.graph.add(b.input("x", dims: [1]), b.parameter("z", shape: [1], initializer: .zeros))
      }
      try b.output("y", b.sigmoid(z))
    }
    for (x, slope) in [(0.0, 0.25), (-5, 0.0066480567), (10, 4.5395808e-5)] {
      try backward(machine, [x], [1 / (1 + exp(-x)) - 0.5], rows: 1)
      machine.controls.pointee.micro = 0
      expect(machine.gradient("shift1.z"), [slope], 1e-10)
    }
  }

  @Test func batchNorm() throws {
    for (epsilon, outer, inner) in [(1e-5, 1.34163542, 0.44721181), (1e-3, 1.34110445, 0.44703482)] {
      let machine = try network(loss: LossChoice("mse")) { b in
        try b.output("y", b.batchNorm(b.input("x", dims: [1]), epsilon: epsilon))
      }
      machine.set("batch_norm1.gamma", [1])
      // Targets of zero: the gradient of the shift is the mean of the outputs twice, that of the scale the mean of their squares twice.
      try backward(machine, [1, 2, 3, 4], [0, 0, 0, 0], rows: 4)
      expect(machine.gradient("batch_norm1.beta"), [0])
      expect(machine.gradient("batch_norm1.gamma"), [outer * outer + inner * inner], 1e-7)
      expect([machine.controls.pointee.loss], [(outer * outer + inner * inner) / 2], 1e-7)
    }
  }

  @Test func dropout() throws {
    for (rate, kept) in [(0.2, 1.25), (0.5, 2.0)] {
      let width = 256
      let machine = try network(loss: LossChoice("mse")) { b in
        let x = try b.input("x", dims: [width])
        let scale = try b.layer("scale") { try $0.parameter("w", shape: [width], initializer: .ones) }
        try b.output("y", b.graph.multiply(b.dropout(x, rate: rate), scale))
      }
      try machine.initialize(seed: 5)
      let ones = Array(repeating: 1.0, count: width), zeros = Array(repeating: 0.0, count: width)
      #expect(try run(machine, ones, rows: 1) == ones)
      var masks: [[Double]] = []
      for _ in 0..<2 {
        try backward(machine, ones, zeros, rows: 1)
        // d/dw mean (w m)² = 2 m² / width: the mask of the backward pass, and the loss tells the forward pass's.
        let mask = machine.gradient("scale1.w").map { ($0 * Double(width) / 2).squareRoot() }
        expect([machine.controls.pointee.loss], [mask.reduce(0) { $0 + $1 * $1 } / Double(width)], 1e-12)
        for value in mask { #expect(value == 0 || abs(value - kept) < 1e-12) }
        let share = Double(mask.filter { $0 > 0 }.count) / Double(width)
        #expect(abs(share - (1 - rate)) < 0.12)
        masks.append(mask)
        machine.controls.pointee.rate = 0
        #expect(try machine.update() == 0)
      }
      #expect(masks[0] != masks[1])
    }
  }

  @Test func residual() throws {
    let machine = try network(loss: LossChoice("mse")) { b in
      let x = try b.layer("shift") { b in
        try b.graph.add(b.input("x", dims: [2]), b.parameter("z", shape: [2], initializer: .zeros))
      }
      try b.output("y", b.add([b.dense(x, units: 2), x]))
    }
    #expect(try run(machine, [3, -1], rows: 1) == [3, -1])
    try backward(machine, [3, -1], [2, 1], rows: 1)
    #expect(machine.gradient("shift1.z") == [1, -2])
  }

  @Test func xavierBounds() throws {
    for (initializer, check) in [
      (Initializer.xavierNormal, { (values: [Double]) in abs((values.reduce(0) { $0 + $1 * $1 } / 464).squareRoot() - 0.2108185) < 0.02 }),
      (.xavierUniform, { values in values.allSatisfy { abs($0) <= 0.3651484 } && values.contains { abs($0) > 0.355 } }),
    ] {
      let machine = try network(loss: LossChoice("mse")) { b in
        try b.output("y", b.dense(b.input("x", dims: [29]), units: 16, initializer: initializer))
      }
      try machine.initialize(seed: 1)
      #expect(check(machine.tensor("dense1.weight")), "\(initializer)")
      #expect(machine.tensor("dense1.bias").allSatisfy { $0 == 0 })
    }
  }

  // MARK: Losses

  private func loss(
    _ choice: LossChoice, _ x: [Double], _ y: [Double], integers: Bool = false,
    _ head: @escaping (inout ModelBuilder, ValueID) throws -> ValueID
  ) throws -> (loss: Double, gradient: [Double]) {
    let machine = try network(loss: choice) { b in
      let z = try b.layer("shift") { b in
        try b.graph.add(b.input("x", dims: [x.count]), b.parameter("z", shape: [x.count], initializer: .zeros))
      }
      try b.output("y", head(&b, z))
    }
    try backward(machine, x, y, rows: 1, integers: integers)
    return (machine.controls.pointee.loss, machine.gradient("shift1.z"))
  }

  @Test func crossEntropies() throws {
    let logits = [0.7, 0.2, 0.1].map { log($0) }
    let classes = try loss(LossChoice("sparse_categorical_cross_entropy"), logits, [0], integers: true) { try $0.softmax($1) }
    expect([classes.loss] + classes.gradient, [0.3566749439, -0.3, 0.2, 0.1], 1e-10)
    let wrong = try loss(LossChoice("binary_cross_entropy"), [log(99)], [0]) { try $0.sigmoid($1) }
    expect([wrong.loss] + wrong.gradient, [4.6051701860, 0.99], 1e-10)
    let squared = try loss(LossChoice("mse"), [log(99)], [0]) { try $0.sigmoid($1) }
    expect(squared.gradient, [0.019602], 1e-10)
    for (p, y, expected) in [(1.0, 1.0, 0.0), (0, 0, 0)] {
      expect([try loss(LossChoice("binary_cross_entropy"), [p], [y]) { $1 }.loss], [expected], 1e-6)
    }
    let certain = try loss(LossChoice("binary_cross_entropy"), [0], [1]) { $1 }
    #expect(certain.loss > 10 && certain.loss.isFinite && certain.gradient[0].isFinite)
  }

  @Test func regressionLosses() throws {
    for (name, expected) in [("mse", 1.4166667), ("mae", 0.8333333), ("huber", 0.5416667)] {
      expect([try loss(LossChoice(name), [1.5, 2, 5], [1, 2, 3]) { $1 }.loss], [expected], 1e-7, name)
    }
  }

  // MARK: Networks

  @Test func twoSigmoidLayers() throws {
    let machine = try network(loss: LossChoice("mse", weight: 1.5)) { b in
      let hidden = try b.dense(b.input("x", dims: [2]), units: 3, activation: .sigmoid)
      try b.output("a", b.dense(hidden, units: 1, activation: .sigmoid))
    }
    machine.set("dense1.weight", [0.1, -0.2, 0.3, 0.4, 0.5, -0.6])
    machine.set("dense1.bias", [0.1, 0, -0.1])
    machine.set("dense2.weight", [0.7, -0.8, 0.9])
    machine.set("dense2.bias", [0.05])
    let x: [Double] = [1, 0, 0, 1, 1, 1]
    expect(try run(machine, x, rows: 3), [0.63867124, 0.57111091, 0.59954905])
    try backward(machine, x, [1, 0, 1], rows: 3)
    expect([machine.controls.pointee.loss], [0.3085435530], 1e-10)
    expect(machine.gradient("dense2.weight"), [-0.02084779, -0.00569028, -0.03801407])
    expect(machine.gradient("dense2.bias"), [-0.03963845])
    expect(machine.gradient("dense1.weight"), [-0.02984464, 0.03531374, -0.03936474, 0.00761482, -0.00749708, 0.00712410])
    expect(machine.gradient("dense1.bias"), [-0.00683241, 0.00901405, -0.01145092])
  }

  @Test func penalty() throws {
    let machine = try network(loss: LossChoice("mse", weight: 0.5)) { b in
      let hidden = try b.dense(b.input("x", dims: [2]), units: 2, bias: false, activation: .relu, l2: 0.1)
      try b.output("o", b.dense(hidden, units: 1, bias: false, l2: 0.1))
    }
    // W1 of the example is [out, in].
    machine.set("dense1.weight", [0.5, 1, -1, 0.25])
    machine.set("dense2.weight", [2, -1])
    expect(try run(machine, [1, 2], rows: 1), [-1.5], 1e-15)
    try backward(machine, [1, 2], [1], rows: 1)
    expect([machine.controls.pointee.data_loss, machine.controls.pointee.loss], [3.125, 3.490625], 1e-12)
    expect(machine.gradient("dense2.weight"), [0.2, -3.85], 1e-12)
    expect(machine.gradient("dense1.weight"), [0.05, 2.6, -0.1, 5.025], 1e-12)
    expect([try machine.evaluate([bytes([1, 2], .f64)], [bytes([1], .f64)], rows: 1).loss], [3.125], 1e-12)
  }

  // MARK: Optimizers

  /// J = (w - 3)² from w = 5.
  private func parabola(_ optimizer: String, _ arguments: [String: Double] = [:], rate: Double, steps: Int = 3) throws -> [Double] {
    let choice = try OptimizerChoice(optimizer, arguments.map { LabelledArgument(.number($0.value), label: $0.key) })
    let machine = try network(loss: LossChoice("mse"), optimizer: choice, rate: rate) { b in
      try b.output("y", b.dense(b.input("x", dims: [1]), units: 1, bias: false))
    }
    machine.set("dense1.weight", [5])
    return try (0..<steps).map { step in
      try machine.step([bytes([1], .f64)], [bytes([3], .f64)], rows: 1)
      if step == 0 { expect([machine.controls.pointee.loss, machine.controls.pointee.norm], [4, 4], 1e-12) }
      return machine.tensor("dense1.weight")[0]
    }
  }

  @Test func optimizers() throws {
    let cases: [(String, [String: Double], Double, [Double])] = [
      ("sgd", [:], 0.1, [4.6, 4.28, 4.024]), ("sgd", [:], 0.4, [3.4]), ("sgd", [:], 1.1, [0.6, 5.88]),
      ("momentum", ["momentum": 0.9], 0.1, [4.6, 3.92, 3.124]), ("nesterov", ["momentum": 0.9], 0.1, [4.24, 3.4448, 2.783296]),
      ("adagrad", [:], 0.1, [4.9, 4.831125054, 4.775821515]), ("rmsprop", [:], 0.1, [4.000000025, 3.550986771, 3.309687388]),
      ("adadelta", [:], 1, [4.996837723, 4.993595729, 4.990300752]), ("adam", [:], 0.1, [4.9, 4.800166486, 4.700623392]),
      ("adamw", ["weight_decay": 0.01], 0.1, [4.895, 4.790281802, 4.685977284]),
    ]
    for (name, arguments, rate, expected) in cases {
      expect(try parabola(name, arguments, rate: rate, steps: expected.count), expected, 1e-8, name)
    }
    #expect(try parabola("sgd", rate: 0.5, steps: 1) == [3])
    #expect(try parabola("sgd", rate: 1, steps: 2) == [1, 5])
  }

  // MARK: Gradient health

  /// Twenty layers of 32 without bias on 64 rows of normal numbers.
  private func health(_ activation: Activation, _ initializer: Initializer) throws -> (health: gradc_health, first: Double, last: Double) {
    let machine = try network(loss: LossChoice("mse")) { b in
      var x = try b.input("x", dims: [32])
      for _ in 0..<20 { x = try b.dense(x, units: 32, bias: false, activation: activation, initializer: initializer) }
      try b.output("y", x)
    }
    try machine.initialize(seed: 1)
    let batch = Batch(random: machine.program, rows: 64, seed: 2)
    #expect(
      try machine.backward([bytes(batch.inputs[0].numbers, .f64)], [bytes(batch.targets[0].numbers, .f64)], rows: 64) == 0)
    guard case .native(let model) = machine.code else { throw Diagnostic("not compiled") }
    func norm(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }
    let names = machine.program.tensors.map(\.name)
    let gradients = names.map { norm(machine.gradient($0)) }
    var worst: Int32 = 0
    let result = gradc_judge_gradients(model, gradients, names.map { norm(machine.tensor($0)) }, &worst)
    #expect(names.count == 20)
    return (result, gradients[names.firstIndex(of: "dense1.weight")!], gradients[names.firstIndex(of: "dense20.weight")!])
  }

  @Test func gradientsOfTwentyLayers() throws {
    let sigmoid = try health(.sigmoid, .xavierUniform)
    #expect(sigmoid.health == GRADC_HEALTH_VANISHING)
    #expect(sigmoid.first < 1e-9 * sigmoid.last)
    let he = try health(.relu, .heNormal)
    #expect(he.health == GRADC_HEALTH_GOOD)
    #expect(he.first > 1e-2 * he.last && he.first < 1e2 * he.last)
    let wide = try health(.relu, .normal(mean: 0, deviation: 1))
    #expect(wide.health == GRADC_HEALTH_EXPLODING)
    #expect(wide.first > 1e6 && wide.last > 1e6)
    let narrow = try health(.relu, .normal(mean: 0, deviation: 0.01))
    #expect(narrow.health == GRADC_HEALTH_VANISHING)
    #expect(narrow.first < 1e-12 && narrow.last < 1e-12)
  }

  // MARK: What can be learnt

  @Test func aLineIsRecovered() throws {
    let machine = try network(loss: LossChoice("mse"), rate: 0.1) { b in try b.output("y", b.dense(b.input("x", dims: [1]), units: 1)) }
    try machine.initialize(seed: 4)
    let x = wave(32, 0)
    for _ in 0..<400 { try machine.step([bytes(x, .f64)], [bytes(x.map { 2.5 * $0 - 0.75 }, .f64)], rows: 32) }
    expect(machine.tensor("dense1.weight") + machine.tensor("dense1.bias"), [2.5, -0.75], 1e-6)
  }

  @Test func aHiddenLayerSolvesExclusiveOr() throws {
    let x: [Double] = [0, 0, 0, 1, 1, 0, 1, 1], y: [Double] = [0, 1, 1, 0]
    func answers(hidden: Int?) throws -> [Double] {
      let machine = try network(loss: LossChoice("binary_cross_entropy"), optimizer: OptimizerChoice("adam"), rate: 0.05) { b in
        var z = try b.input("x", dims: [2])
        if let hidden { z = try b.dense(z, units: hidden, activation: .relu) }
        try b.output("y", b.dense(z, units: 1, activation: .sigmoid))
      }
      try machine.initialize(seed: 1)
      for _ in 0..<600 { try machine.step([bytes(x, .f64)], [bytes(y, .f64)], rows: 4) }
      return try run(machine, x, rows: 4)
    }
    let right: ([Double]) -> Int = { zip($0, y).filter { ($0 > 0.5) == ($1 > 0.5) }.count }
    #expect(try right(answers(hidden: nil)) <= 3)
    let solved = try answers(hidden: 16)
    #expect(right(solved) == 4 && zip(solved, y).allSatisfy { abs($0 - $1) < 0.1 }, "\(solved)")
  }
}
