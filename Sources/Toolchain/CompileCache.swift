import Basics
import Glibc

/// A folder of shared objects, named by what they were made from.
public struct CompileCache: Sendable {
  public let folder: String
  /// Bytes that the folder may hold; what was not used for longest goes first.
  public var limit = 256 << 20
  /// Whether the folder is there for this process alone, and worth nothing afterwards.
  let isTemporary: Bool

  /// The user's cache (`$XDG_CACHE_HOME/gradc` or `~/.cache/gradc`); when nobody else must be able to write there cannot be had, a new folder
  /// for this process under the system's folder for temporary files.
  public static func standard() throws -> CompileCache {
    let base = environmentValue("XDG_CACHE_HOME") ?? environmentValue("HOME").map { $0 + "/.cache" }
    if let base, base.hasPrefix("/"), let cache = CompileCache(folder: base + "/gradc") { return cache }
    var template = Array(((environmentValue("TMPDIR") ?? "/tmp") + "/gradc-XXXXXX").utf8CString)
    guard mkdtemp(&template) != nil else {
      throw Diagnostic(
        "cannot make a folder for compiled code in \(environmentValue("TMPDIR") ?? "/tmp"): \(String(cString: strerror(errno)))")
    }
    return CompileCache(unchecked: String(cString: template), isTemporary: true)
  }

  /// A cache in this folder, which is made when it is missing; null when it cannot be written, or when others can write there: who can put
  /// a shared object into it can run code here.
  public init?(folder: String) {
    makeFolders(folder)
    var status = stat()
    guard stat(folder, &status) == 0, status.st_mode & S_IFMT == S_IFDIR, status.st_uid == geteuid(), status.st_mode & 0o022 == 0,
      access(folder, W_OK) == 0
    else { return nil }
    self.init(unchecked: folder, isTemporary: false)
  }

  private init(unchecked folder: String, isTemporary: Bool) {
    self.folder = folder
    self.isTemporary = isTemporary
  }

  /// Where the shared object of this source, compiler and processor belongs.
  func path(of source: ModelSource, _ compiler: CCompiler) -> String {
    let key = [compiler.flags.joined(separator: " "), compiler.identity, processorIdentity(), source.text].joined(separator: "\n\u{0}")
    return "\(folder)/\(sha256(Array(key.utf8))).so"
  }

  /// Whether it has the shared object of this source.
  func holds(_ source: ModelSource, _ compiler: CCompiler) -> Bool { access(path(of: source, compiler), R_OK) == 0 }

  /// Removes what was used least recently until the folder is small enough.
  func trim() {
    var files: [(path: String, size: Int, used: Int)] = []
    guard let directory = opendir(folder) else { return }
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      var status = stat()
      let path = "\(folder)/\(name)"
      guard !name.hasPrefix("."), lstat(path, &status) == 0 else { continue }
      // What an interrupted compilation left behind.
      if !name.hasSuffix(".so") || name.split(separator: ".").count > 2 {
        if status.st_mtim.tv_sec < time(nil) - 86400 { unlink(path) }
      } else {
        files.append((path, Int(status.st_size), status.st_mtim.tv_sec))
      }
    }
    closedir(directory)
    var total = files.reduce(0) { $0 + $1.size }
    for file in files.sorted(by: { $0.used < $1.used }) where total > limit {
      unlink(file.path)
      total -= file.size
    }
  }

  /// Takes a temporary folder away with all its files.
  func removeIfTemporary(_ paths: [String]) {
    guard isTemporary else { return }
    for path in paths { unlink(path) }
    rmdir(folder)
  }
}

/// Makes a folder and those above it, for the user alone.
private func makeFolders(_ path: String) {
  var made = ""
  for part in path.split(separator: "/") {
    made += "/\(part)"
    mkdir(made, 0o700)
  }
}
