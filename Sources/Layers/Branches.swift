import Basics
import GraphIR
import Operators

extension ModelBuilder {
  /// The sum of branches, broadcast to their common shape.
  public mutating func add(_ branches: [ValueID], name: String? = nil) throws -> ValueID {
    try join("add", branches, name: name) { try $0.graph.add($1, $2) }
  }

  /// The product of branches, broadcast to their common shape.
  public mutating func multiply(_ branches: [ValueID], name: String? = nil) throws -> ValueID {
    try join("multiply", branches, name: name) { try $0.graph.multiply($1, $2) }
  }

  private mutating func join(
    _ kind: String, _ branches: [ValueID], name: String?, _ combine: (inout ModelBuilder, ValueID, ValueID) throws -> ValueID
  ) throws -> ValueID {
    try layer(kind, name: name) { builder in
      guard let first = branches.first else { throw Diagnostic("layer '\(builder.graph.path)' needs at least one branch") }
      do {
        return try branches.dropFirst().reduce(first) { try combine(&builder, $0, $1) }
      } catch let error as TypeError {
        throw Diagnostic("layer '\(builder.graph.path)': \(error.description)")
      }
    }
  }
}

extension LayerEntry {
  static let branches = ArgumentDescription("branches", .values, "two or more tensors")

  static let add = LayerEntry("add", "the sum of branches", [branches]) { builder, arguments, name in
    try builder.add(arguments.values, name: name)
  }

  static let multiply = LayerEntry("multiply", "the product of branches", [branches]) { builder, arguments, name in
    try builder.multiply(arguments.values, name: name)
  }
}
