import Basics
import LoopIR

/// Turns an operator's stored properties into attributes: numbers, bools, words (enums of strings), dimensions, types, lists of these.
struct AttributeEncoder: Encoder {
  /// What a value wrote of itself; containers share it, as `Encoder` asks.
  final class Storage {
    var fields: [NamedAttribute] = []
    var items: [Attribute]?
    var single: Attribute?
  }

  let storage = Storage()
  var codingPath: [CodingKey] { [] }
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  static func attributes(of op: any Operator) throws -> [NamedAttribute] {
    let encoder = AttributeEncoder()
    try op.encode(to: encoder)
    return encoder.storage.fields
  }

  /// The attribute that stands for a value.
  static func attribute(_ value: some Encodable) throws -> Attribute {
    if let dimension = value as? Dimension { return .dimension(dimension) }
    if let type = value as? TensorType { return .type(type) }
    if let body = value as? LoopBody { return .graph(body) }
    let encoder = AttributeEncoder()
    try value.encode(to: encoder)
    if let single = encoder.storage.single { return single }
    guard let items = encoder.storage.items else { throw TypeError("an attribute of type \(type(of: value)) has no text form") }
    return .list(items)
  }

  func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
    KeyedEncodingContainer(Fields(storage: storage))
  }

  func unkeyedContainer() -> UnkeyedEncodingContainer {
    if storage.items == nil { storage.items = [] }
    return Items(storage: storage)
  }

  func singleValueContainer() -> SingleValueEncodingContainer { Single(storage: storage) }

  private struct Fields<Key: CodingKey>: KeyedEncodingContainerProtocol {
    let storage: Storage
    var codingPath: [CodingKey] { [] }

    mutating func encodeNil(forKey key: Key) {}

    mutating func encode(_ value: some Encodable, forKey key: Key) throws {
      storage.fields.append(NamedAttribute(snakeCase(key.stringValue), try AttributeEncoder.attribute(value)))
    }

    mutating func nestedContainer<Nested: CodingKey>(
      keyedBy keyType: Nested.Type, forKey key: Key
    ) -> KeyedEncodingContainer<Nested> { AttributeEncoder().container(keyedBy: keyType) }

    mutating func nestedUnkeyedContainer(forKey key: Key) -> UnkeyedEncodingContainer { AttributeEncoder().unkeyedContainer() }
    mutating func superEncoder() -> Encoder { AttributeEncoder() }
    mutating func superEncoder(forKey key: Key) -> Encoder { AttributeEncoder() }
  }

  private struct Items: UnkeyedEncodingContainer {
    let storage: Storage
    var codingPath: [CodingKey] { [] }
    var count: Int { storage.items?.count ?? 0 }

    mutating func encodeNil() throws { throw TypeError("a list of attributes holds no nil") }
    mutating func encode(_ value: some Encodable) throws { storage.items?.append(try AttributeEncoder.attribute(value)) }

    mutating func nestedContainer<Nested: CodingKey>(keyedBy keyType: Nested.Type) -> KeyedEncodingContainer<Nested> {
      AttributeEncoder().container(keyedBy: keyType)
    }

    mutating func nestedUnkeyedContainer() -> UnkeyedEncodingContainer { AttributeEncoder().unkeyedContainer() }
    mutating func superEncoder() -> Encoder { AttributeEncoder() }
  }

  private struct Single: SingleValueEncodingContainer {
    let storage: Storage
    var codingPath: [CodingKey] { [] }

    mutating func encodeNil() throws { throw TypeError("an attribute is not nil") }
    mutating func encode(_ value: Bool) { storage.single = .bool(value) }
    mutating func encode(_ value: String) { storage.single = .word(value) }
    mutating func encode(_ value: Double) { storage.single = .number(value) }
    mutating func encode(_ value: Int) { storage.single = .integer(value) }
    mutating func encode(_ value: UInt64) { storage.single = Int(exactly: value).map { .integer($0) } ?? .unsigned(value) }
    mutating func encode(_ value: some Encodable) throws {
      throw TypeError("an attribute of type \(type(of: value)) has no text form")
    }
  }
}
