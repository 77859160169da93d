import Basics
import Foundation
import GraphIR
import ONNX
import Testing

/// Weights in files beside the model.
@Suite struct ExternalDataTests {
  /// The model beside these files, read from a folder of its own.
  private func read(_ entries: [(String, String)], dims: [Int64] = [2], in folder: URL) throws -> HostTensor {
    let contents = TensorMessage.Contents.external(entries.map { StringEntry(key: $0.0, value: $0.1) })
    let tensor = TensorMessage(name: "w", dims: dims, dataType: 1, contents: contents)
    let model = ModelMessage(irVersion: 8, opsetImport: [], graph: GraphMessage(initializer: [tensor]))
    let path = folder.appendingPathComponent("model.onnx").path
    try model.write(to: path)
    return try #require(ModelMessage(path: path).graph.initializer.first).hostTensor()
  }

  @Test func pythonsExternalDataIsRead() throws {
    let model = try ModelMessage(path: references.appendingPathComponent("external.onnx").path)
    let tensors = try model.graph.initializer.map { try $0.hostTensor() }
    #expect(tensors == [HostTensor([1, 2, 3, 4, 5, 6], element: .f32), HostTensor([3, 4], element: .f32)])
    // Written again, the weights are in the file.
    try withFolder { folder in
      let path = folder.appendingPathComponent("whole.onnx").path
      try model.write(to: path)
      #expect(try ModelMessage(path: path).graph.initializer.map { try $0.hostTensor() } == tensors)
    }
  }

  @Test func onlyPlainFilesBelowTheFolderAreOpened() throws {
    try withFolder { outer in
      let folder = outer.appendingPathComponent("model"), files = FileManager.default
      try files.createDirectory(at: folder.appendingPathComponent("below/deeper"), withIntermediateDirectories: true)
      let data = Data(HostTensor([1.5, -2], element: .f32).bytes)
      for name in ["secret.bin", "model/plain.bin", "model/below/deeper/plain.bin"] {
        try data.write(to: outer.appendingPathComponent(name))
      }
      try files.createSymbolicLink(atPath: folder.path + "/link.bin", withDestinationPath: outer.path + "/secret.bin")
      try files.createSymbolicLink(atPath: folder.path + "/up", withDestinationPath: outer.path)
      #expect(mkfifo(folder.path + "/pipe", 0o600) == 0)
      for good in ["plain.bin", "./plain.bin", "below/deeper/plain.bin", "below//deeper/./plain.bin"] {
        #expect(try read([("location", good)], in: folder) == HostTensor([1.5, -2], element: .f32), "\(good)")
      }
      for (bad, message) in [
        ("../secret.bin", "without '..'"), ("below/../plain.bin", "without '..'"), ("../../../../etc/passwd", "without '..'"),
        (outer.path + "/secret.bin", "below the model's folder"), ("/etc/passwd", "below the model's folder"), ("", "without '..'"),
        (".", "without '..'"), ("plain\0.bin", "without '..'"), ("link.bin", "'link.bin' is a link"), ("up/secret.bin", "'up' is a link"),
        ("plain.bin/x", "'plain.bin' is a link, or no folder"), ("none.bin", "No such file"), ("below", "is a folder, expected a file"),
        ("pipe", "is no plain file"),
      ] {
        expectError("model.onnx: byte ", "the tensor 'w'", message) { _ = try read([("location", bad)], in: folder) }
      }
    }
  }

  @Test func offsetsAndLengthsAreChecked() throws {
    try withFolder { folder in
      try Data(HostTensor([1, 2, 3], element: .f32).bytes).write(to: folder.appendingPathComponent("w.bin"))
      func values(_ entries: (String, String)...) throws -> HostTensor { try read([("location", "w.bin")] + entries, in: folder) }
      #expect(try values(("offset", "4")) == HostTensor([2, 3], element: .f32))
      #expect(try values(("offset", "0"), ("length", "8"), ("checksum", "?")) == HostTensor([1, 2], element: .f32))
      expectError("has 12 bytes, expected 8 for FLOAT[2]") { _ = try values() }
      expectError("begins at byte 13 of 'w.bin', which has 12") { _ = try values(("offset", "13")) }
      expectError("has 8 bytes from byte 8 of 'w.bin' on, which has 12") { _ = try values(("offset", "8"), ("length", "8")) }
      for text in ["-1", "+1", "1e3", "", "99999999999999999999", "0x8", "\u{0664}"] {
        expectError("expected a whole number") { _ = try values(("offset", text)) }
      }
      expectError("two entries 'offset'") { _ = try values(("offset", "4"), ("offset", "0")) }
      expectError("no entry 'location'") { _ = try read([], in: folder) }
    }
  }

  @Test func bytesInMemoryHaveNoFolder() throws {
    let model = try ModelMessage(bytes: reference("external.onnx"), name: "external.onnx")
    expectError("'all' has its values in another file, which was not read") { _ = try model.graph.initializer[0].hostTensor() }
  }
}
