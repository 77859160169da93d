import Basics
import CRuntime
import Glibc

extension Tensor {
  /// Writes arrays into one `.npz` file: a zip archive (PKWARE's APPNOTE 6.3.10) of stored `.npy` files, as `numpy.savez` makes it, without
  /// dates. Past the 4 GiB of its first version it is refused.
  public static func writeArchive(_ tensors: [Tensor], to path: String) throws {
    var archive = Archive()
    for tensor in tensors { try archive.add(tensor.name + ".npy", tensor.header + tensor.bytes) }
    let bytes = archive.finished()
    try bytes.withUnsafeBytes { raw in
      var span = gradc_span(data: raw.baseAddress, bytes: raw.count)
      try callRuntime { gradc_write_file(path, &span, 1, $0) }
    }
  }

  /// The beginning of an `.npy` file (NumPy's format 1.0): magic, version, length, type and shape; elements begin at a multiple of 64.
  private var header: [UInt8] {
    let sizes = dims.count == 1 ? "\(dims[0])," : dims.map(String.init).joined(separator: ", ")
    let text = "{'descr': '\(numpyType)', 'fortran_order': False, 'shape': (\(sizes)), }"
    let blanks = 63 - (10 + text.utf8.count) % 64
    let line = Array(text.utf8) + [UInt8](repeating: 0x20, count: blanks) + [0x0A]
    return [0x93] + Array("NUMPY".utf8) + [1, 0] + littleEndian(line.count, 2) + line
  }

  /// NumPy's name of the elements; bfloat16, which it has not, as whole numbers.
  private var numpyType: String {
    switch dtype {
    case GRADC_DTYPE_F64: "<f8"
    case GRADC_DTYPE_F32: "<f4"
    case GRADC_DTYPE_F16: "<f2"
    case GRADC_DTYPE_I64: "<i8"
    case GRADC_DTYPE_I32: "<i4"
    case GRADC_DTYPE_I16: "<i2"
    case GRADC_DTYPE_I8: "|i1"
    case GRADC_DTYPE_U64: "<u8"
    case GRADC_DTYPE_U32: "<u4"
    case GRADC_DTYPE_U8: "|u1"
    case GRADC_DTYPE_BOOL: "|b1"
    default: "<u2"
    }
  }
}

private func littleEndian(_ value: Int, _ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }

/// A zip archive that is being put together, its members stored as they are.
private struct Archive {
  private var bytes: [UInt8] = []
  private var directory: [UInt8] = []
  private var count = 0

  private static let limit = 0xFFFF_FFFF

  mutating func add(_ name: String, _ contents: [UInt8]) throws {
    guard bytes.count + directory.count + contents.count + 1024 <= Self.limit, count < 0xFFFF, name.utf8.count <= 0xFFFF else {
      throw Diagnostic("the weights are too many for an .npz file (4 GiB and 65,535 arrays): write a .safetensors file")
    }
    // Version 2.0, names in UTF-8, stored, 1 January 1980.
    let common =
      littleEndian(20, 2) + littleEndian(0x800, 2) + littleEndian(0, 2) + littleEndian(0, 2) + littleEndian(0x21, 2)
      + littleEndian(Int(Self.checksum(contents)), 4) + littleEndian(contents.count, 4) + littleEndian(contents.count, 4)
      + littleEndian(name.utf8.count, 2)
    let offset = bytes.count
    bytes += [0x50, 0x4B, 3, 4] + common + littleEndian(0, 2) + Array(name.utf8)
    bytes += contents
    // No extra field, no comment, disk 0, no attributes.
    directory += [0x50, 0x4B, 1, 2] + littleEndian(20, 2) + common + littleEndian(0, 12) + littleEndian(offset, 4) + Array(name.utf8)
    count += 1
  }

  func finished() -> [UInt8] {
    let counts = littleEndian(0, 4) + littleEndian(count, 2) + littleEndian(count, 2)
    return bytes + directory + [0x50, 0x4B, 5, 6] + counts + littleEndian(directory.count, 4) + littleEndian(bytes.count, 4) + [0, 0]
  }

  /// The checksum of zip: CRC-32 of the polynomial 0xEDB88320.
  private static func checksum(_ bytes: [UInt8]) -> UInt32 {
    bytes.withUnsafeBufferPointer { bytes in
      ~bytes.reduce(~UInt32(0)) { table[Int(UInt8(truncatingIfNeeded: $0) ^ $1)] ^ $0 >> 8 }
    }
  }

  private static let table: [UInt32] = (0..<256).map { byte in
    (0..<8).reduce(UInt32(byte)) { value, _ in value & 1 == 0 ? value >> 1 : value >> 1 ^ 0xEDB8_8320 }
  }
}
