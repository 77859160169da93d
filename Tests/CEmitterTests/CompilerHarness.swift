import Basics
import CEmitter
import CRuntime
import Foundation
import LoopIR
import Toolchain
import XCTest

@testable import TestSupport

let warningFlags = ["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Wpedantic", "-Werror"]
let meaningFlags = ["-ffp-contract=off", "-fno-math-errno"]

func isInstalled(_ program: String) -> Bool { CCompiler(command: program) != nil }

/// A folder that the test may fill; removed at its end.
func temporaryFolder(_ test: XCTestCase) throws -> URL {
  let folder = FileManager.default.temporaryDirectory.appendingPathComponent("emitter-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  test.addTeardownBlock { try? FileManager.default.removeItem(at: folder) }
  return folder
}

func write(_ project: EmittedProject, to folder: URL) throws {
  for file in project.files {
    let url = folder.appendingPathComponent(file.path)
    try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(file.bytes).write(to: url)
  }
}

/// A shared object of an emitted project by a compiler with these flags; a single word of output fails the test.
final class NativeModel {
  let descriptor: UnsafePointer<gradc_model>

  init(_ project: EmittedProject, compiler: [String], folder: URL) throws {
    try write(project, to: folder)
    let library = folder.appendingPathComponent("\(UUID().uuidString).so").path
    let result = try execute(
      compiler + ["-fPIC", "-shared", "-o", library, folder.appendingPathComponent("\(project.name).c").path, "-lm"])
    XCTAssertEqual(result.output, "", compiler.joined(separator: " "))
    XCTAssertEqual(result.status, 0, compiler.joined(separator: " "))
    if project.callsBLAS { _ = try BLASLibrary.library() }
    guard let handle = dlopen(library, RTLD_NOW), let symbol = dlsym(handle, project.descriptorSymbol) else {
      throw Diagnostic("cannot load \(library): \(String(cString: dlerror()))")
    }
    descriptor = UnsafePointer(symbol.assumingMemoryBound(to: gradc_model.self))
  }
}

/// All compilers and levels of this machine that a test goes through: name, then the command.
func compilers() -> [(name: String, command: [String])] {
  var list: [(String, [String])] = []
  if isInstalled("tcc") { list.append(("tcc", ["tcc", "-Wall", "-Werror", "-std=c11"])) }
  for compiler in ["gcc", "clang"] where isInstalled(compiler) {
    list.append(("\(compiler) -O0", [compiler, "-O0"] + warningFlags + meaningFlags))
    list.append(("\(compiler) -O3", [compiler, "-O3", "-march=native"] + warningFlags + meaningFlags))
  }
  return list
}

/// Memory for a model or trainer, zeroed and aligned as the descriptor asks.
func alignedMemory(_ bytes: Int) -> UnsafeMutableRawPointer {
  let memory = UnsafeMutableRawPointer.allocate(byteCount: max(bytes, 64), alignment: 64)
  memset(memory, 0, max(bytes, 64))
  return memory
}

/// Runs `run` of a descriptor on one input of floats; gives the bytes of every output.
func outputs(of model: UnsafePointer<gradc_model>, parameters: [UInt8], input: [UInt8], rows: Int32, threads: Int32 = 1) -> [[UInt8]] {
  let m = model.pointee
  let memory = alignedMemory(m.model_bytes)
  let scratch = alignedMemory(m.scratch_bytes)
  let pool = gradc_pool_create(threads)
  memory.advanced(by: m.parallel_offset).assumingMemoryBound(to: gradc_parallel.self).pointee = gradc_pool_parallel(pool)
  defer {
    gradc_pool_destroy(pool)
    memory.deallocate()
    scratch.deallocate()
  }
  parameters.withUnsafeBytes {
    if !$0.isEmpty { memory.advanced(by: m.parameters_offset).copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
  }
  let sizes: [Int] = (0..<Int(m.output_count)).map { port in
    let p = m.outputs[port]
    let size = gradc_element_bytes(p.element)
    return p.row_count * size * Int(rows)
  }
  let buffers = sizes.map { alignedMemory($0) }
  defer { for buffer in buffers { buffer.deallocate() } }
  let status = input.withUnsafeBytes { bytes in
    m.run(memory, [bytes.baseAddress], buffers.map { Optional($0) }, rows, scratch)
  }
  XCTAssertEqual(status, 0)
  return zip(buffers, sizes).map { Array(UnsafeRawBufferPointer(start: $0, count: $1)) }
}

extension gradc_element: @retroactive Hashable {
  public func hash(into hasher: inout Hasher) { hasher.combine(rawValue) }
}

/// Numbers as bytes of f32 or f64.
func bytes(_ values: [Double], _ element: ElementType) -> [UInt8] {
  values.flatMap { value in
    element == .f32 ? withUnsafeBytes(of: Float(value)) { Array($0) } : withUnsafeBytes(of: value) { Array($0) }
  }
}

func doubles(_ bytes: [UInt8], _ element: ElementType) -> [Double] {
  stride(from: 0, to: bytes.count, by: element.size).map { at in
    bytes.withUnsafeBytes {
      element == .f32
        ? Double($0.loadUnaligned(fromByteOffset: at, as: Float.self)) : $0.loadUnaligned(fromByteOffset: at, as: Double.self)
    }
  }
}

/// Pseudo-random numbers in -1 ..< 1 with few bits, the same on every run.
func numbers(_ count: Int, seed: UInt64 = 1) -> [Double] {
  var state = seed
  return (0..<count).map { _ in
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Double(Int64(bitPattern: state) >> 40) / 8_388_608
  }
}
