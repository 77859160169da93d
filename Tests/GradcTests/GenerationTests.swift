import Basics
import CRuntime
import Foundation
import Gradc
import GraphIR
import Layers
import LoopIR
import Operators
import Optimizers
import Testing
import Toolchain
import Training

@testable import TestSupport

/// Text that goes on token by token: what `generate` gives for each token is what `run` gives for the whole sequence.
@Suite struct GenerationTests {
  static let (vocabulary, steps) = (7, 12)

  /// A network over tokens, with the whole of training so that it begins with random weights.
  private func compiled(
    _ element: ElementType = .f64, maxBatch: Int = 3, _ layers: @escaping (inout ModelBuilder, ValueID) throws -> ValueID
  ) throws -> Program {
    try Gradc.compile(
      ModelDefinition(name: "speaker") { b in
        let tokens = try b.input("tokens", dims: [Self.steps], element: .i32)
        try b.output("next", layers(&b, b.graph.oneHot(tokens, depth: Self.vocabulary, b.element)))
      },
      training: TrainingSpecification(
        losses: [LossChoice("sparse_categorical_cross_entropy", [LabelledArgument(.bool(true), label: "from_logits")])],
        optimizer: try OptimizerChoice("sgd")),
      options: CompileOptions(element: element, maxBatch: maxBatch, usesBLAS: false, generates: true)
    ).program
  }

  private func recurrent(_ kind: String, layers: Int = 1) -> (inout ModelBuilder, ValueID) throws -> ValueID {
    { b, x in
      var options = RecurrenceOptions(units: 9)
      options.returnsSequences = true
      options.layers = layers
      let outputs =
        switch kind {
        case "lstm": try b.lstm(x, options)
        case "gru": try b.gru(x, options)
        default: try b.simpleRNN(x, options)
        }
      return try b.dense(b.layerNorm(outputs), units: Self.vocabulary)
    }
  }

  private func tokens(_ rows: Int) -> [[Double]] {
    (0..<rows).map { row in (0..<Self.steps).map { Double(($0 * $0 + 3 * row) % Self.vocabulary) } }
  }

  /// The scores of each token of three texts, [step][row · vocabulary + token].
  private func generated(_ machine: Machine, _ texts: [[Double]]) throws -> [[Double]] {
    var memory = machine.textMemory()
    return try (0..<texts[0].count).map { step in
      let (status, scores) = try machine.generate(bytes(texts.map { $0[step] }, .i32), memory: &memory, rows: texts.count)
      #expect(status == 0)
      return doubles(scores, machine.program.element)
    }
  }

  @Test(arguments: [("simple_rnn", 1), ("lstm", 1), ("gru", 1), ("lstm", 3), ("gru", 2)])
  func aTokenAtATimeIsTheWholeSequence(_ kind: String, _ layers: Int) throws {
    for (element, tolerance) in [(ElementType.f64, 1e-12), (.f32, 1e-5)] {
      let machine = try TestCompiler.tcc.machine(compiled(element, recurrent(kind, layers: layers)))
      try machine.initialize(seed: 5)
      let texts = tokens(3)
      let whole = doubles(try machine.run([bytes(texts.flatMap { $0 }, .i32)], rows: 3)[0], element)
      for (step, scores) in try generated(machine, texts).enumerated() {
        for row in 0..<3 {
          for token in 0..<Self.vocabulary {
            let expected = whole[(row * Self.steps + step) * Self.vocabulary + token]
            #expect(abs(scores[row * Self.vocabulary + token] - expected) <= tolerance, "\(kind), step \(step), row \(row)")
          }
        }
      }
    }
  }

