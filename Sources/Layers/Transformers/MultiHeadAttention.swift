import Basics
import GraphIR
import Operators

/// What a multi-head attention is told.
public struct AttentionOptions: Sendable {
  public var heads: Int
  /// Heads of keys and values; as many as of queries unless given.
  public var keyValueHeads: Int?
  /// Whether a position sees none after it.
  public var causal = false
  public var bias = true
  /// Rotary positions in queries and keys.
  public var rotary = false
  /// The rate of a dropout of the result.
  public var dropout = 0.0
  public var initializer = Initializer.xavierUniform

  public init(heads: Int) { self.heads = heads }
}

extension ModelBuilder {
  /// Attention of several heads over x [N, T, width], or from x to another sequence [N, S, …] (Vaswani et al. 2017). `mask` [N, S] is
  /// true, or not 0, where a key takes part. Parameters: `qkv_weight` [width, (heads + 2 key_value_heads) head width] with `qkv_bias`, or for another
  /// sequence `q_weight` and `kv_weight`; `output_weight` and `output_bias`.
  public mutating func multiHeadAttention(
    _ x: ValueID, memory: ValueID? = nil, mask: ValueID? = nil, _ options: AttentionOptions, name: String? = nil
  ) throws -> ValueID {
    try layer("multi_head_attention", name: name) { builder in
      try builder.check(options, x)
      try builder.requireGeneration(options, isCross: memory != nil, isMasked: mask != nil)
      let width = try builder.sequence(x).width
      let mask = try mask.map { builder.type($0).element == .bool ? $0 : try builder.graph.notEqual($0, 0) }
      let attended: ValueID
      if let memory {
        let (q, kv) = try builder.crossProjections(x, memory, options)
        attended = try builder.attended(q, kv: kv, mask: mask, options)
      } else {
        attended = try builder.attended(builder.selfProjections(x, options), mask: mask, options)
      }
      let result = try builder.projection(attended, to: width, "output", options)
      return options.dropout > 0 ? try builder.dropout(result, rate: options.dropout) : result
    }
  }

  private func check(_ options: AttentionOptions, _ x: ValueID) throws {
    let width = try sequence(x).width
    guard options.heads >= 1, width % options.heads == 0 else {
      throw Diagnostic("layer '\(graph.path)': heads must divide the width \(width) of \(type(x)), got \(options.heads)")
    }
    let few = options.keyValueHeads ?? options.heads
    guard few >= 1, options.heads % few == 0 else {
      throw Diagnostic("layer '\(graph.path)': key_value_heads must divide the \(options.heads) heads, got \(few)")
    }
  }

  /// x W + b under the names of a part.
  private mutating func projection(_ x: ValueID, to width: Int, _ part: String, _ options: AttentionOptions) throws -> ValueID {
    let weight = try parameter("\(part)_weight", shape: [lastDim(x), width], initializer: options.initializer)
    let y = try graph.matmul(x, weight)
    guard options.bias else { return y }
    return try graph.add(y, parameter("\(part)_bias", shape: [width], initializer: .zeros, decays: false))
  }

  /// Queries, keys and values of x side by side.
  mutating func selfProjections(_ x: ValueID, _ options: AttentionOptions) throws -> ValueID {
    let width = try sequence(x).width
    let few = options.keyValueHeads ?? options.heads
    return try projection(x, to: width / options.heads * (options.heads + 2 * few), "qkv", options)
  }

  /// Queries of x, and keys and values of another sequence side by side.
  mutating func crossProjections(
    _ x: ValueID, _ memory: ValueID, _ options: AttentionOptions
  ) throws -> (q: ValueID, kv: ValueID) {
    let width = try sequence(x).width
    _ = try sequence(memory)
    let few = options.keyValueHeads ?? options.heads
    return (try projection(x, to: width, "q", options), try projection(memory, to: width / options.heads * 2 * few, "kv", options))
  }

  /// Attention of each position to those of its own sequence.
  mutating func attended(_ qkv: ValueID, mask: ValueID?, _ options: AttentionOptions) throws -> ValueID {
    let few = options.keyValueHeads ?? options.heads
    guard options.rotary || mode == .generation else {
      return try graph.attention(packed: qkv, heads: options.heads, keyValueHeads: few, mask: mask, causal: options.causal)
    }
    let width = try sequence(qkv).width / (options.heads + 2 * few)
    let split = options.heads * width
    let q = try graph.slice(qkv, axis: 2, from: 0, to: split)
    return try attended(q, kv: graph.slice(qkv, axis: 2, from: split, to: split + 2 * few * width), mask: mask, options)
  }

  /// Attention of each position to those of another sequence, whose keys and values stand side by side.
  mutating func attended(_ q: ValueID, kv: ValueID, mask: ValueID?, _ options: AttentionOptions) throws -> ValueID {
    let few = options.keyValueHeads ?? options.heads
    let half = try sequence(kv).width / 2
    var (q, k) = (q, try graph.slice(kv, axis: 2, from: 0, to: half))
    let v = try graph.slice(kv, axis: 2, from: half, to: 2 * half)
    if options.rotary { (q, k) = (try rotated(q, heads: options.heads), try rotated(k, heads: few)) }
    if mode == .generation { return try attendedInMemory(q, k, v, options, few) }
    return try graph.attention(q, k, v, heads: options.heads, keyValueHeads: few, mask: mask, causal: options.causal)
  }
}

extension ArgumentDescription {
  static let attention = [
    ArgumentDescription("heads", .integer, "heads of queries"),
    ArgumentDescription("key_value_heads", .integer, optional: true, "heads of keys and values, which queries share"),
    ArgumentDescription("causal", .bool, default: .bool(false), "whether a position sees none after it"),
    ArgumentDescription("dropout", .number, default: .number(0), "rate of a dropout of the result"),
    ArgumentDescription("bias", .bool, default: .bool(true), "whether projections add a bias"),
    ArgumentDescription("rotary", .bool, default: .bool(false), "whether queries and keys are turned by their positions"),
    ArgumentDescription("initializer", .initializer, default: .word("xavier_uniform"), "first values of the weights"),
    ArgumentDescription("memory", .value, optional: true, "another sequence, which keys and values come from"),
    ArgumentDescription("mask", .value, optional: true, "which keys take part, as padding_mask says"),
  ]
}

extension AttentionOptions {
  /// Those of a call.
  init(_ arguments: Arguments) throws {
    self.init(heads: arguments.integer("heads")!)
    keyValueHeads = arguments.integer("key_value_heads")
    (causal, bias, rotary) = (arguments.bool("causal"), arguments.bool("bias"), arguments.bool("rotary"))
    dropout = arguments.number("dropout")!
    initializer = try Initializer(arguments["initializer"]!)
  }
}

extension LayerEntry {
  static let multiHeadAttention = LayerEntry(
    "multi_head_attention", aliases: ["attention"], "attention of several heads, to the same sequence or to another",
    [.input] + ArgumentDescription.attention
  ) { builder, arguments, name in
    try builder.multiHeadAttention(
      arguments.value("x")!, memory: arguments.value("memory"), mask: arguments.value("mask"), AttentionOptions(arguments), name: name)
  }
}
