import Basics
import Foundation
import Gradc
import GraphIR
import Layers
import LoopIR
import Optimizers
import Testing
import Training

@testable import TestSupport

/// Four networks through the whole compiler against PyTorch (`references/networks.py`).
@Suite struct WholeNetworkCodeTests {
  private struct Network: CustomTestStringConvertible {
    var name: String
    var loss: LossChoice
    var build: @Sendable (inout ModelBuilder) throws -> Void
    /// Layers with weights, then those with scale and shift, in the order of the reference's gradient.
    var order: [String]
    var testDescription: String { name }
  }

  private static let networks: [Network] = [
    Network(
      name: "heart", loss: LossChoice("binary_cross_entropy"),
      build: { b in
        let hidden = try b.dense(b.input("x", dims: [29]), units: 16, activation: .relu)
        try b.output("y", b.dense(hidden, units: 1, activation: .sigmoid))
      }, order: ["dense1", "dense2"]),
    Network(
      name: "churn", loss: LossChoice("binary_cross_entropy"),
      build: { b in
        let first = try b.dense(b.input("x", dims: [11]), units: 64, activation: .relu)
        let second = try b.dense(first, units: 32, activation: .relu)
        try b.output("y", b.dense(second, units: 1, activation: .sigmoid))
      }, order: ["dense1", "dense2", "dense3"]),
    Network(
      name: "wine", loss: LossChoice("mae"),
      build: { b in
        let first = try b.relu(b.batchNorm(b.dense(b.input("x", dims: [11]), units: 64, l2: 0.001)))
        let second = try b.relu(b.batchNorm(b.dense(first, units: 32, l2: 0.001)))
        try b.output("y", b.dense(second, units: 1))
      }, order: ["dense1", "batch_norm1", "dense2", "batch_norm2", "dense3"]),
    Network(
      name: "digits", loss: LossChoice("sparse_categorical_cross_entropy"),
      build: { b in
        let first = try b.dense(b.input("x", dims: [64]), units: 64, activation: .relu)
        let second = try b.dense(first, units: 32, activation: .relu)
        try b.output("y", b.dense(second, units: 10, activation: .softmax))
      }, order: ["dense1", "dense2", "dense3"]),
  ]

  private static func reference(_ name: String) throws -> [Double] {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("references/networks.safetensors")
    let tensor = try #require(try Gradc.Tensor.read([file.path]).first { $0.name == name })
    return tensor.converted(to: .f64).numbers
  }

  private func machine(_ network: Network, _ element: ElementType) throws -> Machine {
    let program = try program(
      loss: network.loss, optimizer: OptimizerChoice("adam"), element: element, maxBatch: 16, network.build)
    let machine = try TestCompiler.tcc.machine(program)
    machine.controls.pointee.rate = 0.01
    for (k, layer) in network.order.filter({ $0.hasPrefix("dense") }).enumerated() {
      let dims = program.tensors.first { $0.name == layer + ".weight" }!.dims
      machine.set(layer + ".weight", wave(dims[0] * dims[1], Double(2 * k)).map { $0 / Double(dims[0]).squareRoot() })
      machine.set(layer + ".bias", wave(dims[1], Double(2 * k + 1)).map { $0 / 10 })
    }
    for layer in network.order.filter({ $0.hasPrefix("batch_norm") }) {
      let count = program.tensors.first { $0.name == layer + ".gamma" }!.count
      machine.set(layer + ".gamma", Array(repeating: 1, count: count))
      machine.set(layer + ".running_var", Array(repeating: 1, count: count))
    }
    return machine
  }

  private func gradient(_ machine: Machine, _ network: Network) -> [Double] {
    network.order.flatMap { layer in
      let names = layer.hasPrefix("dense") ? ["weight", "bias"] : ["gamma", "beta"]
      return names.flatMap { machine.gradient("\(layer).\($0)") }
    }
  }

  private func distance(_ a: [Double], _ b: [Double]) -> Double {
    (zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } / b.reduce(0) { $0 + $1 * $1 }).squareRoot()
  }

  @Test(arguments: networks.indices) func inDoublePrecision(_ index: Int) throws {
    let network = Self.networks[index]
    let machine = try machine(network, .f64)
    let losses = try Self.reference(network.name + ".losses")
    #expect(losses.count == 20)
    for (step, expected) in losses.enumerated() {
      let rows = [16, 16, 16, 7][step % 4]
      let batch = WaveBatch(machine.program, rows: rows, step: step)
      #expect(try machine.backward(batch.inputs, batch.targets, rows: rows) == 0)
      if step == 0 {
        let gradient = gradient(machine, network), reference = try Self.reference(network.name + ".gradient")
        #expect(gradient.count == reference.count)
        #expect(distance(gradient, reference) <= 1e-12, "\(network.name): \(distance(gradient, reference))")
      }
      #expect(try machine.update() == 0)
      let loss = machine.controls.pointee.loss
      #expect(abs(loss - expected) <= 1e-10 * abs(expected), "\(network.name), step \(step): \(loss), PyTorch \(expected)")
    }
  }

  @Test(arguments: networks.indices) func inSinglePrecision(_ index: Int) throws {
    let network = Self.networks[index]
    let machine = try machine(network, .f32)
    let batch = WaveBatch(machine.program, rows: 16, step: 0)
    #expect(try machine.backward(batch.inputs, batch.targets, rows: 16) == 0)
    let expected = try Self.reference(network.name + ".losses")[0]
    // One unit in the last place is no error of anybody's.
    let lossBound = try max(2 * Self.reference(network.name + ".float32_loss")[0], 0x1p-23)
    #expect(abs(machine.controls.pointee.loss - expected) <= lossBound * abs(expected))
    let error = distance(gradient(machine, network), try Self.reference(network.name + ".gradient"))
    let bound = try 2 * Self.reference(network.name + ".float32_gradient")[0]
    #expect(error <= bound, "\(network.name): \(error), twice PyTorch's is \(bound)")
    #expect(error > 0)
  }
}
