import Basics
import CEmitter
import CRuntime
import Foundation
import LoopIR
import Toolchain

/// A way from C to machine code.
struct TestCompiler: CustomStringConvertible {
  var description: String
  /// The command; nil: libtcc in memory.
  var command: [String]?

  static let tcc = TestCompiler(description: "tcc", command: nil)

  /// libtcc, and the optimising compilers that this machine has, without optimisation and with all of it.
  static let all: [TestCompiler] = [tcc] + optimising

  static let optimising: [TestCompiler] = ["gcc", "clang"].filter { CCompiler(command: $0) != nil }.flatMap { compiler in
    [["-O0"], ["-O3", "-march=native"]].map { flags in
      TestCompiler(
        description: "\(compiler) \(flags[0])",
        command: [compiler] + flags + ["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Wpedantic", "-Werror"] + meaningFlags)
    }
  }

  /// The fastest code that this machine can make.
  static var fastest: TestCompiler { optimising.last ?? tcc }

  /// Loads a program; `unload` gives the memory of its code back. A word of the compiler is an error.
  func load(_ program: Program, blas: EmitOptions.BLAS = .cblas) throws -> (descriptor: UnsafePointer<gradc_model>, unload: () -> Void) {
    let project = try emitC(program, options: EmitOptions(blas: blas))
    if project.callsBLAS { _ = try BLASLibrary.library() }
    try emitted.keep(project, of: program)
    guard let command else {
      let model = try LibTCC.compile(
        ModelSource(text: project.translationUnit, descriptorSymbol: project.descriptorSymbol, callsBLAS: project.callsBLAS))
      return (model.descriptor, { model.unload() })
    }
    let folder = try makeTemporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    try project.write(to: folder)
    let library = folder.appendingPathComponent("model.so").path
    let result = try execute(command + ["-fPIC", "-shared", "-o", library, folder.appendingPathComponent("\(project.name).c").path, "-lm"])
    guard result.output.isEmpty, result.status == 0 else {
      throw Diagnostic("\(self) says of '\(program.name)': \(result.output.prefix(2000))")
    }
    guard let handle = dlopen(library, RTLD_NOW), let symbol = dlsym(handle, project.descriptorSymbol) else {
      throw Diagnostic("cannot load '\(program.name)': \(String(cString: dlerror()))")
    }
    return (UnsafePointer(symbol.assumingMemoryBound(to: gradc_model.self)), { dlclose(handle) })
  }

  /// A machine of a program.
  func machine(_ program: Program, blas: EmitOptions.BLAS = .cblas, threads: Int = 1) throws -> Machine {
    let model = try load(program, blas: blas)
    return Machine(program, .native(model.descriptor), threads: threads, atEnd: model.unload)
  }
}

/// With `GRADC_EMIT_TO=FOLDER`, the C without libraries of every program that libtcc loads goes to a folder of its own there, for sanitizers.
private final class EmittedPrograms: @unchecked Sendable {
  private let folder = ProcessInfo.processInfo.environment["GRADC_EMIT_TO"].map { URL(fileURLWithPath: $0) }
  private var known = Set<String>()
  private let lock = NSLock()

  func keep(_ project: EmittedProject, of program: Program) throws {
    guard let folder else { return }
    lock.lock()
    defer { lock.unlock() }
    let alone = project.callsBLAS ? try emitC(program, options: EmitOptions(blas: .none)) : project
    guard known.insert(alone.translationUnit).inserted else { return }
    let place = folder.appendingPathComponent("\(known.count)")
    try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
    try alone.write(to: place)
  }
}

private let emitted = EmittedPrograms()

private let meaningFlags = ["-ffp-contract=off", "-fno-math-errno"]

