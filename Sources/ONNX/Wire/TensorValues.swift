import Basics
import GraphIR

extension TensorMessage {
  /// A tensor of values in memory; they are not copied.
  public init(name: String, _ values: HostTensor) {
    self.init(
      name: name, dims: values.shape.map { Int64($0) }, dataType: Int32(values.element.onnx), contents: .raw(.owned(values.bytes)))
  }

  /// The type of the elements; strings, complex numbers, and numbers of 8 bits and less with a point are unsupported.
  public func elementType() throws -> ElementType {
    if let element = ElementType(onnx: Int(dataType)) { return element }
    let name = TensorDataType(rawValue: dataType).map { "elements \($0.name)" } ?? "elements of the unknown type \(dataType)"
    throw failure("has \(name), which gradc does not support", kind: .unsupported)
  }

  /// The sizes of the dimensions, whose product is known to fit.
  public func shape() throws -> [Int] {
    guard dims.count <= 64 else { throw failure("has \(dims.count) dimensions, expected at most 64") }
    var product = 1
    for size in dims {
      guard size >= 0 else { throw failure("has a dimension of \(size)") }
      let (next, overflow) = product.multipliedReportingOverflow(by: max(1, Int(size)))
      guard !overflow, next <= 1 << 48 else { throw failure("has too many elements: \(dims.map(String.init).joined(separator: "x"))") }
      product = next
    }
    return dims.map { Int($0) }
  }

  /// The values, little endian and row-major. They take no more memory than eight times what they take in the file.
  public func hostTensor() throws -> HostTensor {
    let element = try elementType()
    let shape = try shape()
    let count = shape.reduce(1, *)
    let bytes: [UInt8]
    switch contents {
    case .none:
      guard count == 0 else { throw failure("has no values, expected \(count)") }
      bytes = []
    case .external: throw failure("has its values in another file, which was not read")
    case .raw(let raw):
      guard raw.count == count * element.size else {
        throw failure("has \(raw.count) bytes, expected \(count * element.size) for \(describe(shape, element))", at: raw)
      }
      bytes = raw.withUnsafeBytes { Array($0) }
    case .typed(let field, let message): bytes = try typedBytes(field, message, element, shape)
    }
    if element == .bool, let place = bytes.firstIndex(where: { $0 > 1 }) {
      throw failure("has \(bytes[place]) as element \(place), expected a bool: 0 or 1")
    }
    return HostTensor(element, shape, bytes: bytes)
  }

  /// An error that names the tensor, and the file where that is known.
  private func failure(_ text: String, kind: FailureKind = .input, at bytes: FileBytes? = nil) -> Diagnostic {
    var place = ""
    switch (bytes, contents) {
    case (.mapped(let file, let range)?, _), (nil, .raw(.mapped(let file, let range))), (nil, .typed(_, .mapped(let file, let range))):
      place = "\(file.path): byte \(range.lowerBound): "
    default: break
    }
    return Diagnostic("\(place)the tensor \(quoted(name)) \(text)", kind: kind)
  }

  private func describe(_ shape: [Int], _ element: ElementType) -> String {
    "\(TensorDataType(rawValue: dataType)?.name ?? element.rawValue)[\(shape.map(String.init).joined(separator: ", "))]"
  }

  // MARK: Values in fields of their own

  /// The field in which ONNX puts elements of a type.
  private func expectedField(_ element: ElementType) -> TypedField? {
    switch TensorDataType(rawValue: dataType) {
    case .float: .float
    case .double: .double
    case .int64: .int64
    case .uint32, .uint64: .uint64
    case .int32, .int16, .int8, .uint16, .uint8, .bool, .float16, .bfloat16: .int32
    default: nil
    }
  }

  /// What a whole number of a field may be; floats of 16 bits stand as their bits.
  private func bounds(_ element: ElementType) -> ClosedRange<Int64> {
    switch TensorDataType(rawValue: dataType) {
    case .int8: -0x80...0x7F
    case .uint8: 0...0xFF
    case .int16: -0x8000...0x7FFF
    case .uint16, .float16, .bfloat16: 0...0xFFFF
    case .int32: Int64(Int32.min)...Int64(Int32.max)
    case .uint32: 0...Int64(UInt32.max)
    case .bool: 0...1
    default: .min ... .max
    }
  }

