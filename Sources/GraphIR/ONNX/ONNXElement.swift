import Basics

extension ElementType {
  /// The element type of a `TensorProto.DataType`; nil for those that gradc has not.
  public init?(onnx dataType: Int) {
    guard let element = ElementType.allCases.first(where: { $0.onnx == dataType }) else { return nil }
    self = element
  }

  /// The number of `TensorProto.DataType`.
  public var onnx: Int {
    switch self {
    case .f32: 1
    case .u8: 2
    case .i8: 3
    case .u16: 4
    case .i16: 5
    case .i32: 6
    case .i64: 7
    case .bool: 9
    case .f16: 10
    case .f64: 11
    case .u32: 12
    case .u64: 13
    case .bf16: 16
    }
  }
}

extension ONNXNode {
  /// The element type of an attribute that holds a `TensorProto.DataType`; nil where it is not given. FLOAT is the model's float type.
  public func element(_ name: String) throws -> ElementType? {
    guard let number = try int(name) else { return nil }
    guard let element = ElementType(onnx: number) else { throw unsupported("attribute '\(name)': element type \(number) is not supported") }
    return element == .f32 ? reader.float : element
  }
}
