import Basics
import CEmitter
import Foundation
import Gradc
import LoopIR
import ModelLanguage
import Testing

@testable import TestSupport

/// Recurrent layers through the whole compiler against PyTorch (`references/recurrent.py`).
@Suite struct RecurrentNetworkTests {
  private struct Network: CustomTestStringConvertible, Sendable {
    var name: String
    /// The layer, and what follows it.
    var layer: String
    /// The size of the state to begin with, an input.
    var state: Int?
    var mask = false
    var testDescription: String { name }

    init(_ name: String, _ layer: String, state: Int? = nil, mask: Bool = false) {
      (self.name, self.layer, self.state, self.mask) = (name, layer, state, mask)
    }
  }

  private static let (steps, features, classes) = (6, 3, 3)

  private static let networks = [
    Network("lstm", "lstm(4)"), Network("gru", "gru(4)"), Network("simple_rnn", "simple_rnn(4)"),
    Network("relu_rnn", "simple_rnn(4, activation: relu, return_sequences: true) |> flatten"),
    Network("lstm_both", "lstm(4, bidirectional: true)"),
    Network("gru_both", "gru(4, bidirectional: true, return_sequences: true) |> flatten"),
    Network("lstm_two", "lstm(4, layers: 2)"), Network("gru_two_both", "gru(4, layers: 2, bidirectional: true)"),
    Network("lstm_reversed", "lstm(4, reversed: true, return_sequences: true) |> flatten"),
    Network("gru_reversed", "gru(4, reversed: true)"),
    Network("lstm_state", "lstm(4, initial_state: state, return_state: true)", state: 8),
    Network("gru_both_state", "gru(4, bidirectional: true, initial_state: state, return_state: true)", state: 8),
    Network("lstm_both_state", "lstm(4, bidirectional: true, initial_state: state, return_state: true)", state: 16),
    Network("lstm_mask", "lstm(4, mask: mask)", mask: true), Network("gru_mask", "gru(4, mask: mask)", mask: true),
    Network("rnn_mask", "simple_rnn(4, initial_state: state, mask: mask)", state: 4, mask: true),
    Network("lstm_mask_both", "lstm(4, bidirectional: true, mask: mask, return_state: true)", mask: true),
  ]

