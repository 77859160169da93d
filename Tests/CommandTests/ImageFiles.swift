import Foundation

/// Image files for tests, written byte by byte.
enum ImageFiles {
  private static func bigEndian(_ value: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }

  /// IDX: images [count, height, width], or labels when there are no sides.
  static func idx(_ bytes: [UInt8], dims: [Int]) -> Data {
    var file: [UInt8] = [0, 0, 8, UInt8(dims.count)]
    for size in dims { file += bigEndian(size) }
    return Data(file + bytes)
  }

  /// A PNG file of 8-bit grey or RGB pixels, stored without compression.
  static func png(_ pixels: [UInt8], height: Int, width: Int, channels: Int = 1) -> Data {
    let rowBytes = width * channels
    var rows: [UInt8] = []
    for row in 0..<height {
      rows.append(0)
      rows += pixels[row * rowBytes..<(row + 1) * rowBytes]
    }
    precondition(rows.count < 65_536)
    var (a, b) = (1, 0)
    for byte in rows {
      a = (a + Int(byte)) % 65_521
      b = (b + a) % 65_521
    }
    let length: [UInt8] = [UInt8(rows.count & 255), UInt8(rows.count >> 8)]
    var stream: [UInt8] = [0x78, 0x01, 1]
    stream += length
    stream += length.map { ~$0 }
    stream += rows
    stream += bigEndian(b << 16 | a)
    var header = bigEndian(width) + bigEndian(height)
    header += [8, channels == 3 ? 2 : 0, 0, 0, 0]
    var file: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
    file += chunk("IHDR", header)
    file += chunk("IDAT", stream)
    file += chunk("IEND", [])
    return Data(file)
  }

  private static func chunk(_ kind: String, _ content: [UInt8]) -> [UInt8] {
    let body = Array(kind.utf8) + content
    var crc: UInt32 = 0xFFFF_FFFF
    for byte in body {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
    }
    return bigEndian(content.count) + body + bigEndian(Int(~crc))
  }
}
