/// The type of a value (TypeProto).
public struct TypeMessage: Equatable, Sendable {
  /// What a value is. `element` is a number of `TensorDataType`; a shape that is absent is of unknown rank.
  public enum Kind: Equatable, Sendable {
    /// The file does not say.
    case unspecified
    case tensor(element: Int32, shape: [DimensionMessage]?)
    case sparseTensor(element: Int32, shape: [DimensionMessage]?)
    indirect case sequence(TypeMessage?)
    indirect case optional(TypeMessage?)
    indirect case map(key: Int32, value: TypeMessage?)
    case opaque(domain: String, name: String)
  }

  public var kind: Kind
  public var denotation: String

  /// A type.
  public init(_ kind: Kind, denotation: String = "") {
    self.kind = kind
    self.denotation = denotation
  }
}

/// One dimension of a shape (TensorShapeProto.Dimension).
public struct DimensionMessage: Hashable, Sendable {
  /// How long a dimension is: a number, a name that stands for one, or nothing said.
  public enum Size: Hashable, Sendable {
    case value(Int64)
    case parameter(String)
    case unknown
  }

  public var size: Size
  /// What the dimension means, as `DATA_BATCH`.
  public var denotation: String

  /// A dimension.
  public init(_ size: Size, denotation: String = "") {
    self.size = size
    self.denotation = denotation
  }
}
