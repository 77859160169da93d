import Basics
import Foundation
import GraphIR
import ONNX
import Testing

/// Files that are damaged or mean harm.
@Suite struct DamageTests {
  private func expectModelError(
    _ bytes: [UInt8], _ parts: String..., kind: FailureKind = .input, location: Testing.SourceLocation = #_sourceLocation
  ) {
    do {
      _ = try ModelMessage(bytes: bytes, name: "m.onnx")
      Issue.record("no error, expected \(parts)", sourceLocation: location)
    } catch let error as Diagnostic {
      #expect(error.kind == kind, sourceLocation: location)
      for part in parts { #expect(error.message.contains(part), sourceLocation: location) }
    } catch { Issue.record("\(error)", sourceLocation: location) }
  }

  /// A model of one node with these fields beside its operator's type.
  private func node(_ fields: [UInt8]) -> [UInt8] { field(7, field(1, field(4, "Op") + fields)) }

  @Test func theWireFormatIsChecked() {
    expectModelError([], "m.onnx is empty")
    expectModelError(Array("hello".utf8), "m.onnx: byte 2: ModelProto: found wire type 4 for field 13")
    expectModelError([0x00, 0x01], "byte 0", "found tag 0")
    expectModelError([0x08], "byte 1", "past the message's end")
    expectModelError([0x08, 0x80, 0x80], "byte 1", "past the message's end")
    expectModelError([0x08] + [UInt8](repeating: 0xFF, count: 9) + [2], "byte 1", "more than 64 bits")
    expectModelError([0x3A, 5, 0], "byte 1", "field 7 states 5 bytes, and 1 are left")
    expectModelError([0x3A] + [UInt8](repeating: 0xFF, count: 9) + [1], "states 18446744073709551615 bytes, and 0 are left")
    expectModelError([0xFD, 0x06, 1, 2], "byte 2", "expected 4 bytes of a number, 2 are left")
    expectModelError([0x0A, 0], "field 1 (ir_version): found bytes with a length, expected a varint")
    expectModelError([0x10, 0], "field 2 (producer_name): found a varint, expected bytes with a length")
    expectModelError([0x08, 8], "found no field 7 (graph); the file is not an ONNX model")
    expectModelError(field(2, [0xFF]), "byte 0", "producer_name) is not UTF-8")
    expectModelError(field(7, []) + field(7, []), "byte 2", "field 7 (graph) stands twice")
    // A length that is right in the file, and wrong in the message around it.
    expectModelError([0x3A, 4, 0x0A, 8, 0x22, 2, 0x41, 0x41, 0, 0, 0, 0], "byte 3: GraphProto: field 1 states 8 bytes, and 2 are left")
  }

  @Test func partsThatMeanNothingAreRefused() {
    expectModelError(field(7, field(1, field(3, "a\u{1B}[2J"))), "NodeProto: the node 'a\\u{1b}[2J' has no field 4 (op_type)")
    expectModelError(field(7, field(11, [])), "ValueInfoProto: found no field 1 (name)")
    expectModelError(field(7, []) + [0xCA, 0x01, 0x00], "FunctionProto: found no field 1 (name)")
    expectModelError(node(field(5, [])), "AttributeProto: found no field 1 (name)")
    expectModelError(node(field(5, field(1, "a"))), "the attribute 'a' has no value")
    expectModelError(node(field(5, field(1, "a") + [0xA0, 0x01, 99])), "is of kind 99, which ONNX does not have")
    expectModelError(node(field(5, field(1, "a") + [0xA0, 0x01, 5])), "the attribute 'a' has no value")
    expectModelError(node(field(5, field(1, "a") + field(3, number: 1) + [0xA0, 0x01, 1])), "is stated as float and holds i")
    expectModelError(node(field(5, field(1, "a") + field(3, number: 1) + field(8, number: 1))), "holds i and ints, expected one")
    expectModelError(node(field(5, field(1, "a") + field(3, number: 1) + [0xAA, 0x01, 1, 0x62])), "is a reference and holds i")
    expectModelError(node(field(5, field(1, "a") + field(7, [1, 2, 3]))), "field 7 (floats) has 3 bytes, expected a multiple of 4")
    expectModelError(node(field(5, field(1, "a") + field(22 - 16, []) + field(6, []))), "field 6 (g) stands twice")
    expectModelError(field(7, field(5, [])), "TensorProto: the tensor '' has no field 2 (data_type)")
    expectModelError(field(7, field(5, field(2, number: 1) + field(3, []))), "segments", kind: .unsupported)
    expectModelError(field(7, field(5, field(2, number: 1) + [0x70, 2])), "data_location) is 2, expected 0 or 1")
    expectModelError(field(7, field(5, field(2, number: 1) + [0x6A, 0])), "external_data, but no data_location EXTERNAL")
    expectModelError(field(7, field(5, field(2, number: 1) + field(9, []) + [0x70, 1])), "raw_data and external_data, expected one")
    expectModelError(field(7, field(15, [])), "SparseTensorProto: found no field 1 (values)")
    expectModelError(field(7, field(11, field(1, "x") + field(2, field(1, []) + field(4, [])))), "a second kind in field 4, expected one")
    let dimension = field(1, number: 1) + field(2, "n")
    expectModelError(field(7, field(11, field(1, "x") + field(2, field(1, field(2, field(1, dimension)))))), "both a number and a name")
  }

  /// A writer of protobuf 3 leaves out what is zero or empty.
  @Test func zerosMayBeLeftOut() throws {
    func value(_ kind: UInt8) throws -> AttributeMessage.Value? {
      let bytes = node(field(5, field(1, "a") + [0xA0, 0x01, kind]))
      return try ModelMessage(bytes: bytes, name: "m").graph.node.first?.attribute.first?.value
    }
    #expect(try value(1) == .float(0) && value(2) == .int(0) && value(3) == .string([]) && value(7) == .ints([]))
  }

  private func length(_ count: Int) -> [UInt8] {
    count < 128 ? [UInt8(count)] : [UInt8(count & 127) | 128] + length(count >> 7)
  }

  @Test func nestingHasAnEnd() throws {
    // Graphs in attributes of nodes of graphs.
    func nested(_ levels: Int) -> [UInt8] {
      var graph: [UInt8] = []
      for _ in 0..<levels {
        let attribute = field(1, "g") + [0x32] + length(graph.count) + graph
        let node = field(4, "If") + [0x2A] + length(attribute.count) + attribute
        graph = [0x0A] + length(node.count) + node
      }
      return [0x3A] + length(graph.count) + graph
    }
    #expect(throws: Never.self) { try ModelMessage(bytes: nested(32), name: "m").encoded() }
    expectModelError(nested(34), "nested deeper than 100 messages")
    expectModelError(nested(2000), "nested deeper than 100 messages")
    // Types in types.
    var type: [UInt8] = []
    for _ in 0..<5000 {
      let inner = [0x0A] + length(type.count) + type
      type = [0x22] + length(inner.count) + inner
    }
    let info = field(1, "x") + [0x12] + length(type.count) + type
    let graph = [0x5A] + length(info.count) + info
    expectModelError([0x3A] + length(graph.count) + graph, "nested deeper than 100 messages")
    // The writer keeps to what readers accept.
    var deep = GraphMessage()
    for _ in 0..<40 {
      deep = GraphMessage(node: [NodeMessage(opType: "If", attribute: [AttributeMessage(name: "g", value: .graph(deep))])])
    }
    let model = ModelMessage(irVersion: 8, opsetImport: [], graph: deep)
    expectError("nests deeper than 100 messages") { _ = try model.encoded() }
  }

  /// Two bytes a message would take forty times the file as structures.
  @Test func smallPartsMayNotFillTheMemory() {
    let entries = [UInt8](repeating: 0, count: 4 << 20).enumerated().map { $0.offset % 2 == 0 ? UInt8(0x72) : 0 }
    expectModelError(field(7, []) + entries, "more and smaller parts than gradc reads")
  }

  /// Every prefix of every file: an error, or a model that is written and read again.
  @Test(arguments: models) func everyTruncationIsReadOrRefused(_ name: String) throws {
    let bytes = try reference(name)
    var refused = 0
    for count in 0..<bytes.count where !isReadOrRefused(Array(bytes[..<count])) { refused += 1 }
    #expect(refused > bytes.count / 2)
  }

  /// One bit of every byte of every file turned over.
  @Test(arguments: models) func aTurnedBitIsReadOrRefused(_ name: String) throws {
    var bytes = try reference(name)
    var refused = 0
    for index in bytes.indices {
      bytes[index] ^= 1 << UInt8(index % 8)
      if !isReadOrRefused(bytes) { refused += 1 }
      bytes[index] ^= 1 << UInt8(index % 8)
    }
    #expect(refused > bytes.count / 4)
  }

  /// Inputs that the fuzzer found.
  @Test func whatWasFoundIsReadOrRefused() throws {
    let folder = references.deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Fuzz/found")
    for file in (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)) ?? [] {
      _ = isReadOrRefused(Array(try Data(contentsOf: file)))
    }
  }

  /// Whether the bytes are a model; anything but a message that blames them is an issue.
  private func isReadOrRefused(_ bytes: [UInt8]) -> Bool {
    do {
      let model = try ModelMessage(bytes: bytes, name: "m")
      let written = try model.encoded()
      #expect(try ModelMessage(bytes: written, name: "m").encoded() == written)
      for tensor in model.graph.initializer { _ = try? tensor.hostTensor() }
      return true
    } catch let error as Diagnostic {
      #expect(error.kind == .input || error.kind == .unsupported)
      return false
    } catch {
      Issue.record("\(error)")
      return false
    }
  }
}