  private static let references: [String: [Double]] = {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("references/recurrent.safetensors")
    let tensors = (try? Gradc.Tensor.read([file.path])) ?? []
    return Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0.converted(to: .f64).numbers) })
  }()

  private func program(_ network: Network, _ element: ElementType) throws -> Program {
    let text = """
      model \(network.name) {
        input x: f32[N, \(Self.steps), \(Self.features)]
        \(network.state.map { "input state: f32[N, \($0)]" } ?? "")
        \(network.mask ? "input mask: f32[N, \(Self.steps)]" : "")
        kind = x |> \(network.layer) |> dense(\(Self.classes)) |> softmax
        output kind
      }
      train {
        loss sparse_categorical_cross_entropy(kind, target)
        optimizer adam(rate: 0.01)
        batch 5
      }
      """
    let file = try ModelFile(text: text, file: "\(network.name).gradc", folder: ".")
    return try compile(
      file.definition, training: file.specification(Recipe(text: file.recipe)), options: CompileOptions(element: element, maxBatch: 5)
    ).program
  }

  // MARK: Numbers that PyTorch was given

  private func uniform(_ count: Int, _ seed: Int) -> [Double] {
    (0..<count).map { position in
      var h = UInt32(position + 1) &* 2_654_435_761 &+ UInt32(seed) &* 40503
      h ^= h >> 15
      h = h &* 2_246_822_519
      return (Double(h ^ (h >> 13)) + 0.5) / 0x1p31 - 1
    }
  }

  private func parameters(_ program: Program) -> [TensorSlot] { program.tensors.sorted { $0.name < $1.name } }

  private func machine(_ network: Network, _ element: ElementType, _ compiler: TestCompiler = .tcc, threads: Int = 1) throws -> Machine {
    let machine = try compiler.machine(program(network, element), threads: threads)
    machine.controls.pointee.rate = 0.01
    for (seed, slot) in parameters(machine.program).enumerated() {
      machine.set(slot.name, uniform(slot.count, seed).map { $0 / 2 })
    }
    return machine
  }

  private func batch(_ network: Network, _ program: Program, step: Int, rows: Int? = nil) -> (
    rows: Int, inputs: [[UInt8]], targets: [[UInt8]]
  ) {
    let rows = rows ?? [5, 5, 5, 2][step % 4]
    var inputs = [uniform(rows * Self.steps * Self.features, 1000 + step)]
    if let state = network.state { inputs.append(uniform(rows * state, 2000 + step)) }
    if network.mask {
      inputs.append((0..<rows).flatMap { row in (0..<Self.steps).map { $0 < 1 + (row + step) % Self.steps ? 1.0 : 0 } })
    }
    let labels = (0..<rows).map { Double((3 * $0 + step) % Self.classes) }
    return (rows, zip(inputs, program.inputs).map { bytes($0, $1.element) }, [bytes(labels, program.targets[0].element)])
  }

  private func norm(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }

  private func difference(_ a: [Double], _ b: [Double]) -> Double { norm(zip(a, b).map { $0 - $1 }) }

  // MARK: Tests

  @Test(arguments: networks.indices) func inDoublePrecision(_ index: Int) throws {
    let network = Self.networks[index]
    let machine = try machine(network, .f64)
    let losses = try #require(Self.references[network.name + ".losses"])
    #expect(losses.count == 20)
    for (step, expected) in losses.enumerated() {
      let batch = batch(network, machine.program, step: step)
      #expect(try machine.backward(batch.inputs, batch.targets, rows: batch.rows) == 0)
      for slot in step == 0 ? parameters(machine.program) : [] {
        let reference = try #require(Self.references["\(network.name).\(slot.name)"], "\(slot.name)")
        let found = machine.gradient(slot.name)
        #expect(found.count == reference.count)
        let distance = difference(found, reference) / norm(reference)
        #expect(distance <= 1e-12, "the gradient of \(slot.name) differs by \(distance) of its norm")
      }
      #expect(try machine.update() == 0)
      let loss = machine.controls.pointee.loss
      #expect(abs(loss - expected) <= 1e-9 * abs(expected), "step \(step): \(loss), PyTorch \(expected)")
    }
  }

  /// Over 20 batches at most twice PyTorch's error against float64.
  @Test(arguments: networks.indices) func inSinglePrecision(_ index: Int) throws {
    let network = Self.networks[index]
    let machines = try [machine(network, .f64), machine(network, .f32)]
    var losses: [Double] = []
    var gradients: [Double] = []
    for number in 0..<20 {
      var found: [(loss: Double, gradient: [Double])] = []
      for machine in machines {
        let batch = batch(network, machine.program, step: number, rows: 5)
        // Each pass overwrites the gradients of the one before.
        machine.controls.pointee.micro = 0
        #expect(try machine.backward(batch.inputs, batch.targets, rows: batch.rows) == 0)
        found.append((machine.controls.pointee.loss, parameters(machine.program).flatMap { machine.gradient($0.name) }))
      }
      losses.append((found[1].loss - found[0].loss) / found[0].loss)
      gradients.append(difference(found[1].gradient, found[0].gradient) / norm(found[0].gradient))
    }
    let loss = norm(losses) / Double(losses.count).squareRoot()
    let lossBound = try 2 * #require(Self.references[network.name + ".float32_loss"])[0]
    #expect(loss > 0 && loss <= lossBound, "\(loss), the bound is \(lossBound)")
    let gradient = gradients.sorted()[gradients.count / 2]
    let bound = try 2 * #require(Self.references[network.name + ".float32_gradient"])[0]
    #expect(gradient > 0 && gradient <= bound, "\(gradient), the bound is \(bound)")
  }

  /// The same bits from libtcc, from the C compilers, and on two threads.
  @Test(arguments: networks.indices) func codeHasOneMeaning(_ index: Int) throws {
    let network = Self.networks[index]
    func trained(_ machine: Machine) throws -> [UInt8] {
      for step in 0..<4 {
        let batch = batch(network, machine.program, step: step)
        try machine.step(batch.inputs, batch.targets, rows: batch.rows)
      }
      return machine.snapshot
    }
    let reference = try trained(machine(network, .f32))
    #expect(try trained(machine(network, .f32, threads: 2)) == reference, "two threads differ")
    if index % 4 == 0 { #expect(try trained(machine(network, .f32, .fastest)) == reference) }
  }

  /// Steps are rounds of a loop: the code of 256 and of 1,024 differs in numbers alone, and saved values in proportion.
  @Test func codeDoesNotGrowWithTheSequence() throws {
    func project(_ steps: Int) throws -> (code: String, program: Program) {
      let text = """
        model steps {
          input x: f32[N, \(steps), 8]
          kind = x |> lstm(16) |> dense(3) |> softmax
          output kind
        }
        train {
          loss sparse_categorical_cross_entropy(kind, target)
          batch 32
        }
        """
      let file = try ModelFile(text: text, file: "steps.gradc", folder: ".")
      let compiled = try compile(
        file.definition, training: file.specification(Recipe(text: file.recipe)), options: CompileOptions(maxBatch: 32))
      let code = try emitC(compiled.program).files.filter { $0.path.hasSuffix(".c") }.map(\.text).joined()
      return (code, compiled.program)
    }
    /// Without comments (the table of the memory is sorted by size), numbers as `#`.
    func skeleton(_ code: String) -> [Substring] {
      code.replacing(#/(?s)/\*.*?\*//#, with: "").replacing(#/[0-9]+/#, with: "#").split(separator: "\n")
    }
    let (short, long) = (try project(256), try project(1024))
    #expect(skeleton(short.code) == skeleton(long.code))
    let arenas = try [short, long].map { try #require($0.program.entries.first { $0.name == "backward" }).arenaBytes }
    // Of 32 rows at each step: the sum of the gates before and after the gradient and seven values of 16 units, and little else.
    #expect(arenas[1] - arenas[0] <= 768 * 32 * 4 * (3 * 64 + 7 * 16), "\(arenas)")
  }

  /// A dropped feature is dropped at all steps, and so is a unit of the state: their rows of the weights have no gradient.
  @Test(arguments: ["dropout", "recurrent_dropout"]) func oneMaskForAllSteps(_ kind: String) throws {
    let text = """
      model dropped {
        input x: f32[N, 8, 200]
        y = x |> simple_rnn(200, \(kind): 0.4) |> dense(1)
        output y
      }
      train {
        loss mean_squared(y, target)
        batch 1
      }
      """
    let file = try ModelFile(text: text, file: "dropped.gradc", folder: ".")
    let program = try compile(
      file.definition, training: file.specification(Recipe(text: file.recipe)), options: CompileOptions(element: .f64, maxBatch: 1)
    ).program
    let machine = try TestCompiler.tcc.machine(program)
    for (seed, slot) in parameters(program).enumerated() { machine.set(slot.name, uniform(slot.count, seed).map { $0 / 8 }) }
    var dropped = 0
    for step in 0..<10 {
      machine.controls.pointee.step = Int64(step)
      machine.controls.pointee.micro = 0
      #expect(try machine.backward([bytes(uniform(1600, 50 + step), .f64)], [bytes([1], .f64)], rows: 1) == 0)
      let gradient = machine.gradient(kind == "dropout" ? "simple_rnn1.input_weight" : "simple_rnn1.state_weight")
      dropped += (0..<200).count { row in gradient[row * 200..<(row + 1) * 200].allSatisfy { $0 == 0 } }
    }
    // Of 2,000 draws 800, give or take four deviations.
    #expect((712...888).contains(dropped), "\(dropped)")
  }
}
