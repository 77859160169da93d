import Basics
import CRuntime
import LoopIR

/// A text that goes on token by token: a model with weights, and what it keeps of the tokens so far.
public final class Generator {
  private let session: Session
  private let trainer: Trainer
  private var descriptor: UnsafePointer<gradc_model>
  private let memory: AlignedBuffer
  private let scratch: AlignedBuffer
  /// Of the token that follows; nothing before the first.
  private let scores: AlignedBuffer
  private let tokenElement: ElementType
  /// All tokens of the text.
  public private(set) var tokens: [Int] = []

  /// Of a program with the entry `generate`; weights are the trainer's.
  public init(_ session: Session, _ trainer: Trainer) throws {
    let program = session.compilation.program
    guard program.entry("generate") != nil else { throw Diagnostic.bug("'\(program.name)' was compiled without `generate`") }
    self.session = session
    self.trainer = trainer
    descriptor = trainer.descriptor
    memory = AlignedBuffer(.u8, count: descriptor.pointee.memory_bytes)
    scratch = AlignedBuffer(.u8, count: descriptor.pointee.scratch_bytes)
    scores = AlignedBuffer(program.element, count: Int(descriptor.pointee.vocabulary) * trainer.maxBatch)
    tokenElement = program.inputs[0].element
  }

  /// Tokens that the model tells apart.
  public var vocabulary: Int { Int(descriptor.pointee.vocabulary) }
  /// The most tokens that it sees at once; 0 where it sees all that were.
  public var context: Int { Int(descriptor.pointee.context) }

  /// Takes the text's next token. Where the model sees no more of them, it begins anew with the last half of what it sees, which is read
  /// again. Throws for a token that is not in the vocabulary.
  public func take(_ token: Int) throws {
    guard token >= 0, token < vocabulary else {
      throw Diagnostic("token \(token) is outside the model's vocabulary: tokens are 0 ... \(vocabulary - 1)")
    }
    if let faster = session.code.poll() { descriptor = faster }
    if context > 0, seen >= context {
      memory.pointer.initializeMemory(as: UInt8.self, repeating: 0, count: memory.bytes)
      for earlier in tokens.suffix(context / 2) { try step(earlier) }
    }
    tokens.append(token)
    try step(token)
  }

  /// Takes many tokens; of more than the model sees at once only the last ones are read.
  public func take(_ more: [Int]) throws {
    let skipped = context > 0 && tokens.isEmpty ? max(0, more.count - context) : 0
    if let outside = more.first(where: { $0 < 0 || $0 >= vocabulary }) { try take(outside) }
    tokens += more[..<skipped]
    for token in more[skipped...] { try take(token) }
  }

  /// Draws the token that follows: by exp(score / temperature), among the `topK` highest scores unless that is 0; the highest at
  /// temperature 0. The same for the same text and seed.
  public func draw(temperature: Double, topK: Int, seed: UInt64) throws -> Int {
    guard !tokens.isEmpty else { throw Diagnostic.bug("there is no text to go on with") }
    let token = gradc_sample(
      scores.element.runtimeElement, scores.pointer, Int32(vocabulary), temperature, Int32(clamping: topK), seed, Int64(tokens.count))
    guard token >= 0 else { throw Diagnostic("no score after token \(tokens.count) is a number", kind: .numerical) }
    return Int(token)
  }

  /// The number of tokens in memory.
  private var seen: Int { Int(memory.pointer.load(as: Int64.self)) }

  private func step(_ token: Int) throws {
    let input = AlignedBuffer(tokenElement, [Double(token)])
    let status = descriptor.pointee.generate(trainer.memory, memory.pointer, input.pointer, scores.pointer, 1, scratch.pointer)
    try checkStatus(status, "generate")
  }
}
