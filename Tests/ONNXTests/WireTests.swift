import Basics
import Foundation
import GraphIR
import ONNX
import Testing

/// Models to bytes and back.
@Suite struct WireTests {
  /// A model of one Relu, encoded by hand from protobuf's rules and ONNX's field numbers.
  private let literal: [UInt8] =
    [0x08, 0x08]  // ir_version 8
    + [0x12, 0x01, 0x6D]  // producer_name "m"
    + [0x3A, 0x31]  // graph, 49 bytes
    + [0x0A, 0x0C]  // node, 12 bytes
    + [0x0A, 0x01, 0x78, 0x12, 0x01, 0x79, 0x22, 0x04, 0x52, 0x65, 0x6C, 0x75]  // input "x", output "y", op_type "Relu"
    + [0x12, 0x01, 0x67]  // name "g"
    + [0x5A, 0x0F]  // input, 15 bytes
    + [0x0A, 0x01, 0x78, 0x12, 0x0A, 0x0A, 0x08, 0x08, 0x01, 0x12, 0x04, 0x0A, 0x02, 0x08, 0x03]  // "x": FLOAT [3]
    + [0x62, 0x0D]  // output, 13 bytes
    + [0x0A, 0x01, 0x79, 0x12, 0x08, 0x0A, 0x06, 0x08, 0x01, 0x12, 0x02, 0x0A, 0x00]  // "y": FLOAT [?]
    + [0x42, 0x04, 0x0A, 0x00, 0x10, 0x11]  // opset_import, domain "" version 17

  private var meaning: ModelMessage {
    let x = ValueInfoMessage(name: "x", type: TypeMessage(.tensor(element: 1, shape: [DimensionMessage(.value(3))])))
    let y = ValueInfoMessage(name: "y", type: TypeMessage(.tensor(element: 1, shape: [DimensionMessage(.unknown)])))
    let relu = NodeMessage(opType: "Relu", input: ["x"], output: ["y"])
    return ModelMessage(
      irVersion: 8, opsetImport: [OperatorSetMessage(version: 17)], producerName: "m",
      graph: GraphMessage(name: "g", node: [relu], input: [x], output: [y]))
  }

  @Test func theLiteralReadsAsItsMeaning() throws {
    #expect(try ModelMessage(bytes: literal, name: "literal") == meaning)
  }

  @Test func theMeaningWritesAsTheLiteral() throws {
    #expect(try meaning.encoded() == literal)
  }

  /// Python's onnx package and PyTorch wrote these files. The same structures give the same bytes, but for the empty domain of ONNX's
  /// operators, which PyTorch leaves out.
  @Test(arguments: models) func otherWritersFilesComeOutAsTheyWentIn(_ name: String) throws {
    let bytes = try reference(name)
    let model = try ModelMessage(bytes: bytes, name: name)
    let added: [UInt8] = name == "torch.onnx" ? [0x42, 0x04, 0x0A, 0x00, 0x10, 0x11] : []
    #expect(try model.encoded() == (added.isEmpty ? bytes : bytes.dropLast(4) + added))
    #expect(try ModelMessage(bytes: model.encoded(), name: name) == model)
  }

  @Test func numbersOfDataTypesAreONNXs() {
    #expect(TensorDataType.float.rawValue == 1)
    #expect(TensorDataType.bfloat16.rawValue == 16)
    #expect(TensorDataType.int4.rawValue == 22)
    #expect(TensorDataType.float6e3m2.rawValue == 28)
    #expect(TensorDataType.float8e4m3fnuz.name == "FLOAT8E4M3FNUZ")
  }

