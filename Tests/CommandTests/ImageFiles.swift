import Foundation

/// Image files for tests, written byte by byte.
enum ImageFiles {
  private static func bigEndian(_ value: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }

  /// IDX: images [count, height, width], or labels when there are no sides.
  static func idx(_ bytes: [UInt8], dims: [Int]) -> Data {
    Data([0, 0, 8, UInt8(dims.count)] + dims.flatMap(bigEndian) + bytes)
  }

  /// A PNG file of 8-bit grey or RGB pixels, stored without compression.
  static func png(_ pixels: [UInt8], height: Int, width: Int, channels: Int = 1) -> Data {
    let rows = (0..<height).flatMap { [0] + pixels[$0 * width * channels..<($0 + 1) * width * channels] }
    precondition(rows.count < 65_536)
    let length = [UInt8(rows.count & 255), UInt8(rows.count >> 8)]
    let (a, b) = rows.reduce((1, 0)) { sums, byte in
      let first = (sums.0 + Int(byte)) % 65_521
      return (first, (sums.1 + first) % 65_521)
    }
    let stream = [0x78, 0x01, 1] + length + length.map { ~$0 } + rows + bigEndian(b << 16 | a)
    let header = bigEndian(width) + bigEndian(height) + [8, channels == 3 ? 2 : 0, 0, 0, 0]
    return Data([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A] + chunk("IHDR", header) + chunk("IDAT", stream) + chunk("IEND", []))
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
