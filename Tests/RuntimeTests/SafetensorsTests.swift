import CRuntime
import Foundation
import XCTest

final class SafetensorsTests: XCTestCase {
  private func file(_ header: String, data: [UInt8] = []) -> [UInt8] {
    let length = UInt64(header.utf8.count)
    return (0..<8).map { UInt8(length >> (8 * UInt64($0)) & 255) } + Array(header.utf8) + data
  }

  private func message(_ bytes: [UInt8]) -> String {
    var file = gradc_safetensors()
    return failure { gradc_safetensors_parse(bytes, bytes.count, "w.safetensors", &file, $0) }
  }

  private let two =
    #"{"__metadata__":{"a":"\u00e4\ud83d\ude00\n"},"w":{"dtype":"F32","shape":[2],"data_offsets":[1,9]},"#
    + #""b":{"data_offsets":[0,1],"shape":[],"dtype":"U8"}}  "#

  func testReads() throws {
    let bytes = file(two, data: [7, 0, 0, 128, 63, 0, 0, 0, 192])
    var file = gradc_safetensors()
    try check { gradc_safetensors_parse(bytes, bytes.count, "w", &file, $0) }
    defer { gradc_safetensors_free(&file) }
    XCTAssertEqual(file.tensor_count, 2)
    XCTAssertEqual(String(cString: file.tensors[0].name), "b")
    XCTAssertEqual(String(cString: gradc_safetensors_metadata(&file, "a")), "ä😀\n")
    XCTAssertNil(gradc_safetensors_metadata(&file, "b"))
    XCTAssertNil(gradc_safetensors_find(&file, "x"))
    let w = gradc_safetensors_find(&file, "w")!.pointee
    var values: [Float] = [0, 0]
    gradc_convert(w.data, w.dtype, w.count, &values, GRADC_DTYPE_F32)
    XCTAssertEqual(values, [1, -2])
  }

  /// Offsets, sizes, names and JSON that the format's rules forbid.
  func testRefuses() {
    func tensor(_ name: String, _ shape: String, _ offsets: String, type: String = "F32") -> String {
      "\"\(name)\":{\"dtype\":\"\(type)\",\"shape\":\(shape),\"data_offsets\":\(offsets)}"
    }
    let eight = [UInt8](repeating: 0, count: 8)
    assertContains(message([1, 2, 3]), "w.safetensors", "3 bytes")
    assertContains(message([255, 255, 255, 255, 0, 0, 0, 0, 123, 125]), "announced")
    assertContains(message([255, 255, 255, 255, 255, 255, 255, 255, 123, 125]), "announced")
    assertContains(message(file("{\(tensor("a", "[1]", "[0,4]"))}", data: eight)), "4 bytes after the last tensor")
    assertContains(message(file("{\(tensor("a", "[1]", "[4,8]"))}", data: eight)), "gap")
    assertContains(message(file("{\(tensor("a", "[2]", "[0,8]")),\(tensor("b", "[1]", "[4,8]"))}", data: eight)), "overlap")
    assertContains(message(file("{\(tensor("a", "[3]", "[0,12]"))}", data: eight)), "cut off")
    assertContains(message(file("{\(tensor("a", "[1]", "[0,8]"))}", data: eight)), "8 bytes", "ask for 4")
    assertContains(message(file("{\(tensor("a", "[1]", "[0,4]")),\(tensor("a", "[1]", "[4,8]"))}", data: eight)), "\"a\"", "twice")
    assertContains(message(file("{\(tensor("a", "[4611686018427387904,4]", "[0,8]"))}", data: eight)), "address space")
    assertContains(message(file("{\(tensor("a", "[2]", "[0,8]", type: "F8_E5M2"))}", data: eight)), "F8_E5M2")
    assertContains(message(file("{\(tensor("a", "[2]", "[8,0]"))}", data: eight)), "ascend")
    assertContains(message(file("{\(tensor("a", "[02]", "[0,8]"))}", data: eight)), "whole number")
    assertContains(message(file("{\(tensor("a", "[-2]", "[0,8]"))}", data: eight)), "whole number")
    assertContains(message(file("{\(tensor("a", "[2.0]", "[0,8]"))}", data: eight)), ", or ]")
    assertContains(message(file("{\(tensor("a", "[[2]]", "[0,8]"))}", data: eight)), "whole number")
    assertContains(message(file("{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", data: eight)), "data_offsets")
    assertContains(message(file("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"x\":1}}", data: eight)), "each once")
    assertContains(message(file(" {}")), "expected {")
    assertContains(message(file("{}x")), "the end of the header")
    assertContains(message(file("{\"__metadata__\":{\"a\":1}}")), "a string")
    assertContains(message(file("{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}")), "twice")
    assertContains(message(file("{\"__metadata__\":{},\"__metadata__\":{}}")), "once")
    assertContains(message(file("{\"\\u0000\":{}}")), "zero")
    assertContains(message(file("{\"\\ud800\":{}}")), "escape")
    assertContains(message([12, 0, 0, 0, 0, 0, 0, 0] + [0x7b, 0x22, 0xff, 0x22, 0x3a, 0x7b, 0x7d, 0x7d, 32, 32, 32, 32]), "UTF-8")
    let deep = String(repeating: "[", count: 100_000)
    assertContains(message(file("{\"a\":\(deep)")), "expected {")
  }

