import Basics
import GraphIR
import Operators

extension ModelBuilder {
  /// y = (x - mean) / sqrt(var + ε) · γ + β with mean and biased variance over each group of neighbouring channels and all positions (Wu
  /// and He 2018). γ and β, one a channel, begin at 1 and 0.
  public mutating func groupNorm(_ x: ValueID, groups: Int, epsilon: Double = 1e-5, name: String? = nil) throws -> ValueID {
    try layer("group_norm", name: name) { builder in
      try builder.requirePositive(epsilon)
      if builder.type(x).rank > 2 { try builder.requireWholeSequence() }
      let channels = try builder.channels(x)
      guard groups >= 1, channels % groups == 0 else {
        throw Diagnostic("layer '\(builder.graph.path)': \(channels) channels cannot be cut into \(groups) groups")
      }
      let normal = try builder.withChannelsFirst(x) { builder, x in
        try builder.graph.groupNormalize(x, groups: groups, epsilon: epsilon)
      }
      return try builder.channelAffine(normal)
    }
  }

  /// Throws unless ε is a positive number.
  func requirePositive(_ epsilon: Double) throws {
    guard epsilon > 0, epsilon.isFinite else { throw Diagnostic("layer '\(graph.path)': epsilon must be positive, got \(epsilon)") }
  }
}

extension ArgumentDescription {
  static let epsilon = ArgumentDescription("epsilon", .number, default: .number(1e-5), "added to the variance")
}

extension LayerEntry {
  static let groupNorm = LayerEntry(
    "group_norm", aliases: ["group_normalization"], "normalises groups of channels of each row",
    [.input, ArgumentDescription("groups", .integer, default: .integer(32), "how many groups the channels are cut into"), .epsilon]
  ) { builder, arguments, name in
    try builder.groupNorm(
      arguments.value("x")!, groups: arguments.integer("groups")!, epsilon: arguments.number("epsilon")!, name: name)
  }
}
