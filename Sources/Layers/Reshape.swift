import Basics
import GraphIR

extension ModelBuilder {
  /// The same elements of each row in another shape; one of `dims` may be -1, the size that is left.
  public mutating func reshape(_ x: ValueID, dims: [Int], name: String? = nil) throws -> ValueID {
    try layer("reshape", name: name) { builder in
      if builder.type(x).rank > 2 { try builder.requireWholeSequence() }
      let elements = try builder.rowDims(x).reduce(1, *)
      let known = dims.filter { $0 != -1 }
      let (product, isTooLarge) = known.reduce((1, false)) { partial, size in
        let (value, overflow) = partial.0.multipliedReportingOverflow(by: size)
        return (value, partial.1 || overflow)
      }
      let fits = dims.count - known.count == 1 ? !isTooLarge && product > 0 && elements % product == 0 : product == elements
      guard dims.count - known.count <= 1, known.allSatisfy({ $0 >= 1 }), !isTooLarge, fits else {
        throw Diagnostic(
          "layer '\(builder.graph.path)': a row of \(builder.type(x)) has \(elements) elements and cannot take the shape \(dims)")
      }
      return try builder.view(x, rows: dims.map { $0 == -1 ? elements / product : $0 })
    }
  }

  /// Each row as one vector.
  public mutating func flatten(_ x: ValueID, name: String? = nil) throws -> ValueID {
    try layer("flatten", name: name) { builder in
      if builder.type(x).rank > 2 { try builder.requireWholeSequence() }
      return try builder.view(x, rows: [builder.rowDims(x).reduce(1, *)])
    }
  }

  /// Another shape for the rows. A sigmoid in another shape is still the sigmoid of its logits, so losses keep their stable form.
  private mutating func view(_ x: ValueID, rows: [Int]) throws -> ValueID {
    let shape = [type(x).shape[0]] + rows.map { Dimension($0) }
    let y = try graph.reshape(x, shape)
    if case .sigmoid(let scores)? = logits[x] { logits[y] = .sigmoid(try graph.reshape(scores, shape)) }
    return y
  }
}

extension LayerEntry {
  static let reshape = LayerEntry(
    "reshape", "the elements of each row in another shape",
    [.input, ArgumentDescription("dims", .integers, "the row's new axes, without the batch; one may be -1")]
  ) { builder, arguments, name in
    try builder.reshape(arguments.value("x")!, dims: arguments.integers("dims")!, name: name)
  }

  static let flatten = LayerEntry("flatten", "each row as one vector", [.input]) { builder, arguments, name in
    try builder.flatten(arguments.value("x")!, name: name)
  }
}
