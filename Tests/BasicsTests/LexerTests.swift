import Basics
import Testing

@Suite struct LexerTests {
  private func kinds(_ text: String) throws -> [Token.Kind] { try Lexer.tokens(of: text, file: "t").map(\.kind) }
  private func texts(_ text: String) throws -> [String] { try Lexer.tokens(of: text, file: "t").dropLast().map(\.text) }

  @Test func numbers() throws {
    #expect(
      try kinds("1 0x1F 1_000 18446744073709551615 1.5 1e-3 .5 0x1.8p3 1.") == [
        .integer(1), .integer(31), .integer(1000), .integer(.max), .float(1.5), .float(0.001), .float(0.5), .float(12), .float(1), .end,
      ])
  }

  @Test func rangesAreNotFloats() throws { #expect(try texts("0..<n 1...3") == ["0", "..<", "n", "1", "...", "3"]) }

  @Test func longestPunctuation() throws {
    #expect(try texts("a|>b->c<-d==e<=f") == ["a", "|>", "b", "->", "c", "<-", "d", "==", "e", "<=", "f"])
  }

  @Test func commentsAndPositions() throws {
    let tokens = try Lexer.tokens(of: "a // first\n  bc # second\n\"é\" d", file: "f")
    #expect(tokens.map(\.text) == ["a", "bc", "\"é\"", "d", ""])
    #expect(tokens[1].location == SourceLocation(file: "f", line: 2, column: 3))
    #expect(tokens[1].startsLine)
    #expect(tokens[3].location.column == 5)
    #expect(!tokens[3].startsLine)
    #expect(tokens[2].kind == .string("é"))
  }

  @Test func stringsRoundTrip() throws {
    let contents = "a\"b\\c\n\t\r\u{1}é"
    #expect(try kinds(contents.quotedForLexer) == [.string(contents), .end])
  }

  @Test(arguments: [
    ("3x", "`3x` is not a number"), ("18446744073709551616", "`18446744073709551616` is not a number that fits in 64 bits"),
    ("\"abc", "this string has no closing quote on its line"), ("\u{1}", "unexpected character with code 1"),
    ("é", "unexpected character `é`"), ("\"\\q\"", "unknown escape in a string"), ("1e", "`1e` is not a number"), ("1e999", "not a number"),
  ]) func errors(_ text: String, _ message: String) {
    #expect(throws: Diagnostic.self) { try Lexer.tokens(of: text, file: "t") }
    do { _ = try Lexer.tokens(of: text, file: "t") } catch { #expect(error.message.contains(message)) }
  }

  @Test func readerSaysWhatWasExpected() throws {
    var reader = TokenReader(try Lexer.tokens(of: "dense -3 )", file: "t"))
    #expect(try reader.expectIdentifier().text == "dense")
    #expect(try reader.expectInteger() == -3)
    do {
      try reader.expect("(")
      Issue.record("accepted")
    } catch { #expect(error.message == "expected `(`, found `)`") }
  }
}
