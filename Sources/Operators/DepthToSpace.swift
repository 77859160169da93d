import Basics
import GraphIR
import LoopIR

/// Makes a block of positions from each pixel's channels, in one of two orders; the opposite of `space_to_depth`.
public struct DepthToSpace: Operator {
  public static let name = "depth_to_space"
  public static let operandNames = ["x"]
  public static let formula = "y[n, c, h, w] = x[n, the channel of c and the place in the block, h / block, w / block]"
  /// Positions of a block along each axis.
  public var block: Int
  public var order: BlockOrder

  public init(block: Int, order: BlockOrder = .dcr) {
    self.block = block
    self.order = order
  }

  public func exportONNX(_ call: inout ONNXCall) throws -> [ONNXTensor]? {
    if call.operands[0].rank == 4 {
      return try call.node("DepthToSpace", ["blocksize": .int(block), "mode": .string(order == .dcr ? "DCR" : "CRD")])
    }
    return [try SpaceBlocks(block: block, order: order).exportToSpace(&call)]
  }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    try requireCount(Self.self, operands)
    return [try SpaceBlocks(block: block, order: order).resultType(Self.name, operands[0], toSpace: true)]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    .map(SpaceBlocks(block: block, order: order).toSpace(results[0]))
  }

  public func gradient(_ request: GradientRequest, _ builder: inout GraphBuilder) throws -> [ValueID?]? {
    [try builder.add(SpaceToDepth(block: block, order: order), [request.cotangent])]
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
    ]
  }
}

extension GraphBuilder {
  /// Makes a block of positions from each pixel's channels.
  public mutating func depthToSpace(_ x: ValueID, block: Int, order: BlockOrder = .dcr) throws -> ValueID {
    try add(DepthToSpace(block: block, order: order), [x])
  }
}
