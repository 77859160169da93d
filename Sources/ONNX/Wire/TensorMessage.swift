/// A constant tensor (TensorProto). The numbers stay where they are in the file until they are asked for.
public struct TensorMessage: Equatable, Sendable {
  /// Where the numbers are.
  public enum Contents: Equatable, Sendable {
    /// Nothing is given: right for a tensor without elements alone.
    case none
    /// raw_data: little endian, row-major.
    case raw(FileBytes)
    /// float_data, int32_data, string_data, int64_data, double_data or uint64_data: the whole encoded TensorProto, in which they stand
    /// packed or one by one.
    case typed(field: TypedField, message: FileBytes)
    /// In another file: entries `location`, `offset`, `length`, `checksum`.
    case external([StringEntry])
  }

  /// The repeated fields that hold numbers one by one; the raw value is the field's number.
  public enum TypedField: Int, Sendable, CaseIterable {
    case float = 4, int32 = 5, string = 6, int64 = 7, double = 10, uint64 = 11

    /// The field's name in ONNX.
    public var name: String {
      switch self {
      case .float: "float_data"
      case .int32: "int32_data"
      case .string: "string_data"
      case .int64: "int64_data"
      case .double: "double_data"
      case .uint64: "uint64_data"
      }
    }
  }

  public var name: String
  public var dims: [Int64]
  /// A number of `TensorDataType`, or one that this version of gradc does not know.
  public var dataType: Int32
  public var contents: Contents
  public var docString: String
  public var metadataProps: [StringEntry]

  /// A constant tensor.
  public init(
    name: String = "", dims: [Int64], dataType: Int32, contents: Contents, docString: String = "", metadataProps: [StringEntry] = []
  ) {
    self.name = name
    self.dims = dims
    self.dataType = dataType
    self.contents = contents
    self.docString = docString
    self.metadataProps = metadataProps
  }
}

/// A constant tensor that is mostly zero (SparseTensorProto): values and where they are.
public struct SparseTensorMessage: Equatable, Sendable {
  /// One dimension; its name is the tensor's.
  public var values: TensorMessage
  /// Flat positions [count], or coordinates [count, rank]; int64, ascending.
  public var indices: TensorMessage
  public var dims: [Int64]

  /// Values and where they are in a tensor of zeros.
  public init(values: TensorMessage, indices: TensorMessage, dims: [Int64]) {
    self.values = values
    self.indices = indices
    self.dims = dims
  }
}

/// ONNX's types of a tensor's elements; the raw value is the number that stands in a file.
public enum TensorDataType: Int32, Sendable, CaseIterable {
  case undefined = 0, float, uint8, int8, uint16, int16, int32, int64, string, bool, float16, double, uint32, uint64, complex64, complex128
  case bfloat16, float8e4m3fn, float8e4m3fnuz, float8e5m2, float8e5m2fnuz, uint4, int4, float4e2m1, float8e8m0, uint2, int2, float6e2m3
  case float6e3m2

  /// The type's name in ONNX, as `FLOAT16`.
  public var name: String { "\(self)".uppercased() }
}
