/// A small picture as a PNG file (ISO/IEC 15948), stored without compression: pictures of reports have a few kilobytes.
struct PortableNetworkGraphics {
  let bytes: [UInt8]

  /// Gray (one channel) or RGB (three), 8 bits each, rows from the top.
  init(width: Int, height: Int, channels: Int, pixels: [UInt8]) {
    precondition((channels == 1 || channels == 3) && pixels.count == width * height * channels)
    var scanlines: [UInt8] = []
    scanlines.reserveCapacity(height * (1 + width * channels))
    for row in 0..<height {
      // Filter type 0: the bytes as they are.
      scanlines.append(0)
      scanlines += pixels[row * width * channels..<(row + 1) * width * channels]
    }
    let header = Self.bigEndian(UInt32(width)) + Self.bigEndian(UInt32(height)) + [8, channels == 1 ? 0 : 2, 0, 0, 0]
    bytes =
      [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A] + Self.chunk("IHDR", header) + Self.chunk("IDAT", Self.stored(scanlines))
      + Self.chunk("IEND", [])
  }

  /// As an address that holds the picture itself.
  var dataAddress: String { "data:image/png;base64," + Self.base64(bytes) }

  private static func chunk(_ name: String, _ content: [UInt8]) -> [UInt8] {
    let body = Array(name.utf8) + content
    return bigEndian(UInt32(content.count)) + body + bigEndian(checksum(body))
  }

  /// A zlib stream (RFC 1950) of stored blocks (RFC 1951).
  private static func stored(_ content: [UInt8]) -> [UInt8] {
    var stream: [UInt8] = [0x78, 0x01]
    var begin = 0
    repeat {
      let count = min(65535, content.count - begin)
      let isLast: UInt8 = begin + count == content.count ? 1 : 0
      let (low, high) = (UInt8(count & 0xFF), UInt8(count >> 8))
      stream += [isLast, low, high, ~low, ~high] + content[begin..<begin + count]
      begin += count
    } while begin < content.count
    var (a, b): (UInt32, UInt32) = (1, 0)
    for byte in content {
      a = (a + UInt32(byte)) % 65521
      b = (b + a) % 65521
    }
    return stream + bigEndian(b << 16 | a)
  }

  /// The cyclic redundancy check of chunks, reflected polynomial 0xEDB88320.
  private static func checksum(_ bytes: [UInt8]) -> UInt32 {
    var remainder = UInt32.max
    for byte in bytes { remainder = table[Int((remainder ^ UInt32(byte)) & 0xFF)] ^ remainder >> 8 }
    return ~remainder
  }

  private static let table: [UInt32] = (0..<256).map { index in
    (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
  }

  private static func bigEndian(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * UInt32($0))) } }

  /// RFC 4648.
  static func base64(_ bytes: [UInt8]) -> String {
    let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    var text: [UInt8] = []
    text.reserveCapacity((bytes.count + 2) / 3 * 4)
    for begin in stride(from: 0, to: bytes.count, by: 3) {
      let count = min(3, bytes.count - begin)
      let word = (0..<3).reduce(0) { $0 << 8 | ($1 < count ? Int(bytes[begin + $1]) : 0) }
      for index in 0..<4 { text.append(index <= count ? letters[word >> (18 - 6 * index) & 63] : UInt8(ascii: "=")) }
    }
    return String(decoding: text, as: UTF8.self)
  }
}
