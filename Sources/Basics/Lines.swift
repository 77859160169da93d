extension String {
  /// The lines of a text, without their ends. Bytes are compared: to look for the character "\n" is to look for the borders of all
  /// characters, which takes longer than everything else that is done with a text.
  public var lines: [Substring] {
    utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map { Substring($0) }
  }
}
