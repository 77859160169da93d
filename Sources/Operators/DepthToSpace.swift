import Basics
import GraphIR
import LoopIR

/// How the channels of a pixel become the pixels of a block.
public enum BlockOrder: String, Hashable, Sendable, Codable, CaseIterable {
  /// Channel (row · block + column) C + c, as in TensorFlow.
  case dcr
  /// Channel (c · block + row) block + column: PyTorch's pixel shuffle.
  case crd
}

/// Makes a block of positions along the axes after the channels (axis 1) from each position's channels, in one of two orders; as the
/// inverse, channels from each block.
public struct DepthToSpace: Operator {
  public static let name = "depth_to_space"
  public static let operandNames = ["x"]
  public static let formula = "y[n, c, h, w] = x[n, the channel of c and the place in the block, h / block, w / block]"
  /// Positions of a block along each axis.
  public var block: Int
  public var order: BlockOrder
  /// Whether channels are made from blocks.
  public var isInverse: Bool

  public init(block: Int, order: BlockOrder = .dcr, isInverse: Bool = false) {
    self.block = block
    self.order = order
    self.isInverse = isInverse
  }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    guard call.operands[0].rank == 4, !isInverse || order == .dcr else {
      return [try isInverse ? exportToDepth(&call) : exportToSpace(&call)]
    }
    if isInverse { return try call.node("SpaceToDepth", ["blocksize": .int(block)]) }
    return try call.node("DepthToSpace", ["blocksize": .int(block), "mode": .string(order == .dcr ? "DCR" : "CRD")])
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    let x = operands[0]
    let name = isInverse ? "space_to_depth" : Self.name
    guard x.rank >= 3 else { throw TypeError("\(name) needs a batch, channels and positions, got \(x)") }
    let channels = try requireConstant(name, axis: 1, of: x)
    guard (1...1 << 10).contains(block) else { throw TypeError("\(name) of \(x): the block must lie in 1 ... \(1 << 10), got \(block)") }
    var cells = 1
    for axis in 2..<x.rank {
      _ = try requireConstant(name, axis: axis, of: x)
      let (product, overflow) = cells.multipliedReportingOverflow(by: block)
      guard !overflow, product <= 1 << 20 else { throw TypeError("\(name) of \(x): blocks of \(block) along each axis are too large") }
      cells = product
    }
    var result = x
    if !isInverse {
      guard channels % cells == 0 else {
        throw TypeError("\(name) of \(x): blocks of \(cells) positions need a multiple of \(cells) channels, got \(channels)")
      }
      result.shape[1] = Dimension(channels / cells)
    } else {
      result.shape[1] = Dimension(channels * cells)
    }
    for axis in 2..<x.rank {
      let size = x.shape[axis].coefficient
      guard !isInverse || size % block == 0 else {
        throw TypeError("\(name) of \(x): axis \(axis) of size \(size) is no multiple of the block \(block)")
      }
      result.shape[axis] = Dimension(isInverse ? size / block : size * block)
    }
    return [result]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    .map(isInverse ? toDepth(results[0]) : toSpace(results[0]))
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    [try builder.add(DepthToSpace(block: block, order: order, isInverse: !isInverse), [request.cotangent])]
  }

  /// The positions in a block.
  private func cells(_ rank: Int) -> Int { (2..<rank).reduce(1) { product, _ in product * block } }

  /// The element of x that a position of the result with blocks is.
  private func toSpace(_ y: TensorType) -> Scalar {
    let i = y.shape.indices.map { Index.variable("i\($0)") }
    let cell = (2..<y.rank).reduce(Index.constant(0)) { $0 * block + .remainder(i[$1], block) }
    let channel = order == .dcr ? cell * y.shape[1].coefficient + i[1] : i[1] * cells(y.rank) + cell
    return .element(0, [i[0], channel] + (2..<y.rank).map { .divide(i[$0], block) })
  }

  /// The element of x that a position of the result without blocks is.
  private func toDepth(_ y: TensorType) -> Scalar {
    let i = y.shape.indices.map { Index.variable("i\($0)") }
    let cells = cells(y.rank)
    let channels = y.shape[1].coefficient / cells
    let channel = order == .dcr ? Index.remainder(i[1], channels) : .divide(i[1], cells)
    var cell = order == .dcr ? Index.divide(i[1], channels) : .remainder(i[1], cells)
    var positions: [Index] = []
    for axis in (2..<y.rank).reversed() {
      positions.insert(i[axis] * block + .remainder(cell, block), at: 0)
      cell = .divide(cell, block)
    }
    return .element(0, [i[0], channel] + positions)
  }

  public static let onnxRules = [false, true].map { isInverse in
    ONNXRule(isInverse ? "SpaceToDepth" : "DepthToSpace") { node in
      let mode = try node.string("mode", "DCR")
      guard let order = BlockOrder(rawValue: mode.lowercased()) else { throw node.unsupported("mode '\(mode)' is neither DCR nor CRD") }
      guard let block = try node.int("blocksize") else { throw Diagnostic("attribute 'blocksize' is missing") }
      return [try node.add(DepthToSpace(block: block, order: order, isInverse: isInverse), node.value(0))]
    }
  }

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "pixel shuffle", DepthToSpace(block: 2, order: .crd),
        [TensorLiteral([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16], shape: [1, 8, 1, 2])],
        [TensorLiteral([1, 3, 2, 4, 5, 7, 6, 8, 9, 11, 10, 12, 13, 15, 14, 16], shape: [1, 2, 2, 4])], source: "PyTorch 2.15 float64"),
      OperatorExample(
        "blocks first", DepthToSpace(block: 2),
        [TensorLiteral([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16], shape: [1, 8, 1, 2])],
        [TensorLiteral([1, 5, 2, 6, 9, 13, 10, 14, 3, 7, 4, 8, 11, 15, 12, 16], shape: [1, 2, 2, 4])], source: "ONNX's definition of DCR"),
      OperatorExample(
        "one axis", DepthToSpace(block: 3, order: .crd), [TensorLiteral([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], shape: [1, 6, 2])],
        [TensorLiteral([1, 3, 5, 2, 4, 6, 7, 9, 11, 8, 10, 12], shape: [1, 2, 6])], source: "by hand"),
      OperatorExample(
        "pixel unshuffle", DepthToSpace(block: 2, order: .crd, isInverse: true),
        [TensorLiteral([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16], shape: [1, 2, 2, 4])],
        [TensorLiteral([1, 3, 2, 4, 5, 7, 6, 8, 9, 11, 10, 12, 13, 15, 14, 16], shape: [1, 8, 1, 2])], source: "PyTorch 2.15 float64"),
      OperatorExample(
        "blocks first, made channels", DepthToSpace(block: 2, isInverse: true),
        [TensorLiteral([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16], shape: [1, 2, 2, 4])],
        [TensorLiteral([1, 3, 9, 11, 2, 4, 10, 12, 5, 7, 13, 15, 6, 8, 14, 16], shape: [1, 8, 1, 2])],
        source: "ONNX's definition of SpaceToDepth"),
    ]
  }
}

extension GraphBuilder {
  /// Makes a block of positions from each position's channels.
  public mutating func depthToSpace(_ x: ValueID, block: Int, order: BlockOrder = .dcr) throws -> ValueID {
    try add(DepthToSpace(block: block, order: order), [x])
  }

  /// Makes the channels of a position from each block of positions.
  public mutating func spaceToDepth(_ x: ValueID, block: Int, order: BlockOrder = .dcr) throws -> ValueID {
    try add(DepthToSpace(block: block, order: order, isInverse: true), [x])
  }
}