  private func typedBytes(_ field: TypedField, _ message: FileBytes, _ element: ElementType, _ shape: [Int]) throws -> [UInt8] {
    guard field == expectedField(element) else {
      throw failure("has elements \(describe(shape, element)) in \(field.name), expected \(expectedField(element)?.name ?? "raw_data")")
    }
    guard case .mapped(let file, let range) = message else { throw Diagnostic.bug("an encoded tensor outside any file") }
    return try withExtendedLifetime(file) {
      let start = WireReader(WireContext(file: file, folder: nil), message: "TensorProto", range: range, depth: 0)
      let count = shape.reduce(1, *)
      let found = try Self.count(field, start)
      guard found == count else { throw failure("has \(found) values, expected \(count) for \(describe(shape, element))") }
      var bytes: [UInt8] = []
      bytes.reserveCapacity(count * element.size)
      try appendValues(field, element, start, to: &bytes)
      return bytes
    }
  }

  /// How many values a field holds in all its places.
  private static func count(_ typed: TypedField, _ start: WireReader) throws -> Int {
    var reader = start
    var count = 0
    while let field = try reader.next() {
      guard field.number == typed.rawValue else { continue }
      switch (field.form, typed.form) {
      case (.bytes, .varint): count += reader.context.file.bytes[field.range].reduce(0) { $0 + ($1 < 0x80 ? 1 : 0) }
      case (.bytes, .fixed32), (.bytes, .fixed64):
        let size = typed.form == .fixed32 ? 4 : 8
        guard field.range.count % size == 0 else {
          throw reader.failure("\(typed.name) has \(field.range.count) bytes, expected a multiple of \(size)", at: field.offset)
        }
        count += field.range.count / size
      default: count += 1
      }
    }
    return count
  }

  private func appendValues(_ typed: TypedField, _ element: ElementType, _ start: WireReader, to bytes: inout [UInt8]) throws {
    let bounds = bounds(element)
    let size = element.size
    func append(_ value: Int64, _ offset: Int) throws {
      guard bounds.contains(value) else { throw start.failure("\(typed.name) holds \(value), expected \(bounds)", at: offset) }
      for shift in 0..<size { bytes.append(UInt8(truncatingIfNeeded: value >> Int64(8 * shift))) }
    }
    var reader = start
    while let field = try reader.next() {
      guard field.number == typed.rawValue else { continue }
      switch typed.form {
      case .varint where field.form == .varint: try append(Int64(bitPattern: field.bits), field.offset)
      case .varint: try reader.eachPacked(field) { try append($0, field.offset) }
      // One value or several: the bytes are those of the numbers.
      default: bytes.append(contentsOf: reader.context.file.bytes[field.range])
      }
    }
  }
}

extension SparseTensorMessage {
  /// The largest tensor that is filled with zeros, in bytes.
  private static let largest = 256 << 20

  /// The tensor with its zeros, under the name of its values.
  public func hostTensor() throws -> HostTensor {
    let values = try values.hostTensor()
    let indices = try indices.hostTensor()
    let size = values.element.size
    let shape = try TensorMessage(name: self.values.name, dims: dims, dataType: self.values.dataType, contents: .none).shape()
    let name = quoted(self.values.name)
    let count = shape.reduce(1, *)
    guard values.shape.count == 1 else {
      throw Diagnostic("the sparse tensor \(name) has values of \(values.shape.count) dimensions, expected 1")
    }
    guard count * size <= Self.largest else {
      throw Diagnostic("the sparse tensor \(name) would take \(count * size) bytes, expected at most \(Self.largest)")
    }
    let number = values.count
    guard indices.element == .i64, indices.shape == [number] || indices.shape == [number, shape.count] else {
      throw Diagnostic(
        "the sparse tensor \(name) has indices of another shape than [\(number)] or [\(number), \(shape.count)], or not INT64")
    }
    var bytes = [UInt8](repeating: 0, count: count * size)
    let positions = indices.integers
    var last = -1
    for k in 0..<number {
      var flat = 0
      if indices.shape.count == 1 {
        flat = positions[k]
      } else {
        for (axis, extent) in shape.enumerated() {
          let index = positions[k * shape.count + axis]
          guard index >= 0, index < extent else {
            throw Diagnostic("the sparse tensor \(name) has an index \(index) outside 0..<\(extent)")
          }
          flat = flat * extent + index
        }
      }
      guard flat > last, flat < count else {
        throw Diagnostic("the sparse tensor \(name) has index \(flat) after \(last), expected ascending ones below \(count)")
      }
      last = flat
      bytes.replaceSubrange(flat * size..<(flat + 1) * size, with: values.bytes[k * size..<(k + 1) * size])
    }
    return HostTensor(values.element, shape, bytes: bytes)
  }
}
