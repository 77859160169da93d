import Basics

extension TensorMessage {
  init(_ start: WireReader) throws {
    var reader = start
    self.init(dims: [], dataType: 0, contents: .none)
    var typed: TypedField?
    var external: [StringEntry] = []
    var isExternal = false
    while let field = try reader.next() {
      switch field.number {
      case 1: try reader.integers(field, "dims", to: &dims)
      case 2: dataType = try reader.int32(field, "data_type")
      case 3: throw reader.failure("the tensor comes in segments, which gradc does not read", at: field.offset, kind: .unsupported)
      case 8: name = try reader.single(field, "name")
      case 9:
        try reader.once(field, "raw_data")
        try reader.expect(field, .bytes, "raw_data")
        contents = .raw(.mapped(reader.context.file, field.range))
      case 12: docString = try reader.documentation(field)
      case 13: try reader.append(StringEntry(reader.child(field, "external_data", StringEntry.message)), to: &external, at: field)
      case 14:
        let location = try reader.int32(field, "data_location")
        guard location == 0 || location == 1 else {
          throw reader.failure("field 14 (data_location) is \(location), expected 0 or 1", at: field.offset)
        }
        isExternal = location == 1
      case 16: try reader.append(StringEntry(reader.child(field, "metadata_props", StringEntry.message)), to: &metadataProps, at: field)
      default:
        guard let found = TypedField(rawValue: field.number) else { continue }
        if let typed, typed != found {
          throw reader.failure("the tensor \(quoted(name)) has \(typed.name) and \(found.name), expected one", at: field.offset)
        }
        guard field.form == .bytes || field.form == found.form else {
          throw reader.failure("field \(field.number) (\(found.name)): found \(field.form.name)", at: field.offset)
        }
        typed = found
      }
    }
    let offset = reader.range.lowerBound
    guard dataType != 0 else { throw reader.failure("the tensor \(quoted(name)) has no field 2 (data_type)", at: offset) }
    try setContents(typed: typed, external: isExternal ? external : nil, hasExternalEntries: !external.isEmpty, reader)
  }

  /// Of several places for the numbers one may be used.
  private mutating func setContents(
    typed: TypedField?, external: [StringEntry]?, hasExternalEntries: Bool, _ reader: WireReader
  ) throws {
    let offset = reader.range.lowerBound
    let places = [contents == .none ? nil : "raw_data", typed?.name, external != nil || hasExternalEntries ? "external_data" : nil]
      .compactMap { $0 }
    guard places.count <= 1 else {
      throw reader.failure("the tensor \(quoted(name)) has its numbers in \(places.joined(separator: " and ")), expected one", at: offset)
    }
    if let typed { contents = .typed(field: typed, message: .mapped(reader.context.file, reader.range)) }
    guard let external else {
      guard !hasExternalEntries else {
        throw reader.failure("the tensor \(quoted(name)) has external_data, but no data_location EXTERNAL", at: offset)
      }
      return
    }
    contents = .external(external)
    guard let folder = reader.context.folder else { return }
    do { contents = .raw(try folder.bytes(external)) } catch let error as Diagnostic {
      throw reader.failure("the tensor \(quoted(name)): \(error.message)", at: offset, kind: error.kind)
    }
  }
}

extension TensorMessage.TypedField {
  /// How one number stands where the field is not packed.
  var form: WireField.Form {
    switch self {
    case .float: .fixed32
    case .double: .fixed64
    case .int32, .int64, .uint64: .varint
    case .string: .bytes
    }
  }
}

extension SparseTensorMessage {
  init(_ start: WireReader) throws {
    var reader = start
    var values: TensorMessage?, indices: TensorMessage?
    var dims: [Int64] = []
    while let field = try reader.next() {
      switch field.number {
      case 1:
        try reader.once(field, "values")
        values = try TensorMessage(reader.child(field, "values", "TensorProto"))
      case 2:
        try reader.once(field, "indices")
        indices = try TensorMessage(reader.child(field, "indices", "TensorProto"))
      case 3: try reader.integers(field, "dims", to: &dims)
      default: break
      }
    }
    guard let values, let indices else {
      throw reader.failure("found no field \(values == nil ? "1 (values)" : "2 (indices)")", at: reader.range.lowerBound)
    }
    self.init(values: values, indices: indices, dims: dims)
  }
}
