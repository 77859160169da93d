import Basics

extension TensorMessage {
  func write(_ writer: inout WireWriter) throws {
    for size in dims { writer.integer(1, size) }
    writer.integer(2, Int64(dataType))
    if case .typed(let field, let message) = contents, field.rawValue < 8 { try Self.copy(field, message, to: &writer) }
    writer.optional(8, name)
    if case .raw(let bytes) = contents { writer.data(9, bytes) }
    if case .typed(let field, let message) = contents, field.rawValue > 8 { try Self.copy(field, message, to: &writer) }
    writer.optional(12, docString)
    if case .external(let entries) = contents {
      for entry in entries { try writer.message(13, entry.write) }
      writer.integer(14, 1)
    }
    for entry in metadataProps { try writer.message(16, entry.write) }
  }

  /// Copies the values as they are encoded: packed or one by one.
  private static func copy(_ typed: TypedField, _ message: FileBytes, to writer: inout WireWriter) throws {
    guard case .mapped(let file, let range) = message else { throw Diagnostic.bug("an encoded tensor outside any file") }
    try withExtendedLifetime(file) {
      var reader = WireReader(WireContext(file: file, folder: nil), message: "TensorProto", range: range, depth: 0)
      while let field = try reader.next() {
        guard field.number == typed.rawValue else { continue }
        writer.verbatim(.mapped(file, field.offset..<field.range.upperBound))
      }
    }
  }
}

extension SparseTensorMessage {
  func write(_ writer: inout WireWriter) throws {
    try writer.message(1, values.write)
    try writer.message(2, indices.write)
    for size in dims { writer.integer(3, size) }
  }
}