extension Machine {
  /// A machine that interprets, with the matrix product that the emitted code would call.
  static func interpreting(_ program: Program, blas: EmitOptions.BLAS = .cblas, reversesParts: Bool = true) throws -> Machine {
    var interpreter = try Interpreter(program, gemm: blas == .none ? nil : try libraryProduct())
    interpreter.reversesParts = reversesParts
    return Machine(program, .interpreter(interpreter))
  }
}

/// The product of the machine's CBLAS; nil where there is none.
func libraryProduct() throws -> Interpreter.GemmImplementation? {
  guard (try? BLASLibrary.library()) != nil else { return nil }
  typealias Single =
    @convention(c) (
      Int32, Int32, Int32, Int32, Int32, Int32, Float, UnsafeRawPointer, Int32, UnsafeRawPointer, Int32, Float, UnsafeMutableRawPointer,
      Int32
    ) -> Void
  typealias Double =
    @convention(c) (
      Int32, Int32, Int32, Int32, Int32, Int32, Swift.Double, UnsafeRawPointer, Int32, UnsafeRawPointer, Int32, Swift.Double,
      UnsafeMutableRawPointer, Int32
    ) -> Void
  guard let single = dlsym(nil, "cblas_sgemm"), let double = dlsym(nil, "cblas_dgemm") else { return nil }
  let (sgemm, dgemm) = (unsafeBitCast(single, to: Single.self), unsafeBitCast(double, to: Double.self))
  return { call in
    let (a, b) = (Int32(call.transposeA ? 112 : 111), Int32(call.transposeB ? 112 : 111))
    let (m, n, k) = (Int32(call.m), Int32(call.n), Int32(call.k))
    let (lda, ldb, ldc) = (Int32(call.strideA), Int32(call.strideB), Int32(call.strideC))
    if call.element == .f32 {
      sgemm(101, a, b, m, n, k, Float(call.alpha), call.a, lda, call.b, ldb, Float(call.beta), call.c, ldc)
    } else {
      dgemm(101, a, b, m, n, k, call.alpha, call.a, lda, call.b, ldb, call.beta, call.c, ldc)
    }
  }
}

extension EmittedProject {
  /// Writes all files.
  func write(to folder: URL) throws {
    for file in files {
      let url = folder.appendingPathComponent(file.path)
      try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(file.bytes).write(to: url)
    }
  }
}

func makeTemporaryFolder() throws -> URL {
  let folder = FileManager.default.temporaryDirectory.appendingPathComponent("gradc-test-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  return folder
}

/// Runs a program and gives what it printed on both outputs, and its exit code.
func execute(_ arguments: [String], in folder: URL? = nil) throws -> (output: String, status: Int32) {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
  process.arguments = arguments
  if let folder { process.currentDirectoryURL = folder }
  let pipe = Pipe()
  process.standardOutput = pipe
  process.standardError = pipe
  try process.run()
  let data = pipe.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  return (String(decoding: data, as: UTF8.self), process.terminationStatus)
}

/// Compares a text with a golden file beside the tests; `GRADC_BLESS=1` writes it. Gives what is wrong, or nil.
func differenceFromGolden(_ text: String, _ name: String, beside file: String = #filePath) throws -> String? {
  let url = URL(fileURLWithPath: file).deletingLastPathComponent().appendingPathComponent("Golden").appendingPathComponent(name)
  if ProcessInfo.processInfo.environment["GRADC_BLESS"] == "1" {
    try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: url)
    return nil
  }
  let golden = (try? String(contentsOf: url, encoding: .utf8)) ?? ""
  guard golden != text else { return nil }
  let (old, new) = (
    golden.split(separator: "\n", omittingEmptySubsequences: false), text.split(separator: "\n", omittingEmptySubsequences: false)
  )
  let line = zip(old, new).prefix { $0 == $1 }.count
  return "\(name), line \(line + 1): '\(line < old.count ? old[line] : "(end)")' is now '\(line < new.count ? new[line] : "(end)")'; "
    + "GRADC_BLESS=1 swift test takes the new text"
}
