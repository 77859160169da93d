import CRuntime
import Foundation
import XCTest

final class NPYTests: XCTestCase {
  /// numpy.save of arange(6, dtype='>i2').reshape(2, 3) in Fortran order, as NumPy 2 wrote it.
  private let bigEndianFortran: [UInt8] = {
    let header = "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }"
    let padded = header + String(repeating: " ", count: 117 - header.count) + "\n"
    return [0x93] + Array("NUMPY".utf8) + [1, 0, 0x76, 0] + Array(padded.utf8) + [0, 0, 0, 3, 0, 1, 0, 4, 0, 2, 0, 5]
  }()

  private func parse(_ bytes: [UInt8], _ body: (inout gradc_array) throws -> Void) throws {
    var array = gradc_array()
    try check { gradc_npy_parse(bytes, bytes.count, "a.npy", &array, $0) }
    defer { gradc_array_free(&array) }
    try body(&array)
  }

  private func values(_ array: gradc_array) -> [Double] {
    var values = [Double](repeating: 0, count: array.count)
    gradc_convert(array.data, array.dtype, array.count, &values, GRADC_DTYPE_F64)
    return values
  }

  private func file(_ header: String, version: UInt8 = 1, data: [UInt8] = []) -> [UInt8] {
    let length = header.utf8.count
    let size = version == 1 ? [UInt8(length & 255), UInt8(length >> 8)] : [UInt8(length & 255), UInt8(length >> 8), 0, 0]
    return [0x93] + Array("NUMPY".utf8) + [version, 0] + size + Array(header.utf8) + data
  }

  func testFortranAndBigEndian() throws {
    try parse(bigEndianFortran) { array in
      XCTAssertEqual([array.rank], [2])
      XCTAssertEqual([gradc_array_dim(&array, 0), gradc_array_dim(&array, 1)], [2, 3])
      XCTAssertEqual(values(array), [0, 1, 2, 3, 4, 5])
    }
  }

  func testVersionsAndScalars() throws {
    for version in [1, 2, 3] as [UInt8] {
      try parse(file("{'descr':'|u1','fortran_order':False,'shape':()}", version: version, data: [9])) { array in
        XCTAssertEqual(array.rank, 0)
        XCTAssertEqual(values(array), [9])
      }
    }
    try parse(file("{\"shape\": (3,), \"descr\": \"|b1\", \"fortran_order\": False}", data: [0, 1, 2])) { array in
      XCTAssertEqual(values(array), [0, 1, 1])
    }
    try parse(file("{'descr': '<f2', 'fortran_order': False, 'shape': (3,)}", data: [0x00, 0x3c, 0x01, 0x00, 0x00, 0xc1])) { array in
      XCTAssertEqual(values(array), [1, 5.960464477539063e-08, -2.5])
    }
    try parse(file("{'descr': '<f8', 'fortran_order': False, 'shape': (0, 4)}")) { array in XCTAssertEqual(array.count, 0) }
  }

