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

/// Channels (axis 1) in exchange for blocks of neighbouring positions along the axes after it.
struct SpaceBlocks {
  var block: Int
  var order: BlockOrder

  /// The type with positions for channels, or the other way round.
  func resultType(_ name: String, _ x: TensorType, toSpace: Bool) throws -> TensorType {
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
    if toSpace {
      guard channels % cells == 0 else {
        throw TypeError("\(name) of \(x): blocks of \(cells) positions need a multiple of \(cells) channels, got \(channels)")
      }
      result.shape[1] = Dimension(channels / cells)
    } else {
      result.shape[1] = Dimension(channels * cells)
    }
    for axis in 2..<x.rank {
      let size = x.shape[axis].coefficient
      guard toSpace || size % block == 0 else {
        throw TypeError("\(name) of \(x): axis \(axis) of size \(size) is no multiple of the block \(block)")
      }
      result.shape[axis] = Dimension(toSpace ? size * block : size / block)
    }
    return result
  }

  /// The positions in a block along each axis.
  private func cells(_ rank: Int) -> Int { (2..<rank).reduce(1) { product, _ in product * block } }

  /// The element of x that a position of the result with blocks is.
  func toSpace(_ y: TensorType) -> Scalar {
    let i = y.shape.indices.map { Index.variable("i\($0)") }
    let cell = (2..<y.rank).reduce(Index.constant(0)) { $0 * block + .remainder(i[$1], block) }
    let channel = order == .dcr ? cell * y.shape[1].coefficient + i[1] : i[1] * cells(y.rank) + cell
    return .element(0, [i[0], channel] + (2..<y.rank).map { .divide(i[$0], block) })
  }

  /// The element of x that a position of the result without blocks is.
  func toDepth(_ y: TensorType) -> Scalar {
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
}
