import Basics
import GraphIR

/// Reads a `.pb` file of one TensorProto, as ONNX's test cases hold them: its name, often empty, and its values. A file of a sequence or an
/// optional value is unsupported.
public func readTensorFile(_ path: String) throws -> (name: String, values: HostTensor) {
  try readTensor(MappedFile(path: path))
}

/// Reads one TensorProto from bytes in memory; `name` stands for the file in messages.
public func readTensor(bytes: [UInt8], name: String) throws -> (name: String, values: HostTensor) {
  try readTensor(MappedFile(bytes: bytes, path: name))
}

private func readTensor(_ file: MappedFile) throws -> (name: String, values: HostTensor) {
  try withExtendedLifetime(file) {
    let context = WireContext(file: file, folder: nil)
    do {
      guard file.bytes.count > 0 else { throw Diagnostic("\(file.path) is empty, expected a tensor") }
      let message = try TensorMessage(WireReader(context, message: "TensorProto"))
      return (message.name, try message.hostTensor())
    } catch let error as Diagnostic {
      // The three messages have no sign that tells them apart but that a wrong one makes no sense.
      guard let kind = collection(WireReader(context, message: "SequenceProto")) else { throw error }
      throw Diagnostic("\(file.path) holds \(kind), which gradc does not support; expected one tensor", kind: .unsupported)
    }
  }
}

/// What a file holds that is a SequenceProto or OptionalProto; nil when it is none.
private func collection(_ start: WireReader) -> String? {
  let kinds = ["nothing", "a tensor", "a sparse tensor", "a sequence", "a map", "an optional value"]
  var reader = start
  var kind: Int?
  var values = 0
  do {
    while let field = try reader.next() {
      switch (field.number, field.form) {
      case (1, .bytes): _ = try reader.single(field, "name")
      case (2, .varint) where kind == nil && field.bits < UInt64(kinds.count): kind = Int(field.bits)
      // The values of kind k are in field k + 2.
      case (3...7, .bytes) where kind == nil || kind == field.number - 2: values += 1
      default: return nil
      }
    }
  } catch { return nil }
  guard let kind else { return nil }
  return "a sequence or optional value (of \(kinds[kind]), \(values) of them)"
}

/// Writes a `.pb` file of one TensorProto.
public func writeTensorFile(_ path: String, name: String = "", _ values: HostTensor) throws {
  var writer = WireWriter()
  try TensorMessage(name: name, values).write(&writer)
  try writer.write(to: path)
}

/// What `writeTensorFile` writes.
public func encodedTensor(name: String = "", _ values: HostTensor) throws -> [UInt8] {
  var writer = WireWriter()
  try TensorMessage(name: name, values).write(&writer)
  return try writer.joined()
}