  @Test func everyKindOfAttributeIsRead() throws {
    let model = try ModelMessage(bytes: reference("everything.onnx"), name: "everything.onnx")
    let node = try #require(model.graph.node.first)
    #expect(
      node.overload == "second" && node.input == ["x", "", "z"] && node.metadataProps == [StringEntry(key: "key", value: "of the node")])
    let attributes = Dictionary(uniqueKeysWithValues: node.attribute.map { ($0.name, $0.value) })
    #expect(Set(node.attribute.map(\.kind.rawValue)) == Set(1...14))
    #expect(attributes["f"] == .float(1.5) && attributes["i"] == .int(-3) && attributes["s"] == .string(Array("text".utf8)))
    #expect(attributes["ints"] == .ints([1, -1, 1 << 62]) && attributes["floats"] == .floats([1, -2]))
    #expect(attributes["strings"] == .strings([[97], [0xFF, 0]]) && attributes["empty"] == .ints([]))
    guard case .tensors(let tensors)? = attributes["tensors"], case .graph(let graph)? = attributes["g"],
      case .types(let types)? = attributes["type_protos"]
    else { throw Diagnostic("the attributes are of other kinds") }
    #expect(try tensors.map { try $0.hostTensor() } == [HostTensor([1, 2], element: .i32), HostTensor([1, 2], element: .i32)])
    #expect(graph.node.map(\.opType) == ["Identity"])
    let image = DimensionMessage(.parameter("batch"), denotation: "DATA_BATCH")
    let tensor = TypeMessage(
      .tensor(element: 1, shape: [image, DimensionMessage(.value(3)), DimensionMessage(.unknown)]), denotation: "IMAGE")
    #expect(
      types == [
        tensor, TypeMessage(.tensor(element: 7, shape: nil)), TypeMessage(.sequence(tensor)),
        TypeMessage(.optional(TypeMessage(.sequence(tensor)))), TypeMessage(.map(key: 8, value: tensor)),
        TypeMessage(.sparseTensor(element: 11, shape: [DimensionMessage(.value(2)), DimensionMessage(.value(3))])),
        TypeMessage(.opaque(domain: "some.domain", name: "some_name")),
      ])
  }

  @Test func functionsAreRead() throws {
    let model = try ModelMessage(bytes: reference("everything.onnx"), name: "everything.onnx")
    let function = try #require(model.functions.first)
    #expect(function.name == "Everything" && function.domain == "own" && function.overload == "second")
    #expect(function.attribute == ["slope"] && function.attributeProto == [AttributeMessage(name: "size", value: .int(2))])
    #expect(function.node.first?.attribute == [AttributeMessage(name: "alpha", value: .reference(name: "slope", kind: .float))])
    #expect(function.opsetImport == [OperatorSetMessage(version: 22)] && function.valueInfo.count == 1)
    #expect(model.opsetImport.map(\.domain) == ["", "own"] && model.metadataProps.first?.value == "of the model")
  }

  @Test func packedAndSingleNumbersAreTheSame() throws {
    func list(_ encoded: [UInt8]) throws -> AttributeMessage.Value? {
      let attribute = field(1, "k") + encoded
      let bytes = field(7, field(1, field(4, "Op") + field(5, attribute)))
      return try ModelMessage(bytes: bytes, name: "packed").graph.node.first?.attribute.first?.value
    }
    #expect(try list([0x40, 1, 0x40, 0x96, 0x01]) == .ints([1, 150]))
    #expect(try list(field(8, [1, 0x96, 0x01])) == .ints([1, 150]))
    #expect(try list([0x40, 1] + field(8, [2, 3]) + [0x40, 4]) == .ints([1, 2, 3, 4]))
    #expect(try list([0x3D, 0, 0, 0x80, 0x3F]) == .floats([1]))
    #expect(try list(field(7, [0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0])) == .floats([1, -2]))
  }

  @Test func unknownFieldsAreSkipped() throws {
    let unknown: [UInt8] = [0xF8, 0x06, 0x05, 0xF9, 0x06, 1, 2, 3, 4, 5, 6, 7, 8, 0xFA, 0x06, 2, 9, 9, 0xFD, 0x06, 1, 2, 3, 4]
    #expect(try ModelMessage(bytes: unknown + literal + unknown, name: "unknown") == meaning)
  }

  /// Writing onto the file whose weights are still mapped keeps them whole.
  @Test func aModelCanBeWrittenOntoItself() throws {
    try withFolder { folder in
      let path = folder.appendingPathComponent("model.onnx").path
      try Data(reference("mlp.onnx")).write(to: URL(fileURLWithPath: path))
      var model = try ModelMessage(path: path)
      let weights = try model.graph.initializer.map { try $0.hostTensor() }
      model.docString = String(repeating: "longer ", count: 2000)
      try model.write(to: path)
      let again = try ModelMessage(path: path)
      #expect(try again.graph.initializer.map { try $0.hostTensor() } == weights)
      #expect(again == model)
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["model.onnx"])
      expectError("cannot write", "No such file") { try model.write(to: folder.path + "/none/model.onnx") }
    }
  }
}
