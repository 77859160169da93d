import Basics
import CRuntime
import Glibc
import Gradc

/// What stands between a text and its tokens, for one run of `gradc generate`.
struct TokenText {
  /// The tokens to go on with; at least one.
  let prompt: [Int]
  /// Nil where tokens are numbers for the user too.
  private let vocabulary: Encoder?

  /// The prompt of `--prompt` or `--ids`. What a text's tokens are stands in the weights file.
  init(_ invocation: Invocation, weights: String?) throws {
    if let numbers = invocation.value("ids") {
      vocabulary = nil
      prompt = try numbers.split(whereSeparator: { $0 == "," || $0 == " " }).map { word in
        guard let number = Int(word) else { throw usage("--ids: found \"\(word)\", expected whole numbers such as 3,4,5") }
        return number
      }
      guard !prompt.isEmpty else { throw usage("--ids: there is no number") }
      return
    }
    guard let encoder = try weights.flatMap({ try Encoder.read(weights: $0) }), encoder.pointer.pointee.text != nil else {
      throw Diagnostic("\(weights ?? "the model") has no vocabulary: it was not trained on text; give numbers of tokens by --ids")
    }
    vocabulary = encoder
    let text = invocation.value("prompt")!
    let bytes = text == "-" ? readStandardInput() : Array(text.utf8)
    prompt = try Self.tokens(of: bytes, encoder)
    guard !prompt.isEmpty else { throw usage("the prompt is empty: text goes on from at least one token") }
  }

  private static func tokens(of bytes: [UInt8], _ encoder: Encoder) throws -> [Int] {
    var ids: UnsafeMutablePointer<Int32>?
    var count = 0
    try bytes.withUnsafeBufferPointer { raw in
      try raw.withMemoryRebound(to: CChar.self) { text in
        _ = try callRuntime {
          gradc_tokenizer_encode(encoder.pointer.pointee.text, text.baseAddress, text.count, "the prompt", &ids, &count, $0)
        }
      }
    }
    defer { free(ids) }
    return (0..<count).map { Int(ids![$0]) }
  }

  /// What a token adds to the output.
  func bytes(of token: Int) throws -> [UInt8] {
    guard let tokenizer = vocabulary?.pointer.pointee.text else { return Array("\(token) ".utf8) }
    var text: UnsafeMutablePointer<CChar>?
    var length = 0
    var id = Int32(token)
    try callRuntime { gradc_tokenizer_decode(tokenizer, &id, 1, &text, &length, $0) }
    defer { gradc_text_free(text) }
    let bytes = text.map { Array(UnsafeRawBufferPointer(start: $0, count: length)) } ?? []
    return tokenizer.pointee.kind == GRADC_TOKENS_WORDS ? [0x20] + bytes : bytes
  }
}
