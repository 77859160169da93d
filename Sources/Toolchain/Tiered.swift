import Basics
import CRuntime
import Glibc

/// Which compilers make the code that runs.
public enum CompileMode: String, Sendable, CaseIterable {
  /// libtcc alone: at once, and slow.
  case tcc
  /// clang or gcc alone: waits for it, then is fast.
  case clang
  /// Begins with libtcc's code and goes on in clang's when that is ready. Where one call of libtcc's code would last longer than clang takes
  /// in a hurry, waits for that instead.
  case tiered
}

/// A model in memory under one of the modes.
public final class CompiledModel {
  /// The code to begin with.
  public let first: LoadedModel
  /// What the user should hear once: that no C compiler was found, or that it failed.
  public private(set) var notices: [String] = []
  private var job: CompileJob?
  private var nextLook = 0.0

  /// Compiles. In mode `clang` a missing or failing compiler is made up for by libtcc, with a notice. Code that is called once is not made
  /// better meanwhile.
  public init(_ source: ModelSource, mode: CompileMode, isCalledOnce: Bool = false, compiler: CCompiler? = CCompiler.find()) throws {
    if mode == .clang || mode == .tiered && (!isCalledOnce || Self.isLong(source)) {
      do {
        if mode == .tiered, let compiler, Self.isLong(source), let model = try Self.quick(source, compiler) {
          if !isCalledOnce { job = try Self.begin(source, compiler, &notices) }
          first = model
          return
        }
        job = try Self.begin(source, compiler, &notices)
        // Code from the cache needs no first tier.
        if let model = mode == .clang || Self.isLong(source) ? try job?.wait() : try job?.poll() {
          first = model
          job = nil
          return
        }
      } catch let error as Diagnostic {
        job = nil
        notices.append("\(error.message); going on with tcc, which is slower")
      }
    }
    do {
      first = try LibTCC.compile(source)
    } catch let error as Diagnostic {
      // Structures of 2 GB and more are beyond libtcc.
      guard let waiting = job else { throw error }
      notices.append("tcc cannot compile this model: waiting for the C compiler")
      first = try waiting.wait()
      job = nil
    }
  }

  /// The code of a compiler in a hurry; nil where the cache has better.
  private static func quick(_ source: ModelSource, _ compiler: CCompiler) throws -> LoadedModel? {
    let cache = try CompileCache.standard()
    return cache.holds(source, compiler) ? nil : try CompileJob(source, compiler: compiler.quick, cache: cache).wait()
  }

  /// Whether one call under libtcc would take longer than the C compiler in a hurry does with the text. Both rates are estimates.
  private static func isLong(_ source: ModelSource) -> Bool {
    source.operations / operationsPerSecond > source.text.utf8.count / (bytesPerSecond * source.unitCount)
  }

  /// What libtcc's code computes in a second.
  private static let operationsPerSecond = 400_000_000
  /// What clang compiles in a second in a hurry, on one processor.
  private static let bytesPerSecond = 150_000

  private static func begin(
    _ source: ModelSource, _ compiler: CCompiler?, _ notices: inout [String]
  ) throws -> CompileJob? {
    guard let compiler else {
      notices.append("found no C compiler (looked for $CC, clang, gcc): going on with tcc, which is slower")
      return nil
    }
    return try CompileJob(source, compiler: compiler, cache: CompileCache.standard())
  }

  /// Whether faster code is still being made.
  public var isCompiling: Bool { job != nil }

  /// Asked between two steps: the faster code's descriptor, once, when it is ready. Looks at most every two milliseconds.
  public func poll() -> UnsafePointer<gradc_model>? {
    guard let job else { return nil }
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    let now = Double(time.tv_sec) + 1e-9 * Double(time.tv_nsec)
    if now < nextLook { return nil }
    nextLook = now + 0.002
    do {
      guard let model = try job.poll() else { return nil }
      self.job = nil
      return model.descriptor
    } catch let error as Diagnostic {
      notices.append("\(error.message); going on with tcc, which is slower")
    } catch {
      notices.append("\(error)")
    }
    self.job = nil
    return nil
  }
}
