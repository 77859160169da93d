import Basics
import GraphIR
import Operators

extension ModelBuilder {
  /// Branches one after the other along an axis; -1 is the last. The batch axis cannot be joined.
  public mutating func concat(_ branches: [ValueID], axis: Int = -1, name: String? = nil) throws -> ValueID {
    try layer("concat", name: name) { builder in
      guard let first = branches.first else { throw Diagnostic("layer '\(builder.graph.path)' needs at least one branch") }
      let rank = builder.type(first).rank
      let position = axis < 0 ? axis + rank : axis
      guard position >= 1, position < rank else {
        throw Diagnostic("layer '\(builder.graph.path)': axis \(axis) does not fit \(builder.type(first)), whose axis 0 is the batch")
      }
      return try builder.graph.concat(branches, axis: position)
    }
  }
}

extension LayerEntry {
  static let concat = LayerEntry(
    "concat", aliases: ["concatenate"], "branches one after the other",
    [branches, ArgumentDescription("axis", .integer, default: .integer(-1), "the axis that grows; -1 is the last")]
  ) { builder, arguments, name in
    try builder.concat(arguments.values, axis: arguments.integer("axis")!, name: name)
  }
}
