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

  /// Global, so that shared objects compiled later find its functions. An OpenBLAS that is older than the processor takes the kernels of
  /// 2004, at an eighth of the speed: it is opened again and told which ones to take, unless the user has told it.
  private static func open(_ name: String) -> UnsafeMutableRawPointer? {
    guard let handle = dlopen(name, RTLD_NOW | RTLD_GLOBAL) else { return nil }
    #if arch(x86_64)
      guard environmentValue("OPENBLAS_CORETYPE") == nil, let function = dlsym(handle, "openblas_get_corename") else { return handle }
      let core = String(cString: unsafeBitCast(function, to: (@convention(c) () -> UnsafePointer<CChar>).self)())
      let flags = processorIdentity().split(whereSeparator: { $0 == " " || $0 == "\n" || $0 == "\t" })
      let known = flags.contains("avx512dq") && flags.contains("avx512vl") ? "SkylakeX" : flags.contains("avx2") ? "Haswell" : nil
      guard core == "Prescott" || core == "Core2", let known else { return handle }
      dlclose(handle)
      setenv("OPENBLAS_CORETYPE", known, 1)
      return dlopen(name, RTLD_NOW | RTLD_GLOBAL)
    #else
      return handle
    #endif
  }

  private static func load() -> BLASLibrary? {
    // Before it is loaded, or it starts a thread a core.
    setenv("OPENBLAS_NUM_THREADS", "1", 1)
    for name in candidates {
      guard let handle = open(name) else { continue }
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
