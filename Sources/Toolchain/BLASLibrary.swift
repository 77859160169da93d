import Basics
import Glibc

/// The CBLAS of this machine, loaded when a program first needs it.
public struct BLASLibrary: Sendable {
  /// The file that was loaded.
  public let name: String
  let sgemm: UInt
  let dgemm: UInt

  private static let candidates = [
    "libopenblas.so.0", "libopenblas.so", "libcblas.so.3", "libblas.so.3", "libcblas.so", "libblis.so.4", "libmkl_rt.so.2",
  ]
  private static let shared = load()

  /// The library, single-threaded: its own threads would change the order of sums. Throws when there is none.
  public static func library() throws -> BLASLibrary {
    guard let library = shared else {
      throw Diagnostic(
        "found no CBLAS library (looked for \(candidates.joined(separator: ", "))); install libopenblas0, or compile with --blas none")
    }
    return library
  }

  private static func load() -> BLASLibrary? {
    // Before it is loaded, or it starts a thread a core.
    setenv("OPENBLAS_NUM_THREADS", "1", 1)
    for name in candidates {
      // Global, so that shared objects compiled later find its functions.
      guard let handle = dlopen(name, RTLD_NOW | RTLD_GLOBAL) else { continue }
      if let sgemm = dlsym(handle, "cblas_sgemm"), let dgemm = dlsym(handle, "cblas_dgemm") {
        if let function = dlsym(handle, "openblas_set_num_threads") {
          unsafeBitCast(function, to: (@convention(c) (Int32) -> Void).self)(1)
        }
        return BLASLibrary(name: name, sgemm: UInt(bitPattern: sgemm), dgemm: UInt(bitPattern: dgemm))
      }
      dlclose(handle)
    }
    return nil
  }
}