  /// The output after the last step alone, and softmax: scores are what softmax is taken of.
  @Test func scoresAreLogits() throws {
    let machine = try TestCompiler.tcc.machine(
      compiled { b, x in try b.dense(b.gru(x, RecurrenceOptions(units: 4)), units: Self.vocabulary) })
    try machine.initialize(seed: 1)
    let texts = tokens(1)
    let last = doubles(try machine.run([bytes(texts[0], .i32)], rows: 1)[0], .f64)
    let scores = try generated(machine, texts).last!
    for (own, other) in zip(scores, last) { #expect(abs(own - other) < 1e-12) }
    let graph = try buildModel(
      definition: ModelDefinition(name: "speaker") { b in
        let x = try b.graph.oneHot(b.input("tokens", dims: [5], element: .i32), depth: 4, b.element)
        try b.output("next", b.dense(b.gru(x, RecurrenceOptions(units: 4)), units: 4, activation: .softmax))
      }, training: nil, element: .f32, maxBatch: 1, generates: true
    ).graph("generate")!
    #expect(!(graph[graph.outputs[0].value].op is Softmax))
    #expect(try GraphParser.parse(graph.description, operators: allOperators).description == graph.description)
  }

  @Test func compilersAndInterpreterAgree() throws {
    let program = try compiled(.f32, recurrent("lstm", layers: 2))
    #expect(try Program(text: program.description) == program)
    func bits(_ machine: Machine) throws -> [[Double]] {
      try machine.initialize(seed: 9)
      return try generated(machine, tokens(2))
    }
    let reference = try bits(.interpreting(program))
    for compiler in TestCompiler.all { #expect(try bits(compiler.machine(program)) == reference, "\(compiler)") }
  }

  /// Two texts go on in turn, each in its own memory; one call leaves the other's alone.
  @Test func memoriesAreApart() throws {
    let machine = try TestCompiler.tcc.machine(compiled(.f64, recurrent("gru")))
    try machine.initialize(seed: 2)
    let texts = tokens(2)
    var memories = [machine.textMemory(), machine.textMemory()]
    let alone = try texts.map { try generated(machine, [$0]) }
    for step in 0..<Self.steps {
      for k in 0..<2 {
        let scores = try machine.generate(bytes([texts[k][step]], .i32), memory: &memories[k], rows: 1).scores
        #expect(doubles(scores, .f64) == alone[k][step])
      }
    }
    #expect(memories[0].prefix(8).elementsEqual([UInt8(Self.steps), 0, 0, 0, 0, 0, 0, 0]))
  }

  /// Learned positions bound the text: what is beyond changes nothing.
  @Test(arguments: [PositionKind.learned, .sinusoidal]) func positionsEndTheText(_ kind: PositionKind) throws {
    let program = try compiled { b, x in
      var options = RecurrenceOptions(units: 5)
      options.returnsSequences = true
      return try b.dense(
        b.gru(b.positionalEmbedding(x, kind: kind, initializer: .normal(mean: 0, deviation: 1)), options), units: Self.vocabulary)
    }
    #expect(program.contextLength == Self.steps)
    let machine = try TestCompiler.tcc.machine(program)
    try machine.initialize(seed: 8)
    let texts = tokens(2)
    let whole = doubles(try machine.run([bytes(texts.flatMap { $0 }, .i32)], rows: 2)[0], .f64)
    var memory = machine.textMemory()
    for step in 0..<Self.steps {
      let scores = doubles(try machine.generate(bytes(texts.map { $0[step] }, .i32), memory: &memory, rows: 2).scores, .f64)
      for row in 0..<2 {
        let begin = (row * Self.steps + step) * Self.vocabulary
        for (own, other) in zip(scores[(row * Self.vocabulary)...], whole[begin..<begin + Self.vocabulary]) {
          #expect(abs(own - other) < 1e-12)
        }
      }
    }
    let full = memory
    #expect(try machine.generate(bytes([1, 1], .i32), memory: &memory, rows: 2).status == Int(GRADC_CONTEXT_END))
    #expect(memory == full)
  }

  /// Keys and values are kept: causal attention sees what it sees of the whole sequence.
  @Test(arguments: [(false, 2, 2), (true, 2, 2), (true, 4, 2), (false, 4, 1)])
  func attentionIsThatOfTheWholeSequence(_ rotary: Bool, _ heads: Int, _ keyValueHeads: Int) throws {
    for (element, tolerance) in [(ElementType.f64, 1e-12), (.f32, 1e-5)] {
      let program = try compiled(element) { b, x in
        var options = TransformerOptions(heads: heads, units: 10)
        options.attention.rotary = rotary
        options.attention.keyValueHeads = keyValueHeads
        var y = try b.dense(x, units: 8)
        if !rotary { y = try b.positionalEmbedding(y, initializer: .normal(mean: 0, deviation: 1)) }
        for _ in 0..<2 { y = try b.transformerDecoder(y, options) }
        return try b.dense(b.layerNorm(y), units: Self.vocabulary)
      }
      #expect(program.contextLength == Self.steps)
      let machine = try TestCompiler.tcc.machine(program)
      try machine.initialize(seed: 6)
      let texts = tokens(3)
      let whole = doubles(try machine.run([bytes(texts.flatMap { $0 }, .i32)], rows: 3)[0], element)
      for (step, scores) in try generated(machine, texts).enumerated() {
        for row in 0..<3 {
          let begin = (row * Self.steps + step) * Self.vocabulary
          for (own, other) in zip(scores[(row * Self.vocabulary)...], whole[begin..<begin + Self.vocabulary]) {
            #expect(abs(own - other) <= tolerance, "step \(step), row \(row)")
          }
        }
      }
      guard element == .f32, rotary else { continue }
      func bits(_ machine: Machine) throws -> [[Double]] {
        try machine.initialize(seed: 6)
        return try generated(machine, tokens(2))
      }
      let reference = try bits(.interpreting(program))
      for compiler in [TestCompiler.tcc] + TestCompiler.optimising.suffix(1) { #expect(try bits(compiler.machine(program)) == reference) }
    }
  }

  /// A layer used twice keeps two memories.
  @Test func sharedLayersRememberEachUse() throws {
    let machine = try TestCompiler.tcc.machine(
      compiled { b, x in
        var options = RecurrenceOptions(units: Self.vocabulary)
        options.returnsSequences = true
        return try b.gru(b.gru(x, options, name: "both"), options, name: "both")
      })
    try machine.initialize(seed: 3)
    let texts = tokens(1)
    let whole = doubles(try machine.run([bytes(texts[0], .i32)], rows: 1)[0], .f64)
    for (own, other) in zip(try generated(machine, texts).flatMap { $0 }, whole) { #expect(abs(own - other) < 1e-12) }
  }

  @Test func whatCannotGenerateIsRefusedByName() {
    func message(_ build: @escaping (inout ModelBuilder) throws -> Void) -> String {
      do {
        _ = try buildModel(
          definition: ModelDefinition(name: "m", build: build), training: nil, element: .f32, maxBatch: 1, generates: true)
        return ""
      } catch { return "\(error)" }
    }
    func over(_ layers: @escaping (inout ModelBuilder, ValueID) throws -> ValueID) -> String {
      message { b in
        let x = try b.graph.oneHot(b.input("tokens", dims: [6], element: .i32), depth: 4, b.element)
        try b.output("y", layers(&b, x))
      }
    }
    #expect(over { b, x in try b.dense(b.flatten(x), units: 4) }.contains("layer 'flatten1' reads all positions"))
    #expect(over { b, x in try b.reshape(x, dims: [4, 6]) }.contains("layer 'reshape1' reads all positions"))
    #expect(over { b, x in try b.concat([x, x], axis: 1) }.contains("layer 'concat1' gives f32[N, 12, 4] for a sequence"))
    #expect(over { b, x in try b.groupNorm(x, groups: 2) }.contains("layer 'group_norm1' reads all positions"))
    let both = over { b, x in
      var options = RecurrenceOptions(units: 4)
      options.isBidirectional = true
      return try b.lstm(x, options)
    }
    #expect(both.contains("layer 'lstm1': a walk from the last step to the first needs the whole sequence"))
    let encoder = over { b, x in try b.transformerEncoder(x, TransformerOptions(heads: 2, units: 4)) }
    #expect(encoder.contains("multi_head_attention1': each position sees those after it, unless the attention is causal"))
    #expect(over { b, x in try b.dense(x, units: 4, activation: .sigmoid) }.contains("ends in sigmoid"))
    #expect(over { b, x in try b.dense(x, units: 1) }.contains("a score for each token"))
    #expect(message { b in try b.output("y", b.dense(b.input("x", dims: [6]), units: 4)) }.contains("'x' is f32[N, 6]"))
    let two = message { b in
      _ = try b.input("tokens", dims: [6], element: .i32)
      try b.output("y", b.dense(b.input("x", dims: [6]), units: 4))
    }
    #expect(two.contains("a second input, 'x'"))
  }
}

/// Draws by scores.
@Suite struct SampleTests {
  private func draw(_ scores: [Double], _ temperature: Double, topK: Int = 0, seed: UInt64 = 1, position: Int) -> Int {
    Int(gradc_sample(GRADC_F64, scores, Int32(scores.count), temperature, Int32(topK), seed, Int64(position)))
  }

  @Test func frequenciesAreProbabilities() {
    let probabilities = [0.5, 0.125, 0.25, 0.0625, 0.0625]
    // Scores of one distribution at another temperature.
    let scores = probabilities.map { 2 * log($0) + 7 }
    var counts = [0, 0, 0, 0, 0]
    let draws = 40_000
    for position in 0..<draws { counts[draw(scores, 2, position: position)] += 1 }
    for (count, p) in zip(counts, probabilities) {
      // Four deviations of a binomial number.
      #expect(abs(Double(count) - p * Double(draws)) < 4 * (Double(draws) * p * (1 - p)).squareRoot())
    }
  }

  @Test func theHighestAlone() {
    let scores: [Double] = [0.5, -.infinity, 3, 3, 2.5, .nan]
    for position in 0..<200 {
      #expect(draw(scores, 0, position: position) == 2)
      #expect(draw(scores, 1, topK: 1, position: position) == 2)
      #expect([2, 3].contains(draw(scores, 1, topK: 2, position: position)))
      #expect([2, 3, 4].contains(draw(scores, 5, topK: 3, position: position)))
      #expect(![1, 5].contains(draw(scores, 1000, position: position)))
    }
    #expect(Set((0..<200).map { draw(scores, 5, topK: 3, position: $0) }).count == 3)
  }

  @Test func hostileScores() {
    #expect(draw([.nan, .nan], 1, position: 0) == -1)
    #expect(draw([-.infinity, -.infinity], 1, position: 0) >= 0)
    #expect(draw([.infinity, 1, .nan], 1, position: 0) == 0)
    #expect(draw([1e300, -1e300], 1e-300, topK: 2, position: -5) == 0)
    #expect(draw([0, -0.0, 0], .nan, position: 0) == 0)
  }

  @Test func drawsDependOnSeedAndPosition() {
    let scores = [Double](repeating: 0, count: 50)
    let first = (0..<30).map { draw(scores, 1, position: $0) }
    #expect(first == (0..<30).map { draw(scores, 1, position: $0) })
    #expect(first != (0..<30).map { draw(scores, 1, seed: 2, position: $0) })
    #expect(Set(first).count > 10)
  }
}
