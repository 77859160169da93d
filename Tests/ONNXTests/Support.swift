import Basics
import Foundation
import GraphIR
import ONNX
import Testing

/// Files that `models.py` made.
let references = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("references")

func reference(_ name: String) throws -> [UInt8] { Array(try Data(contentsOf: references.appendingPathComponent(name))) }

let models = ["mlp.onnx", "subgraphs.onnx", "everything.onnx", "types.onnx", "external.onnx", "torch.onnx"]

/// One field of a message with bytes in it, tag and length of one byte each.
func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] {
  precondition(number < 16 && bytes.count < 128)
  return [number << 3 | 2, UInt8(bytes.count)] + bytes
}

func field(_ number: UInt8, _ text: String) -> [UInt8] { field(number, Array(text.utf8)) }

/// One field with a number below 128.
func field(_ number: UInt8, number value: UInt8) -> [UInt8] { [number << 3, value] }

/// The error that `body` ends with, and whether it says all of `parts`.
func expectError(
  _ parts: String..., kind: FailureKind = .input, location: Testing.SourceLocation = #_sourceLocation, _ body: () throws -> Void
) {
  do {
    try body()
    Issue.record("no error, expected \(parts)", sourceLocation: location)
  } catch let error as Diagnostic {
    #expect(error.kind == kind, sourceLocation: location)
    for part in parts { #expect(error.message.contains(part), sourceLocation: location) }
  } catch { Issue.record("\(error)", sourceLocation: location) }
}

/// A folder that is gone after `body`.
func withFolder(_ body: (URL) throws -> Void) throws {
  let folder = FileManager.default.temporaryDirectory.appendingPathComponent("gradc-onnx-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }
  try body(folder)
}