  func testHostileBytes() {
    let whole = file(two, data: [7, 0, 0, 128, 63, 0, 0, 0, 192])
    for count in 0..<whole.count {
      var file = gradc_safetensors()
      XCTAssertNotEqual(gradc_safetensors_parse(whole, count, "w", &file, nil), 0, "cut to \(count) bytes")
    }
    for trial in 0..<20000 as Range<UInt64> {
      var bytes = whole
      for change in 0..<2 as Range<UInt64> {
        bytes[Int(gradc_random(trial, change) % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: gradc_random(trial, change + 10))
      }
      var file = gradc_safetensors()
      if gradc_safetensors_parse(bytes, bytes.count, "w", &file, nil) == 0 {
        let size = (0..<file.tensor_count).reduce(0) { $0 + file.tensors[$1].bytes }
        XCTAssertEqual(size, 9)
      }
      gradc_safetensors_free(&file)
    }
  }

  /// Writes one tensor `w` of two floats with the metadata given.
  private func write(_ path: String, _ values: [Float], metadata: [String: String] = [:]) -> RuntimeError? {
    var pairs: [gradc_metadata] = metadata.sorted { $0.key < $1.key }.map { gradc_metadata(key: strdup($0.key), value: strdup($0.value)) }
    let name = strdup("w")
    defer {
      pairs.forEach {
        free($0.key); free($0.value)
      }
      free(name)
    }
    do {
      try values.withUnsafeBytes { bytes in
        var tensor = gradc_safetensor()
        tensor.name = name
        tensor.dtype = GRADC_DTYPE_F32
        tensor.rank = 1
        tensor.dims.0 = Int64(values.count)
        tensor.bytes = bytes.count
        tensor.data = bytes.baseAddress
        try check { gradc_safetensors_write(path, &tensor, 1, &pairs, pairs.count, $0) }
      }
    } catch { return error as? RuntimeError }
    return nil
  }

  func testWritesWhatItReads() throws {
    try withFolder { folder in
      let path = folder + "/w.safetensors"
      let metadata = ["gradc.encoder": "a\tb\n\"\\\u{1}ä", "z": ""]
      XCTAssertNil(write(path, [1.5, -.infinity, 3], metadata: metadata))
      var file = gradc_safetensors()
      try check { gradc_safetensors_read(path, &file, $0) }
      defer { gradc_safetensors_free(&file) }
      for (key, value) in metadata { XCTAssertEqual(String(cString: gradc_safetensors_metadata(&file, key)), value) }
      let w = gradc_safetensors_find(&file, "w")!.pointee
      var values = [Float](repeating: 0, count: 3)
      gradc_convert(w.data, w.dtype, w.count, &values, GRADC_DTYPE_F32)
      XCTAssertEqual(values, [1.5, -.infinity, 3])
      let bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
      XCTAssertEqual((bytes.count - 12) % 8, 0, "data begin at a multiple of 8")
    }
  }

  func testWriteErrorsLoseNothing() throws {
    assertContains(write("/dev/full", [1])?.message ?? "", "/dev/full", "No space left on device")
    try withFolder { folder in
      assertContains(write(folder + "/none/w.safetensors", [1])?.message ?? "", "No such file")
      assertContains(write(folder, [1])?.message ?? "", "folder")
      // The name is as long as a file's name may be, so nothing can be written beside it; what is there must stay.
      let path = folder + "/" + String(repeating: "w", count: 255)
      try "old".write(to: URL(fileURLWithPath: path), atomically: false, encoding: .utf8)
      assertContains(write(path, [1])?.message ?? "", "File name too long")
      XCTAssertEqual(try String(contentsOfFile: path, encoding: .utf8), "old")
      XCTAssertEqual(try FileManager.default.contentsOfDirectory(atPath: folder).count, 1)
    }
  }

  func testReplacesThroughLinks() throws {
    try withFolder { folder in
      XCTAssertNil(write(folder + "/real", [1]))
      try FileManager.default.createSymbolicLink(atPath: folder + "/link", withDestinationPath: folder + "/real")
      XCTAssertNil(write(folder + "/link", [2, 3]))
      var file = gradc_safetensors()
      try check { gradc_safetensors_read(folder + "/real", &file, $0) }
      XCTAssertEqual(file.tensors[0].count, 2)
      gradc_safetensors_free(&file)
      XCTAssertEqual(try FileManager.default.contentsOfDirectory(atPath: folder).sorted(), ["link", "real"])
    }
  }
}
