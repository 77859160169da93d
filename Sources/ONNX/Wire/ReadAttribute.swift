import Basics

extension AttributeMessage {
  init(_ start: WireReader) throws {
    var reader = start
    self.init(name: "", value: .reference(name: "", kind: .undefined))
    var fields = AttributeFields()
    var reference = ""
    var stated = Kind.undefined
    while let field = try reader.next() {
      switch field.number {
      case 1: name = try reader.single(field, "name")
      case 13: docString = try reader.documentation(field)
      case 20:
        let number = try reader.int32(field, "type")
        guard let kind = Kind(rawValue: number) else {
          throw reader.failure("the attribute \(quoted(name)) is of kind \(number), which ONNX does not have", at: field.offset)
        }
        stated = kind
      case 21: reference = try reader.single(field, "ref_attr_name")
      default:
        guard let (kind, fieldName) = AttributeFields.kinds[field.number] else { continue }
        guard fields.kind == kind || fields.kind == .undefined else {
          let text = "the attribute \(quoted(name)) holds \(fields.name) and \(fieldName), expected one value"
          throw reader.failure(text, at: field.offset)
        }
        fields.kind = kind
        fields.name = fieldName
        try fields.read(field, &reader)
      }
    }
    let offset = reader.range.lowerBound
    guard !name.isEmpty else { throw reader.failure("found no field 1 (name)", at: offset) }
    guard reference.isEmpty || fields.kind == .undefined else {
      throw reader.failure("the attribute \(quoted(name)) is a reference and holds \(fields.name)", at: offset)
    }
    if !reference.isEmpty {
      value = .reference(name: reference, kind: stated)
      return
    }
    guard stated == .undefined || fields.kind == .undefined || stated == fields.kind else {
      throw reader.failure("the attribute \(quoted(name)) is stated as \(stated) and holds \(fields.name)", at: offset)
    }
    // A writer of protobuf 3 leaves out zeros and empty lists.
    if fields.kind == .undefined { fields.kind = stated }
    guard let value = fields.value else { throw reader.failure("the attribute \(quoted(name)) has no value", at: offset) }
    self.value = value
  }
}

/// What the fields of an attribute have given so far.
private struct AttributeFields {
  /// The fields that may hold a value, with the kind that each means.
  static let kinds: [Int: (AttributeMessage.Kind, String)] = [
    2: (.float, "f"), 3: (.int, "i"), 4: (.string, "s"), 5: (.tensor, "t"), 6: (.graph, "g"), 7: (.floats, "floats"), 8: (.ints, "ints"),
    9: (.strings, "strings"), 10: (.tensors, "tensors"), 11: (.graphs, "graphs"), 14: (.type, "tp"), 15: (.types, "type_protos"),
    22: (.sparseTensor, "sparse_tensor"), 23: (.sparseTensors, "sparse_tensors"),
  ]

  /// Undefined before the first field.
  var kind = AttributeMessage.Kind.undefined
  /// The name of the field that was met.
  var name = ""
  private var single: AttributeMessage.Value?
  private var floats: [Float] = []
  private var ints: [Int64] = []
  private var strings: [[UInt8]] = []
  private var tensors: [TensorMessage] = []
  private var graphs: [GraphMessage] = []
  private var sparseTensors: [SparseTensorMessage] = []
  private var types: [TypeMessage] = []

  /// The value; nil where there is none and none can be meant.
  var value: AttributeMessage.Value? {
    switch kind {
    case .undefined, .tensor, .graph, .sparseTensor, .type: single
    case .float: single ?? .float(0)
    case .int: single ?? .int(0)
    case .string: single ?? .string([])
    case .floats: .floats(floats)
    case .ints: .ints(ints)
    case .strings: .strings(strings)
    case .tensors: .tensors(tensors)
    case .graphs: .graphs(graphs)
    case .sparseTensors: .sparseTensors(sparseTensors)
    case .types: .types(types)
    }
  }

  /// Reads the field, which is of `kind`.
  mutating func read(_ field: WireField, _ reader: inout WireReader) throws {
    switch kind {
    case .floats: try reader.floats(field, name, to: &floats)
    case .ints: try reader.integers(field, name, to: &ints)
    case .strings: try reader.append(reader.bytes(field, name), to: &strings, at: field)
    case .tensors: try reader.append(TensorMessage(reader.child(field, name, "TensorProto")), to: &tensors, at: field)
    case .graphs: try reader.append(GraphMessage(reader.child(field, name, "GraphProto")), to: &graphs, at: field)
    case .sparseTensors:
      try reader.append(SparseTensorMessage(reader.child(field, name, "SparseTensorProto")), to: &sparseTensors, at: field)
    case .types: try reader.append(TypeMessage(reader.child(field, name, "TypeProto")), to: &types, at: field)
    default:
      try reader.once(field, name)
      single = try one(field, reader)
    }
  }

  private func one(_ field: WireField, _ reader: WireReader) throws -> AttributeMessage.Value? {
    switch kind {
    case .float:
      try reader.expect(field, .fixed32, name)
      return .float(Float(bitPattern: UInt32(field.bits)))
    case .int:
      try reader.expect(field, .varint, name)
      return .int(Int64(bitPattern: field.bits))
    case .string: return .string(try reader.bytes(field, name))
    case .tensor: return .tensor(try TensorMessage(reader.child(field, name, "TensorProto")))
    case .graph: return .graph(try GraphMessage(reader.child(field, name, "GraphProto")))
    case .sparseTensor: return .sparseTensor(try SparseTensorMessage(reader.child(field, name, "SparseTensorProto")))
    case .type: return .type(try TypeMessage(reader.child(field, name, "TypeProto")))
    default: return nil
    }
  }
}
