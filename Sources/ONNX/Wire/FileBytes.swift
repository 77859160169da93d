import Basics
import Glibc

/// A file in memory that is not copied: pages are read when they are touched. Freed with the last value that refers to it.
public final class MappedFile: @unchecked Sendable {
  /// The path as given, for messages.
  public let path: String
  /// The file's bytes.
  public let bytes: UnsafeRawBufferPointer
  private let isMapped: Bool

  /// Maps the plain file at `path`.
  public convenience init(path: String) throws {
    // Without O_NONBLOCK a pipe without a writer would wait for ever.
    let descriptor = path.utf8.contains(0) ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw Diagnostic("cannot open \(path): \(String(cString: strerror(errno)))") }
    defer { close(descriptor) }
    try self.init(descriptor: descriptor, path: path)
  }

  /// Maps the plain file behind an open descriptor, which the caller closes.
  init(descriptor: Int32, path: String) throws {
    self.path = path
    isMapped = true
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw Diagnostic("cannot read \(path): \(String(cString: strerror(errno)))") }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw Diagnostic("\(path) is \(status.st_mode & S_IFMT == S_IFDIR ? "a folder" : "no plain file"), expected a file")
    }
    let count = Int(status.st_size)
    guard count > 0 else {
      bytes = UnsafeRawBufferPointer(start: nil, count: 0)
      return
    }
    guard let address = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0), address != MAP_FAILED else {
      throw Diagnostic("cannot map \(path): \(String(cString: strerror(errno)))")
    }
    bytes = UnsafeRawBufferPointer(start: address, count: count)
  }

  /// The same for bytes that are in memory already; `path` stands for them in messages.
  init(bytes: [UInt8], path: String) {
    self.path = path
    isMapped = false
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 16)
    copy.copyBytes(from: bytes)
    self.bytes = UnsafeRawBufferPointer(copy)
  }

  deinit {
    guard isMapped else { return bytes.deallocate() }
    if let start = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: start), bytes.count) }
  }
}

/// Bytes: a part of a mapped file, or of their own.
public enum FileBytes: Sendable, Equatable {
  case mapped(MappedFile, Range<Int>)
  case owned([UInt8])

  public var count: Int {
    switch self {
    case .mapped(_, let range): range.count
    case .owned(let bytes): bytes.count
    }
  }

  /// Calls `body` with the bytes, which are valid during the call.
  public func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    switch self {
    case .mapped(let file, let range):
      try withExtendedLifetime(file) { try body(UnsafeRawBufferPointer(rebasing: file.bytes[range])) }
    case .owned(let bytes): try bytes.withUnsafeBytes(body)
    }
  }

  /// The same bytes, wherever they are.
  public static func == (a: FileBytes, b: FileBytes) -> Bool {
    a.count == b.count && a.withUnsafeBytes { a in b.withUnsafeBytes { b in a.elementsEqual(b) } }
  }
}
