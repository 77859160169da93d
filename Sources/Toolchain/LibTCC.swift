import Basics
import CRuntime
import CTCC
import Glibc

/// Compiles in memory through libtcc: within milliseconds, without files, headers or libraries of the system.
public enum LibTCC {
  /// libtcc works on global state: one at a time.
  private static let lock = Lock()

  /// Compiles and loads a model. A failure is a bug of gradc, and says what tcc said.
  public static func compile(_ source: ModelSource) throws -> LoadedModel {
    let blas = source.callsBLAS ? try BLASLibrary.library() : nil
    return try lock.locked { try compileLocked(source, blas) }
  }

  private static func compileLocked(_ source: ModelSource, _ blas: BLASLibrary?) throws -> LoadedModel {
    guard let state = tcc_new() else { throw Diagnostic("libtcc cannot start: out of memory") }
    let messages = Messages()
    tcc_set_error_func(state, Unmanaged.passUnretained(messages).toOpaque()) { context, message in
      guard let context, let message else { return }
      Unmanaged<Messages>.fromOpaque(context).takeUnretainedValue().lines.append(String(cString: message))
    }
    tcc_set_options(state, "-nostdlib -nostdinc")
    tcc_set_output_type(state, TCC_OUTPUT_MEMORY)
    for (name, address) in librarySymbols { tcc_add_symbol(state, name, address) }
    if let blas {
      tcc_add_symbol(state, "cblas_sgemm", UnsafeRawPointer(bitPattern: blas.sgemm))
      tcc_add_symbol(state, "cblas_dgemm", UnsafeRawPointer(bitPattern: blas.dgemm))
    }
    let text = withBuiltInHeaders(source.text)
    guard tcc_compile_string(state, text) == 0, tcc_relocate(state, UnsafeMutableRawPointer(bitPattern: 1)) == 0,
      let symbol = tcc_get_symbol(state, source.descriptorSymbol)
    else {
      tcc_delete(state)
      throw Diagnostic.bug(
        "tcc does not compile the emitted C: " + messages.lines.prefix(5).joined(separator: "; ") + messages.firstLine(of: text))
    }
    tcc_set_error_func(state, nil, nil)
    nonisolated(unsafe) let owned = state
    return try LoadedModel(descriptor: symbol, free: { lock.locked { tcc_delete(owned) } })
  }
}

/// What libtcc says while it compiles.
private final class Messages {
  var lines: [String] = []

  /// The line of the source that the first message speaks of.
  func firstLine(of text: String) -> String {
    let parts = (lines.first ?? "").split(separator: ":")
    guard parts.count > 1, let number = Int(parts[1]), number > 0 else { return "" }
    let source = text.split(separator: "\n", maxSplits: number, omittingEmptySubsequences: false)
    return number <= source.count ? "\n" + source[number - 1] : ""
  }
}

/// A mutex.
final class Lock: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)

  init() { pthread_mutex_init(mutex, nil) }

  func locked<Result>(_ body: () throws -> Result) rethrows -> Result {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return try body()
  }
}

/// The functions that emitted code may call, and those that tcc calls for conversions which the processor does not have.
nonisolated(unsafe) private let librarySymbols: [(String, UnsafeRawPointer?)] = {
  let single: [(String, @convention(c) (Float) -> Float)] = [
    ("sqrtf", sqrtf), ("floorf", floorf), ("ceilf", ceilf), ("truncf", truncf), ("rintf", rintf), ("fabsf", fabsf),
  ]
  let double: [(String, @convention(c) (Double) -> Double)] = [
    ("sqrt", sqrt), ("floor", floor), ("ceil", ceil), ("trunc", trunc), ("rint", rint), ("fabs", fabs),
  ]
  let fusedSingle: @convention(c) (Float, Float, Float) -> Float = fmaf
  let fused: @convention(c) (Double, Double, Double) -> Double = fma
  let floatOf: @convention(c) (UInt64) -> Float = { Float($0) }
  let doubleOf: @convention(c) (UInt64) -> Double = { Double($0) }
  let fromFloat: @convention(c) (Float) -> UInt64 = { UInt64(exactly: $0.rounded(.towardZero)) ?? 0 }
  let fromDouble: @convention(c) (Double) -> UInt64 = { UInt64(exactly: $0.rounded(.towardZero)) ?? 0 }
  func address<Function>(_ function: Function) -> UnsafeRawPointer { unsafeBitCast(function, to: UnsafeRawPointer.self) }
  return single.map { ($0, address($1)) } + double.map { ($0, address($1)) } + [
    ("fmaf", address(fusedSingle)), ("fma", address(fused)),
    ("__floatundisf", address(floatOf)), ("__floatundidf", address(doubleOf)),
    ("__fixunssfdi", address(fromFloat)), ("__fixunsdfdi", address(fromDouble)),
  ] + ["memset", "memcpy", "memmove", "memcmp"].map { ($0, UnsafeRawPointer(dlsym(nil, $0))) }
}()

/// The text with what it needs of four standard headers in place of their `#include` lines: no machine need have them, and
/// reading them would take longer than compiling.
func withBuiltInHeaders(_ text: String) -> String {
  text.lines.map { line in
    line.utf8.first == UInt8(ascii: "#") ? builtInHeaders[String(line)].map { Substring($0) } ?? line : line
  }.joined(separator: "\n")
}

private let builtInHeaders: [String: String] = [
  "#include <stddef.h>": """
  typedef unsigned long size_t; typedef long ptrdiff_t;
  #define offsetof(type, member) ((size_t)&((type *)0)->member)
  """,
  "#include <stdint.h>": """
  typedef signed char int8_t; typedef short int16_t; typedef int int32_t; typedef long int64_t;
  typedef unsigned char uint8_t; typedef unsigned short uint16_t; typedef unsigned int uint32_t; typedef unsigned long uint64_t;
  #define UINT64_C(value) value##UL
  """,
  "#include <string.h>": """
  void *memset(void *, int, unsigned long); void *memcpy(void *, const void *, unsigned long);
  void *memmove(void *, const void *, unsigned long); int memcmp(const void *, const void *, unsigned long);
  """,
  "#include <math.h>": """
  float sqrtf(float), floorf(float), ceilf(float), truncf(float), rintf(float), fabsf(float);
  double sqrt(double), floor(double), ceil(double), trunc(double), rint(double), fabs(double);
  float fmaf(float, float, float); double fma(double, double, double);
  """,
]
