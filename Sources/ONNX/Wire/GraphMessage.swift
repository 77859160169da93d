/// A graph of nodes (GraphProto): a model's own, or one inside an attribute of If, Loop and Scan.
public struct GraphMessage: Equatable, Sendable {
  public var name: String
  public var node: [NodeMessage]
  public var initializer: [TensorMessage]
  public var sparseInitializer: [SparseTensorMessage]
  public var input: [ValueInfoMessage]
  public var output: [ValueInfoMessage]
  public var valueInfo: [ValueInfoMessage]
  public var docString: String
  /// Which tensors hold scale and zero point of a tensor.
  public var quantizationAnnotation: [TensorAnnotation]
  public var metadataProps: [StringEntry]

  /// A graph of its parts.
  public init(
    name: String = "", node: [NodeMessage] = [], initializer: [TensorMessage] = [], sparseInitializer: [SparseTensorMessage] = [],
    input: [ValueInfoMessage] = [], output: [ValueInfoMessage] = [], valueInfo: [ValueInfoMessage] = [], docString: String = "",
    quantizationAnnotation: [TensorAnnotation] = [], metadataProps: [StringEntry] = []
  ) {
    self.name = name
    self.node = node
    self.initializer = initializer
    self.sparseInitializer = sparseInitializer
    self.input = input
    self.output = output
    self.valueInfo = valueInfo
    self.docString = docString
    self.quantizationAnnotation = quantizationAnnotation
    self.metadataProps = metadataProps
  }
}

/// One use of an operator (NodeProto). An input or output with an empty name is left out.
public struct NodeMessage: Equatable, Sendable {
  public var name: String
  public var opType: String
  public var domain: String
  public var overload: String
  public var input: [String]
  public var output: [String]
  public var attribute: [AttributeMessage]
  public var docString: String
  public var metadataProps: [StringEntry]

  /// One use of the operator `opType`.
  public init(
    opType: String, name: String = "", domain: String = "", overload: String = "", input: [String] = [], output: [String] = [],
    attribute: [AttributeMessage] = [], docString: String = "", metadataProps: [StringEntry] = []
  ) {
    self.name = name
    self.opType = opType
    self.domain = domain
    self.overload = overload
    self.input = input
    self.output = output
    self.attribute = attribute
    self.docString = docString
    self.metadataProps = metadataProps
  }
}

/// A name with the type of its value (ValueInfoProto).
public struct ValueInfoMessage: Equatable, Sendable {
  public var name: String
  /// Absent where the file does not say.
  public var type: TypeMessage?
  public var docString: String
  public var metadataProps: [StringEntry]

  /// A name with the type of its value.
  public init(name: String, type: TypeMessage? = nil, docString: String = "", metadataProps: [StringEntry] = []) {
    self.name = name
    self.type = type
    self.docString = docString
    self.metadataProps = metadataProps
  }
}

/// What a quantized tensor's scale and zero point are called (TensorAnnotation).
public struct TensorAnnotation: Equatable, Sendable {
  public var tensorName: String
  public var quantParameterTensorNames: [StringEntry]

  /// Notes on the tensor `tensorName`.
  public init(tensorName: String, quantParameterTensorNames: [StringEntry] = []) {
    self.tensorName = tensorName
    self.quantParameterTensorNames = quantParameterTensorNames
  }
}
