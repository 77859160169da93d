/// A named constant of a node (AttributeProto).
public struct AttributeMessage: Equatable, Sendable {
  /// What an attribute holds; the raw value is the number that stands in a file.
  public enum Kind: Int32, Sendable {
    case undefined = 0, float = 1, int, string, tensor, graph, floats, ints, strings, tensors, graphs, sparseTensor, sparseTensors
    case type, types
  }

  /// What an attribute holds. Strings are bytes, usually of UTF-8.
  public enum Value: Equatable, Sendable {
    /// The value of the attribute `name` of the function that is being called; its kind when the file states it.
    case reference(name: String, kind: Kind)
    case float(Float)
    case int(Int64)
    case string([UInt8])
    indirect case tensor(TensorMessage)
    indirect case graph(GraphMessage)
    indirect case sparseTensor(SparseTensorMessage)
    indirect case type(TypeMessage)
    case floats([Float])
    case ints([Int64])
    case strings([[UInt8]])
    case tensors([TensorMessage])
    case graphs([GraphMessage])
    case sparseTensors([SparseTensorMessage])
    case types([TypeMessage])
  }

  public var name: String
  public var value: Value
  public var docString: String

  /// A named constant.
  public init(name: String, value: Value, docString: String = "") {
    self.name = name
    self.value = value
    self.docString = docString
  }

  /// The discriminator that stands in the file.
  public var kind: Kind {
    switch value {
    case .reference(_, let kind): kind
    case .float: .float
    case .int: .int
    case .string: .string
    case .tensor: .tensor
    case .graph: .graph
    case .sparseTensor: .sparseTensor
    case .type: .type
    case .floats: .floats
    case .ints: .ints
    case .strings: .strings
    case .tensors: .tensors
    case .graphs: .graphs
    case .sparseTensors: .sparseTensors
    case .types: .types
    }
  }
}
