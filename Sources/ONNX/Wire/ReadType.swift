import Basics

extension TypeMessage {
  init(_ start: WireReader) throws {
    var reader = start
    self.init(.unspecified)
    while let field = try reader.next() {
      let found: Kind
      switch field.number {
      case 1:
        let (element, shape) = try Self.tensor(reader.child(field, "tensor_type", "TypeProto.Tensor"))
        found = .tensor(element: element, shape: shape)
      case 4: found = .sequence(try Self.inner(reader.child(field, "sequence_type", "TypeProto.Sequence")))
      case 5: found = try Self.map(reader.child(field, "map_type", "TypeProto.Map"))
      case 6:
        denotation = try reader.single(field, "denotation")
        continue
      case 7: found = try Self.opaque(reader.child(field, "opaque_type", "TypeProto.Opaque"))
      case 8:
        let (element, shape) = try Self.tensor(reader.child(field, "sparse_tensor_type", "TypeProto.SparseTensor"))
        found = .sparseTensor(element: element, shape: shape)
      case 9: found = .optional(try Self.inner(reader.child(field, "optional_type", "TypeProto.Optional")))
      default: continue
      }
      guard kind == .unspecified else {
        throw reader.failure("found a second kind in field \(field.number), expected one", at: field.offset)
      }
      kind = found
    }
  }

  private static func tensor(_ start: WireReader) throws -> (element: Int32, shape: [DimensionMessage]?) {
    var reader = start
    var element: Int32 = 0
    var shape: [DimensionMessage]?
    while let field = try reader.next() {
      switch field.number {
      case 1: element = try reader.int32(field, "elem_type")
      case 2:
        try reader.once(field, "shape")
        var dimensions: [DimensionMessage] = []
        var inner = try reader.child(field, "shape", "TensorShapeProto")
        while let field = try inner.next() {
          guard field.number == 1 else { continue }
          try inner.append(DimensionMessage(inner.child(field, "dim", "TensorShapeProto.Dimension")), to: &dimensions, at: field)
        }
        shape = dimensions
      default: break
      }
    }
    return (element, shape)
  }

  private static func inner(_ start: WireReader) throws -> TypeMessage? {
    var reader = start
    var type: TypeMessage?
    while let field = try reader.next() {
      guard field.number == 1 else { continue }
      try reader.once(field, "elem_type")
      type = try TypeMessage(reader.child(field, "elem_type", "TypeProto"))
    }
    return type
  }

  private static func map(_ start: WireReader) throws -> Kind {
    var reader = start
    var key: Int32 = 0
    var value: TypeMessage?
    while let field = try reader.next() {
      switch field.number {
      case 1: key = try reader.int32(field, "key_type")
      case 2:
        try reader.once(field, "value_type")
        value = try TypeMessage(reader.child(field, "value_type", "TypeProto"))
      default: break
      }
    }
    return .map(key: key, value: value)
  }

  private static func opaque(_ start: WireReader) throws -> Kind {
    var reader = start
    var domain = "", name = ""
    while let field = try reader.next() {
      switch field.number {
      case 1: domain = try reader.single(field, "domain")
      case 2: name = try reader.single(field, "name")
      default: break
      }
    }
    return .opaque(domain: domain, name: name)
  }
}

extension DimensionMessage {
  init(_ start: WireReader) throws {
    var reader = start
    self.init(.unknown)
    while let field = try reader.next() {
      let found: Size
      switch field.number {
      case 1: found = .value(try reader.int64(field, "dim_value"))
      case 2: found = .parameter(try reader.single(field, "dim_param"))
      case 3:
        denotation = try reader.single(field, "denotation")
        continue
      default: continue
      }
      guard size == .unknown else { throw reader.failure("found both a number and a name, expected one", at: field.offset) }
      size = found
    }
  }
}
