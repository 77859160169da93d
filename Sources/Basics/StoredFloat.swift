/// Conversions of f16 and bf16 (`ElementType.isStoredFloat`), bit for bit as the emitted C has them.
public enum StoredFloat {
  /// The number that the bits stand for; exact.
  public static func single(_ bits: UInt16, _ element: ElementType) -> Float {
    guard element == .f16 else { return Float(bitPattern: UInt32(bits) << 16) }
    let sign = UInt32(bits & 0x8000) << 16
    let magnitude = UInt32(bits & 0x7FFF) << 13
    // The exponents differ by 112; the product is exact for subnormal numbers too.
    let scaled = Float(bitPattern: magnitude) * 0x1p112
    let wide = magnitude >= 0x0F80_0000 ? magnitude | 0x7F80_0000 : scaled.bitPattern
    return Float(bitPattern: wide | sign)
  }

  /// The bits of the nearest number, to even at a tie; NaN stays NaN with the upper bits of its payload.
  public static func bits(_ value: Float, _ element: ElementType) -> UInt16 {
    let wide = value.bitPattern
    let magnitude = wide & 0x7FFF_FFFF
    if element == .bf16 {
      let rounded = magnitude > 0x7F80_0000 ? wide | 0x40_0000 : wide &+ 0x7FFF &+ (wide >> 16 & 1)
      return UInt16(truncatingIfNeeded: rounded >> 16)
    }
    let sign = wide >> 16 & 0x8000
    let narrow: UInt32
    if magnitude > 0x7F80_0000 {
      narrow = 0x7E00 | (magnitude >> 13 & 0x3FF)
    } else if magnitude >= 0x477F_F000 {
      narrow = 0x7C00
    } else if magnitude < 0x3880_0000 {
      // Half a unit of 0.5 is that of the least subnormal number: the addition rounds.
      narrow = (Float(bitPattern: magnitude) + 0.5).bitPattern - 0x3F00_0000
    } else {
      narrow = (magnitude - 0x3800_0000 + 0xFFF + (magnitude >> 13 & 1)) >> 13
    }
    return UInt16(truncatingIfNeeded: sign | narrow)
  }
}
