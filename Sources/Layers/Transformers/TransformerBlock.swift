import Basics
import GraphIR
import Operators

/// What a block of a transformer is told.
public struct TransformerOptions: Sendable {
  /// Whether each part is normalised before it or behind its residual sum.
  public enum Order: String, CaseIterable, Sendable { case pre, post }
  public enum Normalization: String, CaseIterable, Sendable {
    case layerNorm = "layer_norm"
    case rmsNorm = "rms_norm"
  }

  public var attention: AttentionOptions
  /// Units of the feed-forward part.
  public var units: Int
  public var activation = FeedForwardActivation.gelu
  public var order = Order.pre
  public var normalization = Normalization.layerNorm

  public init(heads: Int, units: Int) {
    attention = AttentionOptions(heads: heads)
    self.units = units
  }
}

extension ModelBuilder {
  /// A block of an encoder: attention to all positions, then a feed-forward part, each with a residual.
  public mutating func transformerEncoder(
    _ x: ValueID, mask: ValueID? = nil, _ options: TransformerOptions, name: String? = nil
  ) throws -> ValueID {
    try layer("transformer_encoder", name: name) { builder in
      let y = try builder.residual(x, options) { try $0.multiHeadAttention($1, mask: mask, options.attention) }
      return try builder.feedForwardPart(y, options)
    }
  }

  /// A block of a decoder: causal attention to its own positions, attention to `memory` if there is one, then a feed-forward part, each with
  /// a residual. `mask` says which positions of the memory take part.
  public mutating func transformerDecoder(
    _ x: ValueID, memory: ValueID? = nil, mask: ValueID? = nil, _ options: TransformerOptions, name: String? = nil
  ) throws -> ValueID {
    try layer("transformer_decoder", name: name) { builder in
      var own = options.attention
      own.causal = true
      var y = try builder.residual(x, options) { try $0.multiHeadAttention($1, mask: memory == nil ? mask : nil, own) }
      if let memory {
        var other = options.attention
        (other.causal, other.rotary) = (false, false)
        y = try builder.residual(y, options) { try $0.multiHeadAttention($1, memory: memory, mask: mask, other) }
      }
      return try builder.feedForwardPart(y, options)
    }
  }

  private mutating func feedForwardPart(_ x: ValueID, _ options: TransformerOptions) throws -> ValueID {
    try residual(x, options) {
      try $0.feedForward(
        $1, units: options.units, activation: options.activation, dropout: options.attention.dropout, bias: options.attention.bias)
    }
  }

  /// x + part(norm(x)), or norm(x + part(x)).
  private mutating func residual(
    _ x: ValueID, _ options: TransformerOptions, _ part: (inout ModelBuilder, ValueID) throws -> ValueID
  ) throws -> ValueID {
    func normal(_ value: ValueID, _ builder: inout ModelBuilder) throws -> ValueID {
      options.normalization == .layerNorm ? try builder.layerNorm(value) : try builder.rmsNorm(value)
    }
    if options.order == .pre { return try graph.add(x, part(&self, normal(x, &self))) }
    return try normal(graph.add(x, part(&self, x)), &self)
  }
}

extension TransformerOptions {
  /// Those of a call.
  init(_ arguments: Arguments) {
    self.init(heads: arguments.integer("heads")!, units: arguments.integer("units")!)
    attention.keyValueHeads = arguments.integer("key_value_heads")
    attention.dropout = arguments.number("dropout")!
    (attention.bias, attention.rotary) = (arguments.bool("bias"), arguments.bool("rotary"))
    activation = FeedForwardActivation(rawValue: arguments.word("activation")!)!
    order = Order(rawValue: arguments.word("norm")!)!
    normalization = Normalization(rawValue: arguments.word("normalization")!)!
  }
}

extension LayerEntry {
  private static let block: [ArgumentDescription] = [
    .input, ArgumentDescription("heads", .integer, "heads of queries"),
    ArgumentDescription("units", .integer, "units of the feed-forward part"), .feedForward,
    ArgumentDescription("dropout", .number, default: .number(0), "rate of a dropout of each part's result"),
    ArgumentDescription("norm", .word(["pre", "post"]), default: .word("pre"), "where each part is normalised"),
    ArgumentDescription("normalization", .word(["layer_norm", "rms_norm"]), default: .word("layer_norm"), "how it is normalised"),
    ArgumentDescription("key_value_heads", .integer, optional: true, "heads of keys and values, which queries share"),
    ArgumentDescription("bias", .bool, default: .bool(true), "whether products add a bias"),
    ArgumentDescription("rotary", .bool, default: .bool(false), "whether queries and keys are turned by their positions"),
  ]

  static let transformerEncoder = LayerEntry(
    "transformer_encoder", "a block of attention to all positions and a feed-forward part, with residuals",
    block + [ArgumentDescription("mask", .value, optional: true, "which positions take part, as padding_mask says")]
  ) { builder, arguments, name in
    try builder.transformerEncoder(arguments.value("x")!, mask: arguments.value("mask"), TransformerOptions(arguments), name: name)
  }

  static let transformerDecoder = LayerEntry(
    "transformer_decoder", "a block of causal attention, attention to a memory if there is one, and a feed-forward part",
    block + [
      ArgumentDescription("memory", .value, optional: true, "another sequence, to which a second attention goes"),
      ArgumentDescription("mask", .value, optional: true, "which positions of it take part, as padding_mask says"),
    ]
  ) { builder, arguments, name in
    try builder.transformerDecoder(
      arguments.value("x")!, memory: arguments.value("memory"), mask: arguments.value("mask"), TransformerOptions(arguments), name: name)
  }
}
