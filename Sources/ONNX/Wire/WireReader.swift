import Basics

/// What all messages of one file share while they are read.
final class WireContext {
  let file: MappedFile
  /// Where external data is looked for; nil leaves it unread.
  let folder: ExternalDataFolder?
  /// Bytes that structures may still take: a file of a few bytes a message must not fill the memory.
  private var allowance: Int

  init(file: MappedFile, folder: ExternalDataFolder?) {
    self.file = file
    self.folder = folder
    allowance = min(16 << 20 + 8 * min(file.bytes.count, 1 << 30), 1 << 30)
  }

  /// Whether so many bytes may be taken; they are, then.
  func take(_ count: Int) -> Bool {
    allowance -= count
    return allowance >= 0
  }
}

/// One field of a message, with its value where that is a number.
struct WireField {
  /// How a field is encoded; the raw value is protobuf's wire type.
  enum Form: UInt8 {
    case varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5

    var name: String {
      switch self {
      case .varint: "a varint"
      case .fixed64: "64 bits"
      case .bytes: "bytes with a length"
      case .fixed32: "32 bits"
      }
    }
  }

  var number: Int
  var form: Form
  /// Where the field begins in the file.
  var offset: Int
  /// The number itself; 0 for bytes.
  var bits: UInt64
  /// Where the encoded value is, without tag and length.
  var range: Range<Int>
}

/// Reads the fields of one message one after the other. Lengths are checked against the enclosing message before they are used, and messages
/// nest at most `maximumDepth` deep, as in protobuf's own readers.
struct WireReader {
  static let maximumDepth = 100

  let context: WireContext
  /// The message's name in ONNX: `NodeProto`.
  let message: String
  let range: Range<Int>
  private let depth: Int
  private var position: Int
  /// Fields that may stand once and have been met, by number.
  private var met: UInt64 = 0

  /// A reader of a whole file.
  init(_ context: WireContext, message: String) {
    self.init(context, message: message, range: 0..<context.file.bytes.count, depth: 0)
  }

  /// A reader of a part of a file.
  init(_ context: WireContext, message: String, range: Range<Int>, depth: Int) {
    self.context = context
    self.message = message
    self.range = range
    self.depth = depth
    position = range.lowerBound
  }

  /// The error that says where it is.
  func failure(_ text: String, at offset: Int, kind: FailureKind = .input) -> Diagnostic {
    Diagnostic("\(context.file.path): byte \(offset): \(message): \(text)", kind: kind)
  }

  /// The next field; nil at the message's end. Fields that the caller does not know it leaves alone.
  mutating func next() throws -> WireField? {
    guard position < range.upperBound else { return nil }
    let offset = position
    let tag = try varint()
    guard tag <= UInt64(UInt32.max), tag >> 3 > 0 else { throw failure("found tag \(tag), which no field has", at: offset) }
    guard let form = WireField.Form(rawValue: UInt8(tag & 7)) else {
      throw failure("found wire type \(tag & 7) for field \(tag >> 3), expected 0, 1, 2 or 5; the file is damaged or not ONNX", at: offset)
    }
    var field = WireField(number: Int(tag >> 3), form: form, offset: offset, bits: 0, range: position..<position)
    switch form {
    case .varint: field.bits = try varint()
    case .fixed32: field.bits = try fixed(4)
    case .fixed64: field.bits = try fixed(8)
    case .bytes:
      let start = position
      let length = try varint()
      guard length <= UInt64(range.upperBound - position) else {
        throw failure("field \(field.number) states \(length) bytes, and \(range.upperBound - position) are left", at: start)
      }
      field.range = position..<position + Int(length)
      position += Int(length)
      return field
    }
    field.range = field.range.lowerBound..<position
    return field
  }

  private mutating func fixed(_ size: Int) throws -> UInt64 {
    guard range.upperBound - position >= size else {
      throw failure("expected \(size) bytes of a number, \(range.upperBound - position) are left", at: position)
    }
    let bits = context.file.bits(at: position, size: size)
    position += size
    return bits
  }

  private mutating func varint() throws -> UInt64 {
    let bytes = context.file.bytes
    var value: UInt64 = 0
    for index in 0..<10 {
      guard position + index < range.upperBound else { throw failure("a number goes on past the message's end", at: position) }
      let byte = bytes[position + index]
      if index == 9, byte > 1 { break }
      value |= UInt64(byte & 0x7F) << UInt64(7 * index)
      if byte < 0x80 {
        position += index + 1
        return value
      }
    }
    throw failure("found a number of more than 64 bits", at: position)
  }
}

// MARK: Values of fields

extension WireReader {
  func expect(_ field: WireField, _ form: WireField.Form, _ name: String) throws {
    guard field.form == form else {
      throw failure("field \(field.number) (\(name)): found \(field.form.name), expected \(form.name)", at: field.offset)
    }
  }

