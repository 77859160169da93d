/// A whole model as it stands in an .onnx file (ModelProto). Training information is not read.
public struct ModelMessage: Equatable, Sendable {
  public var irVersion: Int64
  public var opsetImport: [OperatorSetMessage]
  public var producerName: String
  public var producerVersion: String
  public var domain: String
  public var modelVersion: Int64
  public var docString: String
  public var graph: GraphMessage
  public var metadataProps: [StringEntry]
  /// The model's own functions.
  public var functions: [FunctionMessage]

  /// A model that says who made it and which operators it means.
  public init(
    irVersion: Int64, opsetImport: [OperatorSetMessage], producerName: String = "", producerVersion: String = "", domain: String = "",
    modelVersion: Int64 = 0, docString: String = "", graph: GraphMessage, metadataProps: [StringEntry] = [],
    functions: [FunctionMessage] = []
  ) {
    self.irVersion = irVersion
    self.opsetImport = opsetImport
    self.producerName = producerName
    self.producerVersion = producerVersion
    self.domain = domain
    self.modelVersion = modelVersion
    self.docString = docString
    self.graph = graph
    self.metadataProps = metadataProps
    self.functions = functions
  }
}

/// A version of the operators of a domain (OperatorSetIdProto); the empty domain is ONNX's own.
public struct OperatorSetMessage: Hashable, Sendable {
  public var domain: String
  public var version: Int64

  /// A version of a domain's operators.
  public init(domain: String = "", version: Int64) {
    self.domain = domain
    self.version = version
  }
}

/// A key with its value (StringStringEntryProto).
public struct StringEntry: Hashable, Sendable {
  public var key: String
  public var value: String

  /// A key with its value.
  public init(key: String, value: String) {
    self.key = key
    self.value = value
  }
}

/// A function that the model brings itself (FunctionProto): an operator as a graph of others.
public struct FunctionMessage: Equatable, Sendable {
  public var name: String
  public var domain: String
  /// Tells functions of the same name and domain apart.
  public var overload: String
  public var input: [String]
  public var output: [String]
  /// Names of the attributes that a call must give.
  public var attribute: [String]
  /// Attributes that a call may give, with their defaults.
  public var attributeProto: [AttributeMessage]
  public var node: [NodeMessage]
  public var opsetImport: [OperatorSetMessage]
  public var valueInfo: [ValueInfoMessage]
  public var docString: String
  public var metadataProps: [StringEntry]

  /// A function of its nodes.
  public init(
    name: String, domain: String, overload: String = "", input: [String] = [], output: [String] = [], attribute: [String] = [],
    attributeProto: [AttributeMessage] = [], node: [NodeMessage] = [], opsetImport: [OperatorSetMessage] = [],
    valueInfo: [ValueInfoMessage] = [], docString: String = "", metadataProps: [StringEntry] = []
  ) {
    self.name = name
    self.domain = domain
    self.overload = overload
    self.input = input
    self.output = output
    self.attribute = attribute
    self.attributeProto = attributeProto
    self.node = node
    self.opsetImport = opsetImport
    self.valueInfo = valueInfo
    self.docString = docString
    self.metadataProps = metadataProps
  }
}
