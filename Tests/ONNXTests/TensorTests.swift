import Basics
import Foundation
import GraphIR
import ONNX
import Testing

/// Constant tensors to values and back.
@Suite struct TensorTests {
  /// Python wrote each type into a field of its own and as raw bytes.
  @Test func fieldsOfTheirOwnAndRawBytesAreTheSame() throws {
    let model = try ModelMessage(bytes: reference("types.onnx"), name: "types.onnx")
    let tensors = Dictionary(uniqueKeysWithValues: model.graph.initializer.map { ($0.name, $0) })
    var elements: Set<ElementType> = []
    for (name, raw) in tensors where name.hasSuffix("_raw") {
      let typed = try #require(tensors[String(name.dropLast(4))])
      guard case .typed = typed.contents, case .raw = raw.contents else { throw Diagnostic("\(name): not two ways of storing") }
      let values = try typed.hostTensor()
      #expect(values == (try raw.hostTensor()), "\(name)")
      elements.insert(values.element)
    }
    #expect(elements == Set(ElementType.allCases))
  }

  @Test func valuesAreThoseThatPythonWrote() throws {
    let model = try ModelMessage(bytes: reference("types.onnx"), name: "types.onnx")
    func values(_ name: String) throws -> HostTensor { try #require(model.graph.initializer.first { $0.name == name }).hostTensor() }
    #expect(try values("FLOAT") == HostTensor([0.5, -1.25, 3e38], element: .f32))
    #expect(try values("DOUBLE") == HostTensor([0.1, -1e300, 2], element: .f64))
    #expect(try values("INT32") == HostTensor([-2_147_483_648, -1, 2_147_483_647], element: .i32))
    #expect(try values("INT64") == HostTensor([Int.min, -1, Int.max]))
    #expect(try values("UINT64").bytes == [UInt8](repeating: 0, count: 8) + [1, 0, 0, 0, 0, 0, 0, 0] + [UInt8](repeating: 255, count: 8))
    #expect(try values("UINT8") == HostTensor([0, 1, 255], element: .u8))
    #expect(try values("INT8").bytes == [0x80, 0xFF, 0x7F])
    #expect(try values("INT16").bytes == [0, 0x80, 0xFF, 0xFF, 0xFF, 0x7F])
    #expect(try values("BOOL") == HostTensor([1, 0, 1], element: .bool))
    // 0.5, -1.25 and 65504 in IEEE 754's binary16; 0.5, -1.25 and 3e38 in the upper halves of binary32.
    #expect(try values("FLOAT16").bytes == [0x00, 0x38, 0x00, 0xBD, 0xFF, 0x7B])
    #expect(try values("BFLOAT16").bytes == [0x00, 0x3F, 0xA0, 0xBF, 0x62, 0x7F])
    #expect(try values("none") == HostTensor(.f32, [0, 3], bytes: []))
  }

  @Test(arguments: ["STRING", "COMPLEX64", "FLOAT8E5M2", "INT4"]) func otherTypesAreUnsupported(_ name: String) throws {
    let model = try ModelMessage(bytes: reference("types.onnx"), name: "types.onnx")
    let tensor = try #require(model.graph.initializer.first { $0.name == name })
    expectError("types.onnx: byte ", "'\(name)' has elements \(name)", kind: .unsupported) { _ = try tensor.hostTensor() }
  }

  @Test func sizesAreChecked() {
    func tensor(_ dims: [Int64], bytes: Int) throws -> HostTensor {
      let contents = TensorMessage.Contents.raw(.owned([UInt8](repeating: 0, count: bytes)))
      return try TensorMessage(name: "w", dims: dims, dataType: 1, contents: contents).hostTensor()
    }
    #expect(throws: Never.self) { try tensor([2, 2], bytes: 16) }
    #expect(throws: Never.self) { try tensor([1 << 40, 0], bytes: 0) }
    expectError("'w' has 12 bytes, expected 16 for FLOAT[2, 2]") { _ = try tensor([2, 2], bytes: 12) }
    expectError("a dimension of -1") { _ = try tensor([-1], bytes: 4) }
    expectError("too many elements") { _ = try tensor([1 << 31, 1 << 31, 4], bytes: 0) }
    expectError("too many elements") { _ = try tensor([0, .max, .max], bytes: 0) }
    expectError("has 65 dimensions") { _ = try tensor([Int64](repeating: 1, count: 65), bytes: 4) }
    expectError("has no values, expected 3") { _ = try TensorMessage(dims: [3], dataType: 1, contents: .none).hostTensor() }
    expectError("expected a bool") { _ = try TensorMessage(dims: [1], dataType: 9, contents: .raw(.owned([2]))).hostTensor() }
    expectError("unknown type 99", kind: .unsupported) { _ = try TensorMessage(dims: [], dataType: 99, contents: .none).hostTensor() }
  }

  @Test func valuesInFieldsAreChecked() throws {
    func tensor(_ type: UInt8, _ dims: [UInt8], _ values: [UInt8]) throws -> HostTensor {
      let tensor = dims.flatMap { field(1, number: $0) } + field(2, number: type) + values
      return try #require(ModelMessage(bytes: field(7, field(5, tensor)), name: "m").graph.initializer.first).hostTensor()
    }
    #expect(try tensor(2, [3], field(5, [1, 0xFF, 0x01, 3])).bytes == [1, 255, 3])
    #expect(try tensor(2, [3], [0x28, 1, 0x28, 2] + field(5, [3])).bytes == [1, 2, 3])
    expectError("int32_data holds 256, expected 0...255") { _ = try tensor(2, [1], field(5, [0x80, 0x02])) }
    expectError("has 2 values, expected 3 for UINT8[3]") { _ = try tensor(2, [3], field(5, [1, 2])) }
    expectError("in int64_data, expected int32_data") { _ = try tensor(2, [1], field(7, [1])) }
    expectError("m: byte ", "multiple of 4") { _ = try tensor(1, [1], field(4, [1, 2, 3])) }
    expectError("more than 64 bits") { _ = try tensor(7, [1], field(7, [UInt8](repeating: 0xFF, count: 10) + [1])) }
    expectError("past the message's end") { _ = try tensor(7, [0], field(7, [0xFF])) }
    expectError("int64_data and int32_data, expected one") { _ = try tensor(7, [1], field(7, [1]) + field(5, [1])) }
    expectError("raw_data and float_data, expected one") { _ = try tensor(1, [0], field(9, []) + field(4, [])) }
  }

  @Test func sparseTensorsAreFilledWithZeros() throws {
    let model = try ModelMessage(bytes: reference("everything.onnx"), name: "everything.onnx")
    let sparse = try #require(model.graph.sparseInitializer.first)
    #expect(sparse.values.name == "sparse")
    #expect(try sparse.hostTensor() == HostTensor([0, 1.5, 0, 0, 0, -2.5], shape: [2, 3], element: .f32))
    func tensor(_ indices: HostTensor, dims: [Int64] = [2, 3]) throws -> HostTensor {
      try SparseTensorMessage(values: sparse.values, indices: TensorMessage(name: "", indices), dims: dims).hostTensor()
    }
    #expect(try tensor(HostTensor([0, 1, 1, 2], shape: [2, 2])) == sparse.hostTensor())
    expectError("index 6 after 1") { _ = try tensor(HostTensor([1, 6])) }
    expectError("index 1 after 1") { _ = try tensor(HostTensor([1, 1])) }
    expectError("index -1 after -1") { _ = try tensor(HostTensor([-1, 1])) }
    expectError("an index 3 outside 0..<3") { _ = try tensor(HostTensor([0, 3, 1, 2], shape: [2, 2])) }
    expectError("indices of another shape") { _ = try tensor(HostTensor([0, 1, 2])) }
    expectError("expected at most 268435456") { _ = try tensor(HostTensor([0, 1]), dims: [1 << 20, 1 << 20]) }
  }

  @Test func tensorFilesAreReadAndWritten() throws {
    let path = references.appendingPathComponent("tensor.pb").path
    let (name, values) = try readTensorFile(path)
    #expect(name == "numbers" && values == HostTensor([1, -2, 3, -4], shape: [2, 2]))
    #expect(try encodedTensor(name: name, values) == reference("tensor.pb"))
    try withFolder { folder in
      let copy = folder.appendingPathComponent("copy.pb").path
      try writeTensorFile(copy, name: name, values)
      #expect(try readTensorFile(copy) == (name, values))
      for element in ElementType.allCases {
        let empty = HostTensor(element, [0, 2], bytes: [])
        try writeTensorFile(copy, empty)
        #expect(try readTensorFile(copy) == ("", empty))
      }
    }
  }

  @Test(arguments: ["sequence", "sequence_empty", "optional", "optional_absent"]) func collectionsAreUnsupported(_ name: String) {
    expectError("\(name).pb holds a sequence or optional value", kind: .unsupported) {
      _ = try readTensorFile(references.appendingPathComponent(name + ".pb").path)
    }
  }

  @Test func otherFilesAreNoTensors() throws {
    expectError("mlp.onnx: byte ") { _ = try readTensorFile(references.appendingPathComponent("mlp.onnx").path) }
    expectError("cannot open", "No such file") { _ = try readTensorFile("/nowhere/x.pb") }
    expectError("is a folder, expected a file") { _ = try readTensorFile(references.path) }
    expectError("is no plain file") { _ = try readTensorFile("/dev/null") }
    expectError("is empty") { _ = try readTensor(bytes: [], name: "nothing.pb") }
  }
}
