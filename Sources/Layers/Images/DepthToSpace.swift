import Basics
import GraphIR
import Operators

extension ModelBuilder {
  /// Blocks of block x block positions from the channels of each pixel, [N, C, H, W] to [N, C / block², H block, W block] (the same for one
  /// spatial axis).
  public mutating func depthToSpace(_ x: ValueID, block: Int, order: BlockOrder = .dcr, name: String? = nil) throws -> ValueID {
    try layer("depth_to_space", name: name) { builder in
      try builder.withChannelsFirst(x) { builder, x in try builder.graph.depthToSpace(x, block: block, order: order) }
    }
  }

  /// The opposite: channels from blocks of positions.
  public mutating func spaceToDepth(_ x: ValueID, block: Int, order: BlockOrder = .dcr, name: String? = nil) throws -> ValueID {
    try layer("space_to_depth", name: name) { builder in
      try builder.withChannelsFirst(x) { builder, x in try builder.graph.spaceToDepth(x, block: block, order: order) }
    }
  }
}

extension LayerEntry {
  private static let blockParameters: [ArgumentDescription] = [
    .input, ArgumentDescription("block", .integer, default: .integer(2), "positions of a block along each axis"),
    ArgumentDescription(
      "order", .word(BlockOrder.allCases.map(\.rawValue)), default: .word("dcr"), "dcr as TensorFlow, crd as PyTorch's pixel shuffle"),
  ]

  static let depthToSpace = LayerEntry("depth_to_space", "a block of positions from the channels of each pixel", blockParameters) {
    builder, arguments, name in
    try builder.depthToSpace(
      arguments.value("x")!, block: arguments.integer("block")!, order: BlockOrder(rawValue: arguments.word("order")!)!, name: name)
  }

  static let spaceToDepth = LayerEntry("space_to_depth", "the channels of a pixel from each block of positions", blockParameters) {
    builder, arguments, name in
    try builder.spaceToDepth(
      arguments.value("x")!, block: arguments.integer("block")!, order: BlockOrder(rawValue: arguments.word("order")!)!, name: name)
  }
}
