import Basics
import CEmitter
import CRuntime
import Foundation
import LoopIR
import Toolchain
import XCTest

@testable import TestSupport

final class EmitterTests: XCTestCase {
  private let here = URL(fileURLWithPath: #filePath).deletingLastPathComponent()

  func testGoldenTextOfADenseLayer() throws {
    let text = try emitC(Sample.dense()).file("tiny.c")!.text
    let golden = here.appendingPathComponent("Golden/tiny.c.txt")
    if ProcessInfo.processInfo.environment["GRADC_BLESS"] == "1" { try text.write(to: golden, atomically: true, encoding: .utf8) }
    XCTAssertEqual(text, try String(contentsOf: golden, encoding: .utf8))
  }

  func testEqualKernelsAreEmittedOnce() throws {
    let text = try emitC(Sample.toyTrainer()).file("toy.c")!.text
    XCTAssertTrue(text.contains("static void forward("))
    XCTAssertFalse(text.contains("static void forward_again("))
    XCTAssertTrue(text.contains("Also forward_again:"))
  }

  func testOutputIsTheSameEveryTime() throws {
    XCTAssertEqual(try emitC(Sample.toyTrainer()).files, try emitC(Sample.toyTrainer()).files)
  }

  func testNamesNeverReachCUnescaped() throws {
    let nasty = "int */ \"; system(\"rm\");\n#include <größe>\u{202e}??/\\"
    var program = Sample.dense(named: nasty)
    program.kernels[0].name = nasty
    program.kernels[0].comments = [nasty, "/* nested */"]
    program.tensors[0].name = nasty
    program.inputs[0].name = "while"
    program.outputs[0].name = "while"
    program.buffers[0].name = nasty
    let project = try emitC(program, options: EmitOptions(load: true))
    for compiler in compilers() {
      let model = try NativeModel(project, compiler: compiler.command, folder: try temporaryFolder(self))
      XCTAssertEqual(String(cString: model.descriptor.pointee.name), nasty)
      XCTAssertEqual(String(cString: model.descriptor.pointee.tensors[0].name), nasty)
    }
  }

  func testModelsMayBeNamedAsLibraryFunctions() throws {
    guard isInstalled("g++") else { throw XCTSkip("no C++ compiler") }
    let names = ["round", "hypotf", "strcmp", "remove", "random", "stdout", "system", "rand", "select", "class"]
    let folder = try temporaryFolder(self)
    var main = "#include <cmath>\n#include <cstdio>\n#include <cstdlib>\n#include <cstring>\n"
    for name in names {
      let project = try emitC(Sample.dense(named: name))
      XCTAssertEqual(project.name, "x_" + name)
      try write(project, to: folder)
      main += "#include \"\(project.name).h\"\nstatic_assert(sizeof(\(project.name)) == \(project.name.uppercased())_BYTES, \"\");\n"
    }
    try main.write(to: folder.appendingPathComponent("main.cpp"), atomically: true, encoding: .utf8)
    XCTAssertEqual(try execute(["g++", "-std=c++11", "-Wall", "-Wextra", "-fsyntax-only", "main.cpp"], in: folder).output, "")
  }

  /// The names of parameters and variables in the emitted functions hide a type of the same name.
  func testModelsMayBeNamedAsVariablesOfTheCode() throws {
    let names = ["model", "i", "k", "n", "entry", "text", "status", "begin", "scratch", "trainer", "argc"]
    let folder = try temporaryFolder(self)
    for name in names {
      let project = try emitC(Sample.dense(named: name), options: EmitOptions(load: true))
      try write(project, to: folder)
      for compiler in compilers() {
        XCTAssertEqual(try execute(compiler.command + ["-c", "\(project.name).c", "-o", "out.o"], in: folder).output, "", name)
      }
    }
  }

  func testFloatLiteralsAreReadExactly() throws {
    for element in [ElementType.f32, .f64] {
      var values: [Double] = [
        1e-45, 1.1754942e-38, 3.4028235e38, 0.1, 1.0 / 3, .leastNonzeroMagnitude, (2.2250738585072014e-308).nextDown,
        1.7976931348623157e308, 123456789,
      ]
      var state: UInt64 = 99
      while values.count < 60 {
        state = state &* 6_364_136_223_846_793_005 &+ 1
        let value = element == .f32 ? Double(Float(bitPattern: UInt32(state >> 32))) : Double(bitPattern: state)
        if value.isFinite { values.append(value) }
      }
      if element == .f32 { values = values.map { Double(Float($0)) }.filter(\.isFinite) }
      try checkTables(element, values)
      // Long tables are string literals, and may hold what is not finite.
      try checkTables(
        element,
        values + values + [.infinity, -.infinity] + values
          + (0..<300).map { Double($0) * 0.37 }.map { element == .f32 ? Double(Float($0)) : $0 })
    }
  }

  private func checkTables(_ element: ElementType, _ values: [Double]) throws {
    let table = ConstantTable(name: "table", element: element, bytes: bytes(values, element))
    let program = Program(
      name: "literals", element: element, symbols: [Symbol(name: "n", maximum: 1)],
      outputs: [Port(name: "y", element: element, dims: [values.count])], constants: [table],
      buffers: [
        Buffer(name: "table", element: element, count: values.count, block: .constant(0), offset: 0),
        Buffer(name: "y", element: element, count: values.count, block: .output(0), offset: 0),
      ],
      kernels: [
        Kernel(
          name: "copy",
          parameters: [
            BufferParameter(name: "t", element: element, count: values.count, access: .read),
            BufferParameter(name: "y", element: element, count: values.count, access: .write),
          ], symbols: [],
          body: [.loop(Loop("i", to: .constant(values.count), [.store("y", .variable("i"), .load("t", .variable("i")))]))]
            + values.prefix(60).enumerated().map { .store("y", .constant($0), .float($1, element)) })
      ], entries: [Entry(name: "run", steps: [.call(kernel: 0, buffers: [0, 1])], arenaBytes: 0)])
    let project = try emitC(program)
    for compiler in compilers() {
      let model = try NativeModel(project, compiler: compiler.command, folder: try temporaryFolder(self))
      XCTAssertEqual(outputs(of: model.descriptor, parameters: [], input: [0], rows: 1)[0], bytes(values, element), compiler.name)
    }
    let source = ModelSource(text: project.translationUnit, descriptorSymbol: project.descriptorSymbol, callsBLAS: false)
    XCTAssertEqual(outputs(of: try LibTCC.compile(source).descriptor, parameters: [], input: [0], rows: 1)[0], bytes(values, element))
  }
}
