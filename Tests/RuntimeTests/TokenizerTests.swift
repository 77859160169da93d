import CRuntime
import Foundation
import XCTest

final class TokenizerTests: XCTestCase {
  private static let references = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("references").path

  private func reference(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(fileURLWithPath: Self.references + "/" + name)))
  }

  /// Fits a tokenizer to a text and frees it after `body`.
  private func withFitted<T>(
    _ kind: gradc_token_kind, _ text: [UInt8], size: Int = 0, reserved: Int32 = 0, _ body: (inout gradc_tokenizer) throws -> T
  ) throws -> T {
    var tokenizer = gradc_tokenizer()
    try text.withUnsafeBytes { bytes in
      let start = bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
      try check { gradc_tokenizer_fit(kind, size, reserved, start, text.count, "t.txt", &tokenizer, $0) }
    }
    defer { gradc_tokenizer_free(&tokenizer) }
    return try body(&tokenizer)
  }

  private func encode(_ tokenizer: inout gradc_tokenizer, _ text: [UInt8]) throws -> [Int32] {
    var ids: UnsafeMutablePointer<Int32>?
    var count = 0
    try text.withUnsafeBytes { bytes in
      let start = bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
      try check { gradc_tokenizer_encode(&tokenizer, start, text.count, "v.txt", &ids, &count, $0) }
    }
    defer { free(ids) }
    return Array(UnsafeBufferPointer(start: ids, count: count))
  }

  private func decode(_ tokenizer: inout gradc_tokenizer, _ ids: [Int32]) throws -> [UInt8] {
    var text: UnsafeMutablePointer<CChar>?
    var count = 0
    try check { gradc_tokenizer_decode(&tokenizer, ids, ids.count, &text, &count, $0) }
    defer { gradc_text_free(text) }
    return UnsafeBufferPointer(start: text, count: count).map { UInt8(bitPattern: $0) }
  }

  private func message(_ body: () throws -> Void) -> String {
    do { try body() } catch let error as RuntimeError { return error.message } catch {}
    XCTFail("expected an error")
    return ""
  }

  /// The same through the text that goes into a weights file.
  private func again(_ tokenizer: inout gradc_tokenizer, _ body: (inout gradc_tokenizer) throws -> Void) throws {
    var text: UnsafeMutablePointer<CChar>?
    try withUnsafeMutablePointer(to: &tokenizer) { pointer in
      var encoder = gradc_encoder()
      encoder.header = true
      encoder.text = pointer
      try check { gradc_encoder_print(&encoder, &text, $0) }
    }
    defer { gradc_text_free(text) }
    var read = gradc_encoder()
    try check { gradc_encoder_parse(text, &read, $0) }
    defer { gradc_encoder_free(&read) }
    XCTAssertTrue(gradc_encoder_is_fitted(&read))
    try body(&read.text.pointee)
  }

  func testCharactersAreSorted() throws {
    try withFitted(GRADC_TOKENS_CHARACTERS, Array("hé b\na".utf8)) { tokenizer in
      XCTAssertEqual(try encode(&tokenizer, Array("\n abhé".utf8)), [0, 1, 2, 3, 4, 5])
      XCTAssertEqual(try decode(&tokenizer, [4, 5]), Array("hé".utf8))
      try again(&tokenizer) { XCTAssertEqual(try encode(&$0, Array("é\nh".utf8)), [5, 0, 4]) }
      assertContains(message { _ = try encode(&tokenizer, Array("abX".utf8)) }, "v.txt", "\"X\" (U+0058) at byte 2", "6 characters")
      assertContains(message { _ = try encode(&tokenizer, [0x61, 0xC3]) }, "v.txt: byte 1 is no UTF-8", "tokens bytes")
      assertContains(message { _ = try decode(&tokenizer, [6]) }, "token 0 is 6, expected 0 to 5")
    }
    assertContains(message { try withFitted(GRADC_TOKENS_CHARACTERS, [0x61, 0xFF]) { _ in } }, "t.txt: byte 1")
    assertContains(message { try withFitted(GRADC_TOKENS_CHARACTERS, []) { _ in } }, "empty")
  }

  func testBytes() throws {
    try withFitted(GRADC_TOKENS_BYTES, [1]) { tokenizer in
      let all = (0..<256).map { UInt8($0) }
      XCTAssertEqual(try encode(&tokenizer, all), (0..<256).map { Int32($0) })
      try again(&tokenizer) { XCTAssertEqual(try decode(&$0, try encode(&$0, all)), all) }
    }
  }

  func testWords() throws {
    try withFitted(GRADC_TOKENS_WORDS, Array("The cat, the DOG; the cat's end".utf8), size: 3, reserved: 2) { tokenizer in
      // the (3 times), then cat and cat's in the order of their bytes; dog and end are left out.
      XCTAssertEqual(try encode(&tokenizer, Array("the CAT-dog cat's".utf8)), [2, 3, 1, 4])
      XCTAssertEqual(gradc_tokenizer_size(&tokenizer), 5)
      XCTAssertEqual(try decode(&tokenizer, [2, 0, 3]), Array("the cat".utf8))
    }
  }

  /// A tokenizer, a text and its ids from Hugging Face's tokenizers: `references/tokenizer.py`.
  func testHuggingFaceFile() throws {
    var tokenizer = gradc_tokenizer()
    try check { gradc_tokenizer_read(Self.references + "/tokenizer.json", &tokenizer, $0) }
    defer { gradc_tokenizer_free(&tokenizer) }
    let text = try reference("tokenizer_text.txt")
    let ids = String(decoding: try reference("tokenizer_ids.txt"), as: UTF8.self).split(whereSeparator: \.isWhitespace).map { Int32($0)! }
    XCTAssertEqual(try encode(&tokenizer, text), ids)
    XCTAssertEqual(try decode(&tokenizer, ids), text)
    try again(&tokenizer) { XCTAssertEqual(try encode(&$0, text), ids) }
    // Learned from the same text it has the same tokens and merges, and written as a file it is read again.
    try withFitted(GRADC_TOKENS_BPE, try reference("tokenizer_learn.txt"), size: tokenizer.count) { learned in
      XCTAssertEqual(learned.count, tokenizer.count)
      XCTAssertEqual(learned.merge_count, tokenizer.merge_count)
      XCTAssertEqual(try encode(&learned, text), ids)
      try withFolder { folder in
        try check { gradc_tokenizer_write(&learned, folder + "/t.json", $0) }
        var read = gradc_tokenizer()
        try check { gradc_tokenizer_read(folder + "/t.json", &read, $0) }
        defer { gradc_tokenizer_free(&read) }
        XCTAssertEqual(try encode(&read, text), ids)
      }
    }
  }

  func testAnyBytesHaveIds() throws {
    try withFitted(GRADC_TOKENS_BPE, Array("aaaa bbbb aaaa".utf8), size: 260) { tokenizer in
      let text = (0..<600).map { UInt8(truncatingIfNeeded: $0 &* 7919 >> 3) }
      XCTAssertEqual(try decode(&tokenizer, try encode(&tokenizer, text)), text)
      // A long piece takes no longer than its length asks.
      let long = [UInt8](repeating: 0x61, count: 200_000)
      XCTAssertEqual(try decode(&tokenizer, try encode(&tokenizer, long)), long)
    }
    assertContains(message { try withFitted(GRADC_TOKENS_BPE, [0x61], size: 100) { _ in } }, "at least 256")
  }

  func testRefusedFiles() throws {
    let whole = String(decoding: try reference("tokenizer.json"), as: UTF8.self)
    func refusal(_ text: String) -> String {
      var tokenizer = gradc_tokenizer()
      return message { try check { gradc_tokenizer_read_json(text, text.utf8.count, "t.json", &tokenizer, $0) } }
    }
    func changed(_ old: String, _ new: String) -> String {
      XCTAssertTrue(whole.contains(old), old)
      return refusal(whole.replacingOccurrences(of: old, with: new))
    }
    assertContains(changed("\"normalizer\": null", "\"normalizer\": {\"type\": \"NFC\"}"), "normalizer is not supported")
    assertContains(changed("\"type\": \"BPE\"", "\"type\": \"WordPiece\""), "another model than BPE")
    assertContains(changed("\"dropout\": null", "\"dropout\": 0.1"), "dropout")
    assertContains(changed("\"byte_fallback\": false", "\"byte_fallback\": true"), "byte fallback")
    assertContains(changed("\"Ġth\"", "\"日\""), "not written in byte characters")
    assertContains(changed("\"!\": 0", "\"!\": 9999"), "ids must have no gaps")
    assertContains(changed("\"!\": 0", "\"!\": 1"), "id 1 is there twice")
    assertContains(refusal(String(whole.dropLast(whole.count / 2))), "malformed at byte")
    assertContains(refusal("{}"), "no \"model\"")
    assertContains(refusal(""), "expected {")
    assertContains(
      failure { error in
        var tokenizer = gradc_tokenizer()
        return gradc_tokenizer_read("/nowhere/t.json", &tokenizer, error)
      }, "/nowhere/t.json")
  }

  /// Every beginning of a file, and files with one byte changed, are read or refused.
  func testDamagedFiles() throws {
    let whole = try reference("tokenizer.json")
    for step in 0..<400 {
      var bytes = whole
      if step < 100 {
        bytes = Array(bytes.prefix(bytes.count * step / 100))
      } else {
        bytes[(step &* 7919) % bytes.count] = UInt8(step & 127)
      }
      var tokenizer = gradc_tokenizer()
      bytes.withUnsafeBytes { buffer in
        let start = buffer.baseAddress?.assumingMemoryBound(to: CChar.self)
        _ = gradc_tokenizer_read_json(start, bytes.count, "t.json", &tokenizer, nil)
      }
      gradc_tokenizer_free(&tokenizer)
    }
  }
}