  /// Notes a field that may stand once.
  mutating func once(_ field: WireField, _ name: String) throws {
    guard met & 1 << UInt64(field.number) == 0 else { throw failure("field \(field.number) (\(name)) stands twice", at: field.offset) }
    met |= 1 << UInt64(field.number)
  }

  private func charge(_ count: Int, at offset: Int) throws {
    guard context.take(count) else { throw failure("the file has more and smaller parts than gradc reads", at: offset) }
  }

  /// Appends an element, and counts its memory.
  func append<Element>(_ element: Element, to elements: inout [Element], at field: WireField) throws {
    try charge(MemoryLayout<Element>.stride + (elements.isEmpty ? 32 : 0), at: field.offset)
    elements.append(element)
  }

  /// A name or key, which must be UTF-8.
  func string(_ field: WireField, _ name: String) throws -> String {
    try expect(field, .bytes, name)
    if field.range.count > 15 { try charge(field.range.count + 32, at: field.offset) }
    guard let text = String(validating: context.file.bytes[field.range], as: UTF8.self) else {
      throw failure("field \(field.number) (\(name)) is not UTF-8", at: field.offset)
    }
    return text
  }

  /// A name that may stand once.
  mutating func single(_ field: WireField, _ name: String) throws -> String {
    try once(field, name)
    return try string(field, name)
  }

  /// A text that nothing refers to: what is not UTF-8 in it is replaced.
  mutating func documentation(_ field: WireField) throws -> String {
    try once(field, "doc_string")
    try expect(field, .bytes, "doc_string")
    try charge(3 * field.range.count + 32, at: field.offset)
    return String(decoding: context.file.bytes[field.range], as: UTF8.self)
  }

  /// Bytes of an attribute's string.
  func bytes(_ field: WireField, _ name: String) throws -> [UInt8] {
    try expect(field, .bytes, name)
    try charge(field.range.count + 32, at: field.offset)
    return Array(context.file.bytes[field.range])
  }

  /// A whole number that may stand once.
  mutating func int64(_ field: WireField, _ name: String) throws -> Int64 {
    try once(field, name)
    try expect(field, .varint, name)
    return Int64(bitPattern: field.bits)
  }

  /// A whole number of 32 bits that may stand once.
  mutating func int32(_ field: WireField, _ name: String) throws -> Int32 {
    let value = try int64(field, name)
    guard let narrow = Int32(exactly: value) else {
      throw failure("field \(field.number) (\(name)) is \(value), expected 32 bits", at: field.offset)
    }
    return narrow
  }

  /// Whole numbers, packed or one by one.
  func integers(_ field: WireField, _ name: String, to values: inout [Int64]) throws {
    if field.form == .varint { return try append(Int64(bitPattern: field.bits), to: &values, at: field) }
    try expect(field, .bytes, name)
    let count = context.file.bytes[field.range].reduce(0) { $0 + ($1 < 0x80 ? 1 : 0) }
    try charge(8 * count + 32, at: field.offset)
    values.reserveCapacity(values.count + count)
    var packed = WireReader(context, message: message, range: field.range, depth: depth)
    while packed.position < packed.range.upperBound { values.append(Int64(bitPattern: try packed.varint())) }
  }

  /// Numbers of 32 bits, packed or one by one.
  func floats(_ field: WireField, _ name: String, to values: inout [Float]) throws {
    if field.form == .fixed32 { return try append(Float(bitPattern: UInt32(field.bits)), to: &values, at: field) }
    try expect(field, .bytes, name)
    guard field.range.count % 4 == 0 else {
      throw failure("field \(field.number) (\(name)) has \(field.range.count) bytes, expected a multiple of 4", at: field.offset)
    }
    try charge(field.range.count + 32, at: field.offset)
    values.reserveCapacity(values.count + field.range.count / 4)
    for offset in stride(from: field.range.lowerBound, to: field.range.upperBound, by: 4) {
      values.append(Float(bitPattern: UInt32(context.file.bits(at: offset, size: 4))))
    }
  }

  /// A reader of the message that the field holds.
  func child(_ field: WireField, _ name: String, _ message: String) throws -> WireReader {
    try expect(field, .bytes, name)
    guard depth < Self.maximumDepth else {
      throw failure("field \(field.number) (\(name)) is nested deeper than \(Self.maximumDepth) messages", at: field.offset)
    }
    return WireReader(context, message: message, range: field.range, depth: depth + 1)
  }

  /// Numbers of packed varints, one by one, without storing them.
  func eachPacked(_ field: WireField, _ body: (Int64) throws -> Void) throws {
    var packed = WireReader(context, message: message, range: field.range, depth: depth)
    while packed.position < packed.range.upperBound { try body(Int64(bitPattern: try packed.varint())) }
  }
}

extension MappedFile {
  /// A little-endian number.
  func bits(at offset: Int, size: Int) -> UInt64 {
    if size == 4 { return UInt64(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))) }
    return UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
  }
}
