import Basics
import LoopIR

/// A tensor with its values, outside any program: constants of a model, inputs and outputs of a run.
public struct HostTensor: Hashable, Sendable {
  public var element: ElementType
  /// Empty for a scalar; a size may be 0.
  public var shape: [Int]
  /// Little-endian elements in row-major order.
  public var bytes: [UInt8]

  /// A tensor of the given bytes: `shape`'s product times the element's size.
  public init(_ element: ElementType, _ shape: [Int], bytes: [UInt8]) {
    precondition(bytes.count == shape.reduce(1, *) * element.size)
    self.element = element
    self.shape = shape
    self.bytes = bytes
  }

  /// Whole numbers; one axis unless a shape is given.
  public init(_ values: [Int], shape: [Int]? = nil, element: ElementType = .i64) {
    self.init(element, shape ?? [values.count], bytes: values.flatMap { element.bytes(of: $0) })
  }

  /// Numbers, rounded to the element type; one axis unless a shape is given.
  public init(_ values: [Double], shape: [Int]? = nil, element: ElementType) {
    self.init(element, shape ?? [values.count], bytes: values.flatMap { element.bytes(of: $0) })
  }

  /// Elements.
  public var count: Int { shape.reduce(1, *) }

  /// Its type, with constant dimensions.
  public var type: TensorType { TensorType(element, shape.map { Dimension($0) }) }

  /// The elements as whole numbers; floats are truncated (NaN is 0).
  public var integers: [Int] { (0..<count).map { element.integer(bits: bits($0)) } }

  /// The elements as numbers; i64 and u64 beyond 2^53 are rounded.
  public var doubles: [Double] { (0..<count).map { element.double(bits: bits($0)) } }

  /// The same numbers as another type: floats are rounded; to integers they are truncated and saturate, whole numbers wrap.
  public func converted(to other: ElementType) -> HostTensor {
    if other == element { return self }
    return element.isFloat
      ? HostTensor(doubles, shape: shape, element: other) : HostTensor(integers, shape: shape, element: other)
  }

  /// The bits of an element, zeros above.
  public func bits(_ index: Int) -> UInt64 {
    let size = element.size
    return (0..<size).reduce(0) { $0 | UInt64(bytes[index * size + $1]) << UInt64(8 * $1) }
  }
}

extension ElementType {
  /// Little-endian bytes of the value in this type; integers wrap, floats round.
  func bytes(of value: Int) -> [UInt8] {
    isReal ? bytes(of: Double(value)) : littleEndian(self == .bool ? (value == 0 ? 0 : 1) : UInt64(bitPattern: Int64(value)))
  }

  /// Little-endian bytes of the value in this type; to integers it is truncated and saturates.
  func bytes(of value: Double) -> [UInt8] {
    littleEndian(Arithmetic.cast(value.bitPattern, from: .f64, to: self))
  }

  private func littleEndian(_ bits: UInt64) -> [UInt8] { (0..<size).map { UInt8(truncatingIfNeeded: bits >> UInt64(8 * $0)) } }

  /// The number that these bits mean.
  func double(bits: UInt64) -> Double {
    Double(bitPattern: Arithmetic.cast(bits, from: self, to: .f64))
  }

  /// The whole number that these bits mean.
  func integer(bits: UInt64) -> Int {
    if isReal {
      let value = double(bits: bits)
      return value.isNaN ? 0 : value >= 0x1p63 ? .max : value <= -0x1p63 ? .min : Int(value)
    }
    if isUnsigned || self == .bool { return Int(truncatingIfNeeded: bits) }
    let shift = UInt64(64 - 8 * size)
    return Int(Int64(bitPattern: bits << shift) >> Int64(shift))
  }
}

extension HostTensor {
  /// Large tensors are told apart by their beginnings; equality looks at all.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(element)
    hasher.combine(shape)
    hasher.combine(bytes.count)
    for byte in bytes.prefix(64) { hasher.combine(byte) }
  }

  /// `i32[2]:0100000002000000`: type and bytes.
  var text: String {
    let digits = Array("0123456789abcdef".utf8)
    let hexadecimal = bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
    return "\(element.rawValue)[\(shape.map(String.init).joined(separator: ","))]:" + String(decoding: hexadecimal, as: UTF8.self)
  }

  /// Reads `text`; nil where it is not one.
  init?(text: String) {
    let halves = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    guard halves.count == 2, let open = halves[0].firstIndex(of: "["), halves[0].hasSuffix("]"),
      let element = ElementType(rawValue: String(halves[0][..<open]))
    else { return nil }
    let sizes = halves[0][open...].dropFirst().dropLast().split(separator: ",").map { Int($0) }
    let shape = sizes.compactMap { $0 }
    var count = element.size
    for size in shape {
      let (product, overflow) = count.multipliedReportingOverflow(by: size)
      guard !overflow, size >= 0 else { return nil }
      count = product
    }
    let digits = halves[1].utf8.map { Character(UnicodeScalar($0)).hexDigitValue }
    guard shape.count == sizes.count, digits.count == 2 * count, digits.allSatisfy({ $0 != nil }) else { return nil }
    self.init(element, shape, bytes: stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0]! << 4 | digits[$0 + 1]!) })
  }
}
