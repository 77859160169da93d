import Basics
import GraphIR

/// A layer as the model language knows it; defined beside the layer.
public struct LayerEntry: CatalogEntry {
  public var name: String
  public var aliases: [String]
  public var summary: String
  /// The value that a pipe hands over is the first.
  public var parameters: [ArgumentDescription]
  /// Applies the layer; the last argument is the name that the user gave it, if any.
  public var apply: @Sendable (inout ModelBuilder, Arguments, String?) throws -> ValueID

  public init(
    _ name: String, aliases: [String] = [], _ summary: String, _ parameters: [ArgumentDescription],
    apply: @escaping @Sendable (inout ModelBuilder, Arguments, String?) throws -> ValueID
  ) {
    self.name = name
    self.aliases = aliases
    self.summary = summary
    self.parameters = parameters
    self.apply = apply
  }
}

extension ArgumentDescription {
  /// The tensor that a layer works on.
  static let input = ArgumentDescription("x", .value, "the layer's input")
}

/// All layers, by the names of the model language.
public enum LayerCatalog {
  public static let entries: [LayerEntry] =
    [
      .dense, .dropout, .batchNorm, .layerNorm, .flatten, .reshape, .prelu, .add, .multiply, .concat,

      .conv1d, .conv2d, .depthwiseConv2d, .convTranspose1d, .convTranspose2d, .groupNorm, .instanceNorm, .localResponseNorm, .zeroPad1d,
      .zeroPad2d, .upsample2d, .depthToSpace, .spaceToDepth, .channelDropout,

      .simpleRNN, .lstm, .gru, .embedding, .unembed, .paddingMask, .rmsNorm, .positionalEmbedding,
      .multiHeadAttention, .feedForward, .transformerEncoder, .transformerDecoder,
    ] + LayerEntry.pooling + Activation.catalog.map(\.layer)

  /// The layer of that name or alias; throws a diagnostic with the nearest name.
  public static func entry(_ name: String) throws -> LayerEntry { try findEntry(name, in: entries, what: "layer") }
}

extension ModelBuilder {
  /// Applies a layer of the catalog by name. Positional arguments are in the order of the entry's parameters.
  public mutating func apply(layer: String, _ arguments: [LabelledArgument], name: String? = nil) throws -> ValueID {
    let entry = try LayerCatalog.entry(layer)
    return try entry.apply(&self, Arguments(arguments, to: entry.parameters, of: layer), name)
  }
}
