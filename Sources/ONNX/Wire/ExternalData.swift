import Basics
import Glibc

/// The folder of a model, in which its external data may be. Only plain files below it are opened, and no link is followed on the way.
final class ExternalDataFolder {
  private let path: String
  private var files: [String: MappedFile] = [:]

  /// The folder of the model file at `modelPath`.
  init(modelPath: String) {
    let parts = modelPath.split(separator: "/", omittingEmptySubsequences: false)
    path = parts.count == 1 ? "." : parts.count == 2 && parts[0].isEmpty ? "/" : parts.dropLast().joined(separator: "/")
  }

  /// The bytes that entries `location`, `offset` (0 if absent) and `length` (to the file's end if absent) speak of.
  func bytes(_ entries: [StringEntry]) throws -> FileBytes {
    var values: [String: String] = [:]
    for entry in entries where values.updateValue(entry.value, forKey: entry.key) != nil {
      throw Diagnostic("external_data has two entries \(quoted(entry.key))")
    }
    guard let location = values["location"] else { throw Diagnostic("external_data has no entry 'location'") }
    let file = try file(location)
    let offset = try number(values["offset"], "offset") ?? 0
    let size = file.bytes.count
    guard offset <= size else { throw Diagnostic("external data begins at byte \(offset) of \(quoted(location)), which has \(size)") }
    let length = try number(values["length"], "length") ?? size - offset
    guard length <= size - offset else {
      throw Diagnostic("external data has \(length) bytes from byte \(offset) of \(quoted(location)) on, which has \(size)")
    }
    return .mapped(file, offset..<offset + length)
  }

  private func number(_ text: String?, _ name: String) throws -> Int? {
    guard let text else { return nil }
    guard text.utf8.count <= 19, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let value = Int(text) else {
      throw Diagnostic("external_data: \(name) is \(quoted(text)), expected a whole number")
    }
    return value
  }

  private func file(_ location: String) throws -> MappedFile {
    if let file = files[location] { return file }
    guard !location.hasPrefix("/") else {
      throw Diagnostic("external data in \(quoted(location)), expected a path below the model's folder")
    }
    let parts = location.split(separator: "/").filter { $0 != "." }.map(String.init)
    guard !parts.isEmpty, !parts.contains(".."), !location.utf8.contains(0), location.utf8.count < 4096 else {
      throw Diagnostic("external data in \(quoted(location)), expected the path of a file below the model's folder, without '..'")
    }
    var folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else { throw Diagnostic("cannot open the folder \(path): \(String(cString: strerror(errno)))") }
    for (index, part) in parts.enumerated() {
      let isLast = index == parts.count - 1
      let next = openat(folder, part, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | (isLast ? O_NONBLOCK : O_DIRECTORY))
      let code = errno
      close(folder)
      guard next >= 0 else { throw Diagnostic("cannot open external data \(quoted(location)): \(Self.reason(code, part))") }
      folder = next
    }
    defer { close(folder) }
    let file = try MappedFile(descriptor: folder, path: location)
    files[location] = file
    return file
  }

  private static func reason(_ code: Int32, _ part: String) -> String {
    code == ELOOP || code == ENOTDIR ? "\(quoted(part)) is a link, or no folder; links are not followed" : String(cString: strerror(code))
  }
}
