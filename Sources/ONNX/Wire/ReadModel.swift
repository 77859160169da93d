import Basics

extension ModelMessage {
  /// Reads a model and refers to its weights, and to its external data, where they are. Errors name file and byte.
  public init(path: String) throws {
    let file = try MappedFile(path: path)
    try self.init(file: file, folder: ExternalDataFolder(modelPath: path))
  }

  /// Reads a model from bytes in memory; `name` stands for the file in messages. External data stays unread.
  public init(bytes: [UInt8], name: String) throws {
    try self.init(file: MappedFile(bytes: bytes, path: name), folder: nil)
  }

  /// Reads a model; without a folder, external data stays unread.
  init(file: MappedFile, folder: ExternalDataFolder?) throws {
    guard file.bytes.count > 0 else { throw Diagnostic("\(file.path) is empty, expected an ONNX model") }
    guard file.bytes.count <= Int(Int32.max) else {
      throw Diagnostic("\(file.path) has \(file.bytes.count) bytes; an ONNX file ends at 2 GiB, larger weights are external data")
    }
    self = try withExtendedLifetime(file) {
      try ModelMessage(WireReader(WireContext(file: file, folder: folder), message: "ModelProto"))
    }
  }

  init(_ start: WireReader) throws {
    var reader = start
    self.init(irVersion: 0, opsetImport: [], graph: GraphMessage())
    var hasGraph = false
    while let field = try reader.next() {
      switch field.number {
      case 1: irVersion = try reader.int64(field, "ir_version")
      case 2: producerName = try reader.single(field, "producer_name")
      case 3: producerVersion = try reader.single(field, "producer_version")
      case 4: domain = try reader.single(field, "domain")
      case 5: modelVersion = try reader.int64(field, "model_version")
      case 6: docString = try reader.documentation(field)
      case 7:
        try reader.once(field, "graph")
        graph = try GraphMessage(reader.child(field, "graph", "GraphProto"))
        hasGraph = true
      case 8: try reader.append(OperatorSetMessage(reader.child(field, "opset_import", "OperatorSetIdProto")), to: &opsetImport, at: field)
      case 14: try reader.append(StringEntry(reader.child(field, "metadata_props", StringEntry.message)), to: &metadataProps, at: field)
      case 25: try reader.append(FunctionMessage(reader.child(field, "functions", "FunctionProto")), to: &functions, at: field)
      default: break
      }
    }
    guard hasGraph else { throw reader.failure("found no field 7 (graph); the file is not an ONNX model", at: reader.range.lowerBound) }
  }
}

extension OperatorSetMessage {
  init(_ start: WireReader) throws {
    var reader = start
    self.init(version: 0)
    while let field = try reader.next() {
      switch field.number {
      case 1: domain = try reader.single(field, "domain")
      case 2: version = try reader.int64(field, "version")
      default: break
      }
    }
  }
}

extension StringEntry {
  static let message = "StringStringEntryProto"

  init(_ start: WireReader) throws {
    var reader = start
    self.init(key: "", value: "")
    while let field = try reader.next() {
      switch field.number {
      case 1: key = try reader.single(field, "key")
      case 2: value = try reader.single(field, "value")
      default: break
      }
    }
  }
}

extension FunctionMessage {
  init(_ start: WireReader) throws {
    var reader = start
    self.init(name: "", domain: "")
    while let field = try reader.next() {
      switch field.number {
      case 1: name = try reader.single(field, "name")
      case 4: try reader.append(reader.string(field, "input"), to: &input, at: field)
      case 5: try reader.append(reader.string(field, "output"), to: &output, at: field)
      case 6: try reader.append(reader.string(field, "attribute"), to: &attribute, at: field)
      case 7: try reader.append(NodeMessage(reader.child(field, "node", "NodeProto")), to: &node, at: field)
      case 8: docString = try reader.documentation(field)
      case 9: try reader.append(OperatorSetMessage(reader.child(field, "opset_import", "OperatorSetIdProto")), to: &opsetImport, at: field)
      case 10: domain = try reader.single(field, "domain")
      case 11:
        try reader.append(AttributeMessage(reader.child(field, "attribute_proto", "AttributeProto")), to: &attributeProto, at: field)
      case 12: try reader.append(ValueInfoMessage(reader.child(field, "value_info", "ValueInfoProto")), to: &valueInfo, at: field)
      case 13: overload = try reader.single(field, "overload")
      case 14: try reader.append(StringEntry(reader.child(field, "metadata_props", StringEntry.message)), to: &metadataProps, at: field)
      default: break
      }
    }
    guard !name.isEmpty else { throw reader.failure("found no field 1 (name)", at: reader.range.lowerBound) }
  }
}
