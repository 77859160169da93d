import Basics
import GraphIR
import Layers
import LoopIR
import ONNX

/// Called by libFuzzer with each input. Whatever the bytes are, they are read or refused with a message; what is read is written and read
/// again, and is the same; and what is a model becomes graphs.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: start, count: count))
  expectDiagnostic { try model(bytes) }
  expectDiagnostic { try tensor(bytes) }
  for mode in [Mode.inference, .training] { expectDiagnostic { try graph(bytes, mode) } }
  return 0
}

private func model(_ bytes: [UInt8]) throws {
  let model = try ModelMessage(bytes: bytes, name: "fuzz")
  let written = try model.encoded()
  let again = try ModelMessage(bytes: written, name: "written")
  precondition(again.encodedOrNil() == written, "what was written reads as something else")
  for tensor in model.graph.initializer { expectDiagnostic { _ = try tensor.hostTensor() } }
  for tensor in model.graph.sparseInitializer { expectDiagnostic { _ = try tensor.hostTensor() } }
}

/// From a file to a graph, as every command begins.
private func graph(_ bytes: [UInt8], _ mode: Mode) throws {
  let model = try ONNXModel(ModelMessage(bytes: bytes, name: "fuzz.onnx"), path: "fuzz.onnx")
  _ = model.unsupportedNodes()
  var builder = ModelBuilder(name: model.name, mode: mode, element: model.element, symbols: [Symbol(name: "n", maximum: 4)])
  try model.build(&builder)
}

private func tensor(_ bytes: [UInt8]) throws {
  let (name, values) = try readTensor(bytes: bytes, name: "fuzz")
  let again = try readTensor(bytes: encodedTensor(name: name, values), name: "written")
  precondition(again.name == name && again.values == values, "the written tensor reads as another")
}

extension ModelMessage {
  fileprivate func encodedOrNil() -> [UInt8]? { try? encoded() }
}

/// A refusal is a message of a kind that blames the file.
private func expectDiagnostic(_ body: () throws -> Void) {
  do { try body() } catch let error as Diagnostic {
    precondition(error.kind == .input || error.kind == .unsupported, error.description)
  } catch { preconditionFailure("\(error)") }
}
