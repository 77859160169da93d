import Basics
import CEmitter
import CRuntime
import Foundation
import XCTest

@testable import Toolchain

final class ToolchainTests: XCTestCase {
  /// A model without inputs whose `run` gives a number that only this source gives.
  private func source(_ number: Int) -> ModelSource {
    ModelSource(
      text: """
        \(descriptorHeader)
        #include <math.h>
        static int run(const void *m, const void *const *x, void *const *y, int n, void *s) {
          (void)m; (void)x; (void)s; (void)n; *(float *)y[0] = sqrtf(\(number * number).0f); return 0;
        }
        const gradc_model answer_model = {GRADC_MODEL_VERSION, "answer", GRADC_F32, 1, 64, 0, 0, 64, 0, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0,
          0, 0, 0, 0, 0, 0, GRADC_TASK_REGRESSION, 0, run, 0, 0, 0, 0, 0};
        """, descriptorSymbol: "answer_model", callsBLAS: false)
  }

  private func answer(_ model: UnsafePointer<gradc_model>) -> Float {
    var y: Float = 0
    withUnsafeMutableBytes(of: &y) { XCTAssertEqual(model.pointee.run(nil, nil, [$0.baseAddress], 1, nil), 0) }
    return y
  }

  private func cache() throws -> CompileCache {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("cache-\(UUID().uuidString)").path
    addTeardownBlock { try? FileManager.default.removeItem(atPath: folder) }
    return try XCTUnwrap(CompileCache(folder: folder))
  }

  private func compiler() throws -> CCompiler {
    guard let compiler = CCompiler.find() else { throw XCTSkip("no C compiler") }
    return compiler
  }

  func testDigestOfKnownTexts() {
    XCTAssertEqual(sha256([]), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    XCTAssertEqual(sha256(Array("abc".utf8)), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    XCTAssertEqual(
      sha256(Array("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".utf8)),
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
  }

  func testTCCCompilesInMemory() throws {
    XCTAssertEqual(answer(try LibTCC.compile(source(7)).descriptor), 7)
  }

  func testTCCsMessagesReachTheError() {
    XCTAssertThrowsError(try LibTCC.compile(ModelSource(text: "int f(", descriptorSymbol: "x", callsBLAS: false))) { error in
      XCTAssertEqual((error as? Diagnostic)?.kind, .bug)
      XCTAssertTrue("\(error)".contains("error:"), "\(error)")
    }
  }

  func testCompilerAndCache() throws {
    let (compiler, cache) = (try compiler(), try cache())
    let job = try CompileJob(source(11), compiler: compiler, cache: cache)
    XCTAssertEqual(answer(try job.wait().descriptor), 11)
    XCTAssertEqual(try FileManager.default.contentsOfDirectory(atPath: cache.folder).count, 1)
    // Found at once now, and another source is another object.
    XCTAssertNotNil(try CompileJob(source(11), compiler: compiler, cache: cache).poll())
    XCTAssertNil(try CompileJob(source(12), compiler: compiler, cache: cache).poll())
  }

  func testCacheStaysSmall() throws {
    var cache = try cache()
    cache.limit = 2500
    for (number, name) in ["a.so", "b.so", "c.so"].enumerated() {
      let path = cache.folder + "/" + name
      try Data(count: 1000).write(to: URL(fileURLWithPath: path))
      try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSince1970: Double(1000 + number))], ofItemAtPath: path)
    }
    for name in ["old.1.c", "new.2.c"] { try Data().write(to: URL(fileURLWithPath: cache.folder + "/" + name)) }
    try FileManager.default.setAttributes(
      [.modificationDate: Date(timeIntervalSinceNow: -100_000)], ofItemAtPath: cache.folder + "/old.1.c")
    cache.trim()
    XCTAssertEqual(try FileManager.default.contentsOfDirectory(atPath: cache.folder).sorted(), ["b.so", "c.so", "new.2.c"])
  }

  func testAFolderThatOthersCanWriteIsNoCache() throws {
    let cache = try cache()
    chmod(cache.folder, 0o777)
    XCTAssertNil(CompileCache(folder: cache.folder))
  }

  func testADamagedObjectIsRemoved() throws {
    let (compiler, cache) = (try compiler(), try cache())
    let path = cache.path(of: source(13), compiler)
    try Data("no shared object".utf8).write(to: URL(fileURLWithPath: path))
    XCTAssertThrowsError(try CompileJob(source(13), compiler: compiler, cache: cache).poll())
    XCTAssertFalse(FileManager.default.fileExists(atPath: path))
  }

  func testTieredSwaps() throws {
    setenv("XDG_CACHE_HOME", try cache().folder, 1)
    defer { unsetenv("XDG_CACHE_HOME") }
    let compiler = try compiler()
    let model = try CompiledModel(source(17), mode: .tiered, compiler: compiler)
    XCTAssertEqual(answer(model.first.descriptor), 17)
    var faster: UnsafePointer<gradc_model>?
    let end = Date().addingTimeInterval(20)
    while faster == nil, Date() < end { faster = model.poll() }
    XCTAssertEqual(answer(try XCTUnwrap(faster)), 17)
    XCTAssertNotEqual(faster, model.first.descriptor)
    XCTAssertNil(model.poll())
    XCTAssertEqual(model.notices, [])
  }

  /// A long call waits for a compiler in a hurry, and the better code comes later; with that in the cache it is there at once.
  func testLongCallsBeginInQuickCode() throws {
    let folder = try cache().folder
    setenv("XDG_CACHE_HOME", folder, 1)
    defer { unsetenv("XDG_CACHE_HOME") }
    let compiler = try compiler()
    var long = source(29)
    long.operations = 1 << 50
    let model = try CompiledModel(long, mode: .tiered, compiler: compiler)
    XCTAssertEqual(answer(model.first.descriptor), 29)
    XCTAssertTrue(model.isCompiling)
    var faster: UnsafePointer<gradc_model>?
    let end = Date().addingTimeInterval(20)
    while faster == nil, Date() < end { faster = model.poll() }
    XCTAssertEqual(answer(try XCTUnwrap(faster)), 29)
    let objects = try FileManager.default.contentsOfDirectory(atPath: folder + "/gradc").filter { $0.hasSuffix(".so") }
    XCTAssertEqual(objects.count, 2)
    let again = try CompiledModel(long, mode: .tiered, compiler: compiler)
    XCTAssertFalse(again.isCompiling)
    // What is called once is not made better.
    var once = source(31)
    once.operations = 1 << 50
    XCTAssertFalse(try CompiledModel(once, mode: .tiered, isCalledOnce: true, compiler: compiler).isCompiling)
    XCTAssertEqual(model.notices, [])
  }

  func testWithoutACompilerTCCGoesOn() throws {
    for mode in [CompileMode.clang, .tiered] {
      let model = try CompiledModel(source(19), mode: mode, compiler: nil)
      XCTAssertEqual(answer(model.first.descriptor), 19)
      XCTAssertEqual(model.notices.count, 1)
    }
  }

  func testAFailingCompilerIsSaidOnce() throws {
    setenv("XDG_CACHE_HOME", try cache().folder, 1)
    defer { unsetenv("XDG_CACHE_HOME") }
    let model = try CompiledModel(source(23), mode: .clang, compiler: CCompiler(command: "false"))
    XCTAssertEqual(answer(model.first.descriptor), 23)
    XCTAssertEqual(model.notices.count, 1)
    XCTAssertTrue(model.notices[0].contains("going on with tcc"))
  }
}
