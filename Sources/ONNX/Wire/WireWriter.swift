import Basics
import Glibc

/// Collects the fields of a message. Weights stay where they are until the whole is written.
struct WireWriter {
  private enum Piece {
    case bytes([UInt8])
    case data(FileBytes)
  }

  private var pieces: [Piece] = []
  private let depth: Int
  /// Bytes so far.
  private(set) var count = 0

  init(depth: Int = 0) { self.depth = depth }

  private mutating func append(_ bytes: [UInt8]) {
    count += bytes.count
    if case .bytes(var last)? = pieces.last, last.count < 1 << 16 {
      // Taken out first, so that the bytes grow in place.
      pieces.removeLast()
      last += bytes
      pieces.append(.bytes(last))
    } else {
      pieces.append(.bytes(bytes))
    }
  }

  private mutating func append(_ value: UInt64) {
    var bytes: [UInt8] = []
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(rest & 0x7F) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
    append(bytes)
  }

  private mutating func tag(_ number: Int, _ form: WireField.Form) { append(UInt64(number) << 3 | UInt64(form.rawValue)) }

  /// A whole number.
  mutating func integer(_ number: Int, _ value: Int64) {
    tag(number, .varint)
    append(UInt64(bitPattern: value))
  }

  /// A number of 32 bits with a point.
  mutating func float(_ number: Int, _ value: Float) {
    tag(number, .fixed32)
    append((0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> UInt32(8 * $0)) })
  }

  /// A text, also an empty one.
  mutating func string(_ number: Int, _ value: String) { bytes(number, Array(value.utf8)) }

  /// A text that is left out where it is empty.
  mutating func optional(_ number: Int, _ value: String) { if !value.isEmpty { string(number, value) } }

  /// Bytes with their length.
  mutating func bytes(_ number: Int, _ value: [UInt8]) {
    tag(number, .bytes)
    append(UInt64(value.count))
    append(value)
  }

  /// Bytes that are copied when the file is written.
  mutating func data(_ number: Int, _ value: FileBytes) {
    tag(number, .bytes)
    append(UInt64(value.count))
    verbatim(value)
  }

  /// Bytes that are encoded already.
  mutating func verbatim(_ value: FileBytes) {
    if value.count < 256 { return append(value.withUnsafeBytes { Array($0) }) }
    count += value.count
    pieces.append(.data(value))
  }

  /// A message, also an empty one. A reader would refuse what nests deeper.
  mutating func message(_ number: Int, _ body: (inout WireWriter) throws -> Void) throws {
    guard depth < WireReader.maximumDepth else {
      throw Diagnostic("the model nests deeper than \(WireReader.maximumDepth) messages, which ONNX files cannot")
    }
    var inner = WireWriter(depth: depth + 1)
    try body(&inner)
    tag(number, .bytes)
    append(UInt64(inner.count))
    for piece in inner.pieces {
      switch piece {
      case .bytes(let bytes): append(bytes)
      case .data(let data):
        count += data.count
        pieces.append(.data(data))
      }
    }
  }

  /// An error where protobuf's own readers would refuse the file.
  private func checkSize() throws {
    guard count <= Int(Int32.max) else {
      throw Diagnostic("the ONNX file would take \(count) bytes, and ends at 2 GiB; export fewer weights, or weights as safetensors")
    }
  }

  /// Everything in memory.
  func joined() throws -> [UInt8] {
    try checkSize()
    var result: [UInt8] = []
    result.reserveCapacity(count)
    for piece in pieces {
      switch piece {
      case .bytes(let bytes): result += bytes
      case .data(let data): data.withUnsafeBytes { result.append(contentsOf: $0) }
      }
    }
    return result
  }

  /// Writes the file beside `path` and renames it, so that a file that is being read, also by this process, stays whole.
  func write(to path: String) throws {
    try checkSize()
    func failure(_ action: String) -> Diagnostic { Diagnostic("cannot \(action) \(path): \(String(cString: strerror(errno)))") }
    guard !path.utf8.contains(0), !path.isEmpty else { throw Diagnostic("cannot write to \(quoted(path))") }
    var status = stat()
    let isPlain = stat(path, &status) != 0 || status.st_mode & S_IFMT == S_IFREG
    let target = isPlain ? "\(path).\(getpid()).tmp" : path
    let descriptor = open(target, O_WRONLY | O_CLOEXEC | (isPlain ? O_CREAT | O_EXCL : 0), 0o666)
    guard descriptor >= 0 else { throw failure("write") }
    var isWritten = true
    for piece in pieces where isWritten {
      switch piece {
      case .bytes(let bytes): isWritten = bytes.withUnsafeBytes { Self.write($0, descriptor) }
      case .data(let data): isWritten = data.withUnsafeBytes { Self.write($0, descriptor) }
      }
    }
    if isWritten, isPlain { isWritten = fsync(descriptor) == 0 }
    var code = errno
    if close(descriptor) != 0, isWritten {
      isWritten = false
      code = errno
    }
    if isWritten, isPlain, rename(target, path) != 0 {
      isWritten = false
      code = errno
    }
    guard isWritten else {
      if isPlain { unlink(target) }
      errno = code
      throw failure("write")
    }
  }

  private static func write(_ bytes: UnsafeRawBufferPointer, _ descriptor: Int32) -> Bool {
    var rest = bytes
    while let start = rest.baseAddress, rest.count > 0 {
      let written = Glibc.write(descriptor, start, min(rest.count, 1 << 30))
      if written < 0, errno == EINTR { continue }
      guard written > 0 else { return false }
      rest = UnsafeRawBufferPointer(rebasing: rest[written...])
    }
    return true
  }
}
