import Basics
import Glibc

/// An optimising C compiler of this machine: `$CC`, or the first clang or gcc on the path.
public struct CCompiler: Hashable, Sendable {
  /// The command's words: the program's path first.
  public let command: [String]

  /// How much of its time goes into the code.
  enum Effort {
    /// Half the time; loops are still made of vectors, without which the code is several times slower.
    case quick
    case full
  }

  var effort = Effort.full

  /// This compiler in a hurry. What its code computes is the same to the bit.
  var quick: CCompiler {
    var quick = self
    quick.effort = .quick
    return quick
  }

  /// Flags that keep one meaning on every compiler, and make the code fast on this machine.
  var flags: [String] {
    let optimization = effort == .quick ? ["-O1", "-ftree-vectorize"] : ["-O3"]
    return ["-std=c11"] + optimization + ["-march=native"] + Self.widestVectors + ["-ffp-contract=off", "-fno-math-errno", "-fPIC", "-w"]
  }

  /// For many of Intel's processors compilers take vectors of 256 bits where they could have 512, at half the speed of our tiles.
  #if arch(x86_64)
    private static let widestVectors = ["-mprefer-vector-width=512"]
  #else
    private static let widestVectors: [String] = []
  #endif

  private static let names =
    ["clang"] + stride(from: 23, through: 14, by: -1).map { "clang-\($0)" } + ["gcc"]
    + stride(from: 16, through: 10, by: -1).map { "gcc-\($0)" } + ["cc"]

  /// A compiler by its command, looked up on the path; null when there is no such program.
  public init?(command text: String) {
    let words = text.split(separator: " ").map(String.init)
    guard let first = words.first, let path = programPath(first) else { return nil }
    command = [path] + words.dropFirst()
  }

  /// The compiler to use: `$CC` when it is set, and then nothing else.
  public static func find() -> CCompiler? {
    if let value = environmentValue("CC") { return CCompiler(command: value) }
    return names.lazy.compactMap { CCompiler(command: $0) }.first
  }

  /// What distinguishes this compiler from another of the same name: file, size and time of the program, without having to run it.
  var identity: String {
    var status = stat()
    guard let path = realpath(command[0], nil) else { return command.joined(separator: " ") }
    defer { free(path) }
    guard stat(path, &status) == 0 else { return command.joined(separator: " ") }
    return "\(String(cString: path)) \(status.st_size) \(status.st_mtim.tv_sec) " + command.dropFirst().joined(separator: " ")
  }
}

/// The value of an environment variable; null when it is not set, or empty.
func environmentValue(_ name: String) -> String? {
  guard let value = getenv(name), value.pointee != 0 else { return nil }
  return String(cString: value)
}

/// The path of a program: itself when it has a slash, else the first match on `PATH`.
func programPath(_ name: String) -> String? {
  if name.contains("/") { return access(name, X_OK) == 0 ? name : nil }
  let folders = (environmentValue("PATH") ?? "/usr/local/bin:/usr/bin:/bin").split(separator: ":")
  return folders.lazy.map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
}

/// What of the processor decides which code `-march=native` makes.
func processorIdentity() -> String {
  guard let file = fopen("/proc/cpuinfo", "r") else { return "" }
  defer { fclose(file) }
  let telling = ["vendor_id", "cpu family", "model", "stepping", "flags", "Features", "CPU "]
  var buffer = [CChar](repeating: 0, count: 8192)
  var lines: [String] = []
  while fgets(&buffer, Int32(buffer.count), file) != nil, buffer[0] != 10 {
    let line = String(cString: buffer)
    if telling.contains(where: line.hasPrefix) { lines.append(line) }
  }
  return lines.joined()
}
