import Basics
import GraphIR
import Operators

extension ModelBuilder {
  /// A learned vector for each token: tokens [N, …] of whole numbers below `vocabulary` give [N, …, width]; `weight` [vocabulary, width] does
  /// not decay. What lies outside the vocabulary counts as the nearest token.
  public mutating func embedding(
    _ tokens: ValueID, vocabulary: Int, width: Int, initializer: Initializer = .normal(mean: 0, deviation: 0.02), name: String? = nil
  ) throws -> ValueID {
    try layer("embedding", name: name) { builder in
      guard vocabulary >= 1, width >= 1 else {
        throw Diagnostic("layer '\(builder.graph.path)': vocabulary and width must be at least 1, got \(vocabulary) and \(width)")
      }
      guard builder.type(tokens).element.isInteger else {
        throw Diagnostic(
          "layer '\(builder.graph.path)' needs whole numbers, got \(builder.type(tokens)); declare the input as i32: `input tokens: i32[N, 64]`"
        )
      }
      let table = try builder.parameter("weight", shape: [vocabulary, width], initializer: initializer, decays: false)
      return try builder.graph.add(Gather(), [table, tokens])
    }
  }

  /// Scores of the tokens of an embedding with its own table: y = x weightᵀ (Press and Wolf 2017). `embedding` names the layer, which must
  /// have been applied before. x [N, …, width] gives [N, …, vocabulary].
  public mutating func unembed(_ x: ValueID, embedding: String, name: String? = nil) throws -> ValueID {
    try layer("unembed", name: name) { builder in
      let path = "\(embedding).weight"
      guard let table = builder.parameters.first(where: { $0.name == path }), table.shape.count == 2 else {
        throw Diagnostic("layer '\(builder.graph.path)': there is no embedding '\(embedding)' before it")
      }
      let width = try builder.lastDim(x)
      guard table.shape[1] == width else {
        throw Diagnostic(
          "layer '\(builder.graph.path)' needs \(table.shape[1]) features, the width of '\(embedding)', got \(builder.type(x))")
      }
      let type = TensorType(builder.element, table.shape.map { Dimension($0) })
      return try builder.graph.matmul(x, builder.graph.leaf(Leaf(path, .parameter), type), transposeB: true)
    }
  }

  /// 1 where a token is no padding, else 0: tokens [N, T] give [N, T], as masks of recurrent layers and attention want it.
  public mutating func paddingMask(_ tokens: ValueID, padding: Int = 0, name: String? = nil) throws -> ValueID {
    try layer("padding_mask", name: name) { builder in
      let type = builder.type(tokens)
      guard type.element.isInteger else {
        throw Diagnostic("layer '\(builder.graph.path)' needs whole numbers, got \(type)")
      }
      let isToken = try builder.graph.notEqual(tokens, builder.graph.constant(Double(padding), type.element))
      return try builder.graph.cast(isToken, to: builder.element)
    }
  }
}

extension LayerEntry {
  static let embedding = LayerEntry(
    "embedding", "a learned vector for each token",
    [
      .input, ArgumentDescription("vocabulary", .integer, "number of tokens"), ArgumentDescription("width", .integer, "size of a vector"),
      ArgumentDescription(
        "initializer", .initializer, default: .call("normal", [LabelledArgument(.number(0)), LabelledArgument(.number(0.02))]),
        "how the table begins"),
    ]
  ) { builder, arguments, name in
    try builder.embedding(
      arguments.value("x")!, vocabulary: arguments.integer("vocabulary")!, width: arguments.integer("width")!,
      initializer: Initializer(arguments["initializer"]!), name: name)
  }

  static let unembed = LayerEntry(
    "unembed", "scores of an embedding's tokens by its own table",
    [.input, ArgumentDescription("embedding", .layer, "the shared embedding")]
  ) { builder, arguments, name in
    try builder.unembed(arguments.value("x")!, embedding: arguments.word("embedding")!, name: name)
  }

  static let paddingMask = LayerEntry(
    "padding_mask", "1 where a token is no padding, else 0",
    [.input, ArgumentDescription("padding", .integer, default: .integer(0), "the token that fills short rows")]
  ) { builder, arguments, name in
    try builder.paddingMask(arguments.value("x")!, padding: arguments.integer("padding")!, name: name)
  }
}