  func testWritesWhatItReads() throws {
    try withFolder { folder in
      let path = folder + "/x.npy"
      var array = gradc_array()
      try check { gradc_array_create(GRADC_DTYPE_F64, [2, 3], 2, &array, $0) }
      defer { gradc_array_free(&array) }
      let expected = [0.1, -2, 3e300, .leastNonzeroMagnitude, 5, -0.0]
      expected.withUnsafeBytes { array.data.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
      try check { gradc_npy_write(path, &array, $0) }
      var again = gradc_array()
      try check { gradc_npy_read(path, &again, $0) }
      defer { gradc_array_free(&again) }
      XCTAssertEqual(values(again), expected)
      let bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
      XCTAssertEqual(bytes.count, 128 + 48)
      XCTAssertEqual(
        String(decoding: bytes[10..<128], as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines),
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }")
      XCTAssertEqual(try FileManager.default.contentsOfDirectory(atPath: folder), ["x.npy"])
    }
  }

  func testErrors() {
    func message(_ bytes: [UInt8]) -> String {
      var array = gradc_array()
      return failure { gradc_npy_parse(bytes, bytes.count, "a.npy", &array, $0) }
    }
    assertContains(message([]), "a.npy", "no .npy file")
    assertContains(message(file("{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}")), "<c8", "not supported")
    assertContains(message(file("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}")), "records")
    assertContains(message(file("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", data: [0, 0, 0, 0])), "8 bytes", "has 4")
    assertContains(message(file("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", data: [0, 0, 0, 0, 0])), "has 5")
    assertContains(message(file("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}")), "dimension")
    assertContains(message(file("{'descr': '<f4', 'fortran_order': False}")), "all of")
    assertContains(message(file("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': ()}")), "once")
    let huge = "4611686018427387904"
    assertContains(message(file("{'descr': '<f8', 'fortran_order': False, 'shape': (\(huge), \(huge))}")), "larger than the address space")
    assertContains(message(file("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999,)}")), "smaller")
    assertContains(message([0x93] + Array("NUMPY".utf8) + [2, 0, 0xff, 0xff, 0xff, 0xff, 0x7b]), "announced")
    assertContains(message(file("{}", version: 9)), "version 9")
  }

  /// Every cut and every changed byte gives an array or an error.
  func testHostileBytes() {
    for count in 0..<bigEndianFortran.count {
      var array = gradc_array()
      XCTAssertNotEqual(gradc_npy_parse(bigEndianFortran, count, "a", &array, nil), 0, "cut to \(count) bytes")
    }
    for trial in 0..<20000 as Range<UInt64> {
      var bytes = bigEndianFortran
      for change in 0..<2 as Range<UInt64> {
        bytes[Int(gradc_random(trial, change) % 75)] = UInt8(truncatingIfNeeded: gradc_random(trial, change + 10))
      }
      var array = gradc_array()
      if gradc_npy_parse(bytes, bytes.count, "a", &array, nil) == 0 { XCTAssertEqual(array.bytes, 12) }
      gradc_array_free(&array)
    }
  }

  func testConversions() {
    func convert<From, To>(_ from: From, _ dtype: gradc_dtype, _ to: gradc_dtype, _ zero: To) -> To {
      var result = zero
      withUnsafePointer(to: from) { from in withUnsafeMutablePointer(to: &result) { gradc_convert(from, dtype, 1, $0, to) } }
      return result
    }
    XCTAssertEqual(convert(300.0, GRADC_DTYPE_F64, GRADC_DTYPE_U8, UInt8(0)), 255)
    XCTAssertEqual(convert(-2.5, GRADC_DTYPE_F64, GRADC_DTYPE_I8, Int8(0)), -2)
    XCTAssertEqual(convert(1e300, GRADC_DTYPE_F64, GRADC_DTYPE_I64, Int64(0)), .max)
    XCTAssertEqual(convert(Double.nan, GRADC_DTYPE_F64, GRADC_DTYPE_I32, Int32(7)), 0)
    XCTAssertEqual(convert(Int64.min, GRADC_DTYPE_I64, GRADC_DTYPE_U64, UInt64(9)), 0)
    XCTAssertEqual(convert(UInt64.max, GRADC_DTYPE_U64, GRADC_DTYPE_I64, Int64(0)), .max)
    XCTAssertEqual(convert(UInt16(0x3fc0), GRADC_DTYPE_BF16, GRADC_DTYPE_F32, Float(0)), 1.5)
    XCTAssertEqual(convert(UInt16(0x7c00), GRADC_DTYPE_F16, GRADC_DTYPE_F64, 0.0), .infinity)
    XCTAssertEqual(convert(Int64(9_007_199_791_611_905), GRADC_DTYPE_I64, GRADC_DTYPE_F32, Float(0)), 9_007_200_328_482_816)
    // NumPy 2's float16, and torch.bfloat16.
    for (value, half, brain) in [
      (1.0, 0x3C00, 0x3F80), (-2.5, 0xC100, 0xC020), (65519.0, 0x7BFF, 0x4780), (65520.0, 0x7C00, 0x4780), (1e-7, 0x0002, 0x33D7),
      (6.1e-5, 0x03FF, 0x3880), (2.9802322387695312e-8, 0, 0x3300), (0.1, 0x2E66, 0x3DCD), (1.00390625, 0x3C04, 0x3F80),
      (1.01171875, 0x3C0C, 0x3F82), (-.infinity, 0xFC00, 0xFF80), (3.4e38, 0x7C00, 0x7F80),
    ] as [(Double, UInt16, UInt16)] {
      XCTAssertEqual(convert(value, GRADC_DTYPE_F64, GRADC_DTYPE_F16, UInt16(0)), half, "\(value)")
      XCTAssertEqual(convert(value, GRADC_DTYPE_F64, GRADC_DTYPE_BF16, UInt16(0)), brain, "\(value)")
    }
    XCTAssertTrue(
      convert(convert(Float.nan, GRADC_DTYPE_F32, GRADC_DTYPE_F16, UInt16(0)), GRADC_DTYPE_F16, GRADC_DTYPE_F32, Float(0)).isNaN)
    XCTAssertTrue(
      convert(convert(Float.nan, GRADC_DTYPE_F32, GRADC_DTYPE_BF16, UInt16(0)), GRADC_DTYPE_BF16, GRADC_DTYPE_F32, Float(0)).isNaN)
  }
}
