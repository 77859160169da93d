import Basics
import GraphIR
import LoopIR

/// Makes the channels of a pixel from each block of positions, in one of two orders; the opposite of `depth_to_space`.
public struct SpaceToDepth: Operator {
  public static let name = "space_to_depth"
  public static let operandNames = ["x"]
  public static let formula = "y[n, the channel of c and the place in the block, h, w] = x[n, c, h block + row, w block + column]"
  /// Positions of a block along each axis.
  public var block: Int
  public var order: BlockOrder

  public init(block: Int, order: BlockOrder = .dcr) {
    self.block = block
    self.order = order
  }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    if call.operands[0].rank == 4, order == .dcr { return try call.node("SpaceToDepth", ["blocksize": .int(block)]) }
    return [try SpaceBlocks(block: block, order: order).exportToDepth(&call)]
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    return [try SpaceBlocks(block: block, order: order).resultType(Self.name, operands[0], toSpace: false)]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    .map(SpaceBlocks(block: block, order: order).toDepth(results[0]))
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    [try builder.add(DepthToSpace(block: block, order: order), [request.cotangent])]
  }

  public static var examples: [OperatorExample] {
    [
      OperatorExample(
        "pixel unshuffle", SpaceToDepth(block: 2, order: .crd),
        [TensorLiteral([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16], shape: [1, 2, 2, 4])],
        [TensorLiteral([1, 3, 2, 4, 5, 7, 6, 8, 9, 11, 10, 12, 13, 15, 14, 16], shape: [1, 8, 1, 2])], source: "PyTorch 2.15 float64"),
      OperatorExample(
        "blocks first", SpaceToDepth(block: 2),
        [TensorLiteral([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16], shape: [1, 2, 2, 4])],
        [TensorLiteral([1, 3, 9, 11, 2, 4, 10, 12, 5, 7, 13, 15, 6, 8, 14, 16], shape: [1, 8, 1, 2])],
        source: "ONNX's definition of SpaceToDepth"),
    ]
  }
}

extension GraphBuilder {
  /// Makes the channels of a pixel from each block of positions.
  public mutating func spaceToDepth(_ x: ValueID, block: Int, order: BlockOrder = .dcr) throws -> ValueID {
    try add(SpaceToDepth(block: block, order: order), [x])
  }
}
