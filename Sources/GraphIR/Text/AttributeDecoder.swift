import Basics
import LoopIR

/// Gives an operator its stored properties from attributes.
struct AttributeDecoder: Decoder {
  enum Source {
    case fields([NamedAttribute])
    case value(Attribute)
  }

  /// Whole numbers beyond this are refused: no axis, count or size is that large, and sums and products of a few stay in range.
  static let largestInteger = 1 << 31

  let source: Source
  /// The operator, and the attribute in it, for messages.
  let path: String

  init(_ source: Source, path: String) {
    self.source = source
    self.path = path
  }

  var codingPath: [CodingKey] { [] }
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
    guard case .fields(let fields) = source else { throw TypeError("\(path) has no text form") }
    return KeyedDecodingContainer(Fields(fields: fields, path: path))
  }

  func unkeyedContainer() throws -> UnkeyedDecodingContainer {
    guard case .value(.list(let items)) = source else { throw mismatch("a list") }
    return Items(items: items, path: path)
  }

  func singleValueContainer() throws -> SingleValueDecodingContainer {
    guard case .value(let value) = source else { throw TypeError("\(path) has no text form") }
    return Single(value: value, decoder: self)
  }

  fileprivate func mismatch(_ expected: String) -> TypeError {
    guard case .value(let value) = source else { return TypeError("\(path) must be \(expected)") }
    return TypeError("\(path) must be \(expected), got \(value)")
  }

  /// The value of an attribute.
  fileprivate static func decode<T: Decodable>(_ type: T.Type, _ value: Attribute, path: String) throws -> T {
    let decoder = AttributeDecoder(.value(value), path: path)
    if type == Dimension.self { return try decoder.dimension() as! T }
    if type == TensorType.self {
      guard case .type(let type) = value else { throw decoder.mismatch("a type such as f32[N, 16]") }
      return type as! T
    }
    if type == LoopBody.self {
      guard case .graph(let body) = value else { throw decoder.mismatch("a graph { … }") }
      return body as! T
    }
    return try T(from: decoder)
  }

  private func dimension() throws -> Dimension {
    switch source {
    case .value(.dimension(let dimension)): return dimension
    case .value(.integer(let size)) where (0...Self.largestInteger).contains(size): return Dimension(size)
    case .value(.word(let symbol)): return Dimension(1, symbol: symbol.lowercased())
    default: throw mismatch("a size such as 16, N or 64*N")
    }
  }

  private struct Fields<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let fields: [NamedAttribute]
    let path: String
    var codingPath: [CodingKey] { [] }
    var allKeys: [Key] { fields.compactMap { Key(stringValue: $0.name) } }

    func find(_ key: Key) -> Attribute? { fields.first { $0.name == snakeCase(key.stringValue) }?.value }
    func contains(_ key: Key) -> Bool { find(key) != nil }
    func decodeNil(forKey key: Key) -> Bool { find(key) == nil }

    func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T {
      let name = snakeCase(key.stringValue)
      guard let value = find(key) else {
        if let absent = false as? T { return absent }
        throw TypeError("\(path) needs the attribute '\(name)'")
      }
      return try AttributeDecoder.decode(type, value, path: "\(path): '\(name)'")
    }

    func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type, forKey key: Key) throws -> KeyedDecodingContainer<Nested> {
      throw TypeError("\(path) has no text form")
    }

    func nestedUnkeyedContainer(forKey key: Key) throws -> UnkeyedDecodingContainer { throw TypeError("\(path) has no text form") }
    func superDecoder() throws -> Decoder { throw TypeError("\(path) has no text form") }
    func superDecoder(forKey key: Key) throws -> Decoder { throw TypeError("\(path) has no text form") }
  }

  private struct Items: UnkeyedDecodingContainer {
    let items: [Attribute]
    let path: String
    var currentIndex = 0
    var codingPath: [CodingKey] { [] }
    var count: Int? { items.count }
    var isAtEnd: Bool { currentIndex >= items.count }

    init(items: [Attribute], path: String) {
      self.items = items
      self.path = path
    }

    mutating func decodeNil() -> Bool { false }

    mutating func decode<T: Decodable>(_ type: T.Type) throws -> T {
      guard !isAtEnd else { throw TypeError("\(path) has too few items") }
      defer { currentIndex += 1 }
      return try AttributeDecoder.decode(type, items[currentIndex], path: path)
    }

    mutating func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) throws -> KeyedDecodingContainer<Nested> {
      throw TypeError("\(path) has no text form")
    }

    mutating func nestedUnkeyedContainer() throws -> UnkeyedDecodingContainer { throw TypeError("\(path) has no text form") }
    mutating func superDecoder() throws -> Decoder { throw TypeError("\(path) has no text form") }
  }

  private struct Single: SingleValueDecodingContainer {
    let value: Attribute
    let decoder: AttributeDecoder
    var codingPath: [CodingKey] { [] }

    func decodeNil() -> Bool { false }

    func decode(_ type: Bool.Type) throws -> Bool {
      guard case .bool(let value) = value else { throw decoder.mismatch("true or false") }
      return value
    }

    func decode(_ type: String.Type) throws -> String {
      guard case .word(let word) = value else { throw decoder.mismatch("a word") }
      return word
    }

    func decode(_ type: Double.Type) throws -> Double {
      switch value {
      case .number(let value): return value
      case .integer(let value): return Double(value)
      default: throw decoder.mismatch("a number")
      }
    }

    func decode(_ type: Int.Type) throws -> Int {
      guard case .integer(let value) = value, value.magnitude <= UInt(AttributeDecoder.largestInteger) else {
        throw decoder.mismatch("a whole number of at most \(AttributeDecoder.largestInteger)")
      }
      return value
    }

    func decode(_ type: UInt64.Type) throws -> UInt64 {
      switch value {
      case .integer(let value) where value >= 0: return UInt64(value)
      case .unsigned(let value): return value
      default: throw decoder.mismatch("a whole number that is not negative")
      }
    }

    func decode<T: Decodable>(_ type: T.Type) throws -> T {
      throw TypeError("\(decoder.path): attributes of type \(type) have no text form")
    }
  }
}
