import Basics

extension ModelMessage {
  /// Writes the model, fields in the order of their numbers: the same model gives the same bytes. Weights that are external data are written
  /// into the file. Past 2 GiB it is refused.
  public func write(to path: String) throws {
    var writer = WireWriter()
    try write(&writer)
    try writer.write(to: path)
  }

  /// What `write(to:)` writes.
  public func encoded() throws -> [UInt8] {
    var writer = WireWriter()
    try write(&writer)
    return try writer.joined()
  }

  private func write(_ writer: inout WireWriter) throws {
    if irVersion != 0 { writer.integer(1, irVersion) }
    writer.optional(2, producerName)
    writer.optional(3, producerVersion)
    writer.optional(4, domain)
    if modelVersion != 0 { writer.integer(5, modelVersion) }
    writer.optional(6, docString)
    try writer.message(7, graph.write)
    for entry in opsetImport { try writer.message(8, entry.write) }
    for entry in metadataProps { try writer.message(14, entry.write) }
    for function in functions { try writer.message(25, function.write) }
  }
}

extension OperatorSetMessage {
  func write(_ writer: inout WireWriter) {
    writer.string(1, domain)
    writer.integer(2, version)
  }
}

extension StringEntry {
  func write(_ writer: inout WireWriter) {
    writer.string(1, key)
    writer.string(2, value)
  }
}

extension FunctionMessage {
  func write(_ writer: inout WireWriter) throws {
    writer.string(1, name)
    for name in input { writer.string(4, name) }
    for name in output { writer.string(5, name) }
    for name in attribute { writer.string(6, name) }
    for node in node { try writer.message(7, node.write) }
    writer.optional(8, docString)
    for entry in opsetImport { try writer.message(9, entry.write) }
    writer.string(10, domain)
    for attribute in attributeProto { try writer.message(11, attribute.write) }
    for value in valueInfo { try writer.message(12, value.write) }
    writer.optional(13, overload)
    for entry in metadataProps { try writer.message(14, entry.write) }
  }
}

extension GraphMessage {
  func write(_ writer: inout WireWriter) throws {
    for node in node { try writer.message(1, node.write) }
    writer.optional(2, name)
    for tensor in initializer { try writer.message(5, tensor.write) }
    writer.optional(10, docString)
    for value in input { try writer.message(11, value.write) }
    for value in output { try writer.message(12, value.write) }
    for value in valueInfo { try writer.message(13, value.write) }
    for annotation in quantizationAnnotation {
      try writer.message(14) {
        $0.string(1, annotation.tensorName)
        for entry in annotation.quantParameterTensorNames { try $0.message(2, entry.write) }
      }
    }
    for tensor in sparseInitializer { try writer.message(15, tensor.write) }
    for entry in metadataProps { try writer.message(16, entry.write) }
  }
}

extension NodeMessage {
  func write(_ writer: inout WireWriter) throws {
    for name in input { writer.string(1, name) }
    for name in output { writer.string(2, name) }
    writer.optional(3, name)
    writer.string(4, opType)
    for attribute in attribute { try writer.message(5, attribute.write) }
    writer.optional(6, docString)
    writer.optional(7, domain)
    writer.optional(8, overload)
    for entry in metadataProps { try writer.message(9, entry.write) }
  }
}

extension ValueInfoMessage {
  func write(_ writer: inout WireWriter) throws {
    writer.string(1, name)
    if let type { try writer.message(2, type.write) }
    writer.optional(3, docString)
    for entry in metadataProps { try writer.message(4, entry.write) }
  }
}

extension AttributeMessage {
  func write(_ writer: inout WireWriter) throws {
    writer.string(1, name)
    switch value {
    case .float(let number): writer.float(2, number)
    case .int(let number): writer.integer(3, number)
    case .string(let bytes): writer.bytes(4, bytes)
    case .tensor(let tensor): try writer.message(5, tensor.write)
    case .graph(let graph): try writer.message(6, graph.write)
    case .floats(let numbers): for number in numbers { writer.float(7, number) }
    case .ints(let numbers): for number in numbers { writer.integer(8, number) }
    case .strings(let strings): for bytes in strings { writer.bytes(9, bytes) }
    case .tensors(let tensors): for tensor in tensors { try writer.message(10, tensor.write) }
    case .graphs(let graphs): for graph in graphs { try writer.message(11, graph.write) }
    default: break
    }
    writer.optional(13, docString)
    if case .type(let type) = value { try writer.message(14, type.write) }
    if case .types(let types) = value { for type in types { try writer.message(15, type.write) } }
    if kind != .undefined { writer.integer(20, Int64(kind.rawValue)) }
    if case .reference(let name, _) = value { writer.string(21, name) }
    if case .sparseTensor(let tensor) = value { try writer.message(22, tensor.write) }
    if case .sparseTensors(let tensors) = value { for tensor in tensors { try writer.message(23, tensor.write) } }
  }
}

extension TypeMessage {
  func write(_ writer: inout WireWriter) throws {
    func inner(_ number: Int, _ type: TypeMessage?) throws {
      try writer.message(number) { if let type { try $0.message(1, type.write) } }
    }
    func tensor(_ number: Int, _ element: Int32, _ shape: [DimensionMessage]?) throws {
      try writer.message(number) {
        $0.integer(1, Int64(element))
        guard let shape else { return }
        try $0.message(2) { for dimension in shape { try $0.message(1, dimension.write) } }
      }
    }
    // The denotation, field 6, stands among the kinds, whose numbers are 1 to 9.
    switch kind {
    case .unspecified: break
    case .tensor(let element, let shape): try tensor(1, element, shape)
    case .sequence(let type): try inner(4, type)
    case .map(let key, let value):
      try writer.message(5) {
        $0.integer(1, Int64(key))
        if let value { try $0.message(2, value.write) }
      }
    case .opaque, .sparseTensor, .optional: break
    }
    writer.optional(6, denotation)
    switch kind {
    case .opaque(let domain, let name):
      try writer.message(7) {
        $0.optional(1, domain)
        $0.optional(2, name)
      }
    case .sparseTensor(let element, let shape): try tensor(8, element, shape)
    case .optional(let type): try inner(9, type)
    default: break
    }
  }
}

extension DimensionMessage {
  func write(_ writer: inout WireWriter) {
    switch size {
    case .value(let value): writer.integer(1, value)
    case .parameter(let name): writer.string(2, name)
    case .unknown: break
    }
    writer.optional(3, denotation)
  }
}
