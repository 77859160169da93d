import Basics
import CRuntime
import Glibc
import Gradc
import LoopIR

extension Verb {
  static let generate = Verb(
    "generate", "text that goes on token by token", operands: "MODEL", count: 1...1,
    about: """
      Reads the prompt and writes what follows it, each token as it is drawn. A token costs the work of one token: recurrent layers keep their \
      state, attention keeps its keys and values. The same prompt, seed and weights give the same text, here and in the C of gradc build \
      --generate. A model that can see no more than a number of tokens goes on with the last half of them when they are full.
      """,
    flags: [
      CodeFlags.weights, Flag("prompt", "TEXT|-", "the text to go on with; - reads standard input"),
      Flag("ids", "N,N...", "the same as numbers of tokens; numbers are written too"),
      Flag("tokens", "N", "tokens to write (default: 200)"),
      Flag("temperature", "T", "0 takes the likeliest token; below 1 likely ones more often, above 1 less often (default: 1)"),
      Flag("top-k", "K", "draw among the K likeliest tokens alone (default: all)"),
      Flag("seed", "N", "of the draws (default: 0)"),
    ] + CodeFlags.all,
    examples: [
      Example(
        "gradc generate shakespeare.gradc --prompt \"ROMEO:\" --tokens 500 --temperature 0.8", "with the weights that gradc train wrote"),
      Example("gradc generate counter.gradc --ids 3,4,5 --tokens 10 --temperature 0", "tokens as numbers"),
    ], run: { try GenerateCommand($0, $1).run() })
}

/// One run of `gradc generate`.
private struct GenerateCommand {
  let invocation: Invocation
  let console: Console
  let input: ModelInput
  let count: Int
  let temperature: Double
  let topK: Int
  let seed: UInt64

  init(_ invocation: Invocation, _ console: Console) throws {
    self.invocation = invocation
    self.console = console
    guard invocation.has("prompt") != invocation.has("ids") else {
      throw usage("the text to go on with is missing: --prompt TEXT, or --ids with numbers of tokens (not both)")
    }
    count = try invocation.integer("tokens", in: 0...(1 << 40)) ?? 200
    topK = try invocation.integer("top-k", in: 0...Int(Int32.max)) ?? 0
    seed = UInt64(try invocation.integer("seed", in: 0...Int.max) ?? 0)
    temperature = try Self.temperature(invocation)
    input = try ModelInput(invocation)
  }

  private static func temperature(_ invocation: Invocation) throws -> Double {
    guard let text = invocation.value("temperature") else { return 1 }
    guard let number = Double(text), number.isFinite, number >= 0 else {
      throw usage("--temperature: found \"\(text)\", expected a number from 0 on")
    }
    return number
  }

  func run() throws -> Int32 {
    var input = input
    try input.adoptHead(invocation, console)
    let text = try TokenText(invocation, weights: input.trainedWeights(invocation))
    let generator = try generator(input)
    try generator.take(text.prompt)
    let begin = monotonicSeconds()
    var output = StreamedText(console)
    for _ in 0..<count {
      let token = try generator.draw(temperature: temperature, topK: topK, seed: seed)
      output.write(try text.bytes(of: token))
      try generator.take(token)
    }
    output.finish()
    if console.isTerminal, count > 0 {
      let rate = Double(count) / max(monotonicSeconds() - begin, 1e-9)
      console.writeError("\(NumberText.grouped(Int(rate))) tokens a second\n")
    }
    return 0
  }

  private func generator(_ input: ModelInput) throws -> Generator {
    let options = try invocation.codeOptions()
    var compilation = try input.compiled(
      nil, element: invocation.element(input.file), maxBatch: 1, blas: options.blas, generates: true)
    compilation.program = compilation.program.keeping(entries: ["generate"])
    let session = try Session(compilation, options)
    report(session.code.notices, console)
    let trainer = try Trainer(session, threads: invocation.threads())
    try input.loadWeights(trainer, compilation.program, invocation)
    return try Generator(session, trainer)
  }
}

private func monotonicSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) + 1e-9 * Double(time.tv_nsec)
}

/// Writes bytes as they come, but no part of a character.
private struct StreamedText {
  let console: Console
  private var pending: [UInt8] = []

  init(_ console: Console) { self.console = console }

  mutating func write(_ bytes: [UInt8]) {
    pending += bytes
    let whole = pending.count - unfinished
    if whole > 0 { console.write(String(decoding: pending[..<whole], as: UTF8.self)) }
    pending.removeFirst(whole)
  }

  /// Writes what is left, and ends the line.
  mutating func finish() {
    console.write(String(decoding: pending, as: UTF8.self) + "\n")
    pending = []
  }

  /// Bytes at the end that are the beginning of a character.
  private var unfinished: Int {
    for back in 1...4 where back <= pending.count {
      let byte = pending[pending.count - back]
      if byte & 0xC0 == 0x80 { continue }
      let length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1
      return length > back ? back : 0
    }
    return 0
  }
}
