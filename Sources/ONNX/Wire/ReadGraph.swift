import Basics

extension GraphMessage {
  init(_ start: WireReader) throws {
    var reader = start
    self.init()
    while let field = try reader.next() {
      switch field.number {
      case 1: try reader.append(NodeMessage(reader.child(field, "node", "NodeProto")), to: &node, at: field)
      case 2: name = try reader.single(field, "name")
      case 5: try reader.append(TensorMessage(reader.child(field, "initializer", "TensorProto")), to: &initializer, at: field)
      case 10: docString = try reader.documentation(field)
      case 11: try reader.append(ValueInfoMessage(reader.child(field, "input", "ValueInfoProto")), to: &input, at: field)
      case 12: try reader.append(ValueInfoMessage(reader.child(field, "output", "ValueInfoProto")), to: &output, at: field)
      case 13: try reader.append(ValueInfoMessage(reader.child(field, "value_info", "ValueInfoProto")), to: &valueInfo, at: field)
      case 14:
        let annotation = try TensorAnnotation(reader.child(field, "quantization_annotation", "TensorAnnotation"))
        try reader.append(annotation, to: &quantizationAnnotation, at: field)
      case 15:
        let tensor = try SparseTensorMessage(reader.child(field, "sparse_initializer", "SparseTensorProto"))
        try reader.append(tensor, to: &sparseInitializer, at: field)
      case 16: try reader.append(StringEntry(reader.child(field, "metadata_props", StringEntry.message)), to: &metadataProps, at: field)
      default: break
      }
    }
  }
}

extension NodeMessage {
  init(_ start: WireReader) throws {
    var reader = start
    self.init(opType: "")
    while let field = try reader.next() {
      switch field.number {
      case 1: try reader.append(reader.string(field, "input"), to: &input, at: field)
      case 2: try reader.append(reader.string(field, "output"), to: &output, at: field)
      case 3: name = try reader.single(field, "name")
      case 4: opType = try reader.single(field, "op_type")
      case 5: try reader.append(AttributeMessage(reader.child(field, "attribute", "AttributeProto")), to: &attribute, at: field)
      case 6: docString = try reader.documentation(field)
      case 7: domain = try reader.single(field, "domain")
      case 8: overload = try reader.single(field, "overload")
      case 9: try reader.append(StringEntry(reader.child(field, "metadata_props", StringEntry.message)), to: &metadataProps, at: field)
      default: break
      }
    }
    guard !opType.isEmpty else {
      throw reader.failure("the node \(quoted(name)) has no field 4 (op_type)", at: reader.range.lowerBound)
    }
  }
}

extension ValueInfoMessage {
  init(_ start: WireReader) throws {
    var reader = start
    self.init(name: "")
    while let field = try reader.next() {
      switch field.number {
      case 1: name = try reader.single(field, "name")
      case 2:
        try reader.once(field, "type")
        type = try TypeMessage(reader.child(field, "type", "TypeProto"))
      case 3: docString = try reader.documentation(field)
      case 4: try reader.append(StringEntry(reader.child(field, "metadata_props", StringEntry.message)), to: &metadataProps, at: field)
      default: break
      }
    }
    guard !name.isEmpty else { throw reader.failure("found no field 1 (name)", at: reader.range.lowerBound) }
  }
}

extension TensorAnnotation {
  init(_ start: WireReader) throws {
    var reader = start
    self.init(tensorName: "")
    while let field = try reader.next() {
      switch field.number {
      case 1: tensorName = try reader.single(field, "tensor_name")
      case 2:
        let entry = try StringEntry(reader.child(field, "quant_parameter_tensor_names", StringEntry.message))
        try reader.append(entry, to: &quantParameterTensorNames, at: field)
      default: break
      }
    }
  }
}

/// A name of a file as a message shows it: no more than a line's worth, without what a terminal would obey.
func quoted(_ name: String) -> String {
  let scalars = name.unicodeScalars
  return scalars.count > 80 ? "'\(escaped(String(String.UnicodeScalarView(scalars.prefix(80)))))…'" : "'\(escaped(name))'"
}

/// A text with words of a file in it, as a terminal may show it: control and format characters are spelled out, but for ends of lines.
func escaped(_ text: String) -> String {
  var result = String.UnicodeScalarView()
  for scalar in text.unicodeScalars {
    switch scalar.properties.generalCategory {
    case .control where scalar == "\n": result.append(scalar)
    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned:
      result.append(contentsOf: "\\u{\(String(scalar.value, radix: 16))}".unicodeScalars)
    default: result.append(scalar)
    }
  }
  return String(result)
}
