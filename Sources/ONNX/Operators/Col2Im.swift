import Basics
import GraphIR
import Operators

/// Blocks of an image, as columns, added back into the image: the opposite of what gathers the patches of a convolution.
let col2ImRules = [
  ONNXRule("Col2Im", since: 18) { node in
    let x = try node.value(0)
    let type = node.type(x)
    let (image, block) = (try node.integers(1), try node.integers(2))
    let axes = image.count
    let strides = try node.ints("strides") ?? Array(repeating: 1, count: axes)
    let dilations = try node.ints("dilations") ?? Array(repeating: 1, count: axes)
    let pads = try node.ints("pads") ?? Array(repeating: 0, count: 2 * axes)
    guard type.rank == 3, axes > 0, block.count == axes, strides.count == axes, dilations.count == axes, pads.count == 2 * axes,
      (image + block + strides + dilations).allSatisfy((1...1 << 20).contains), pads.allSatisfy((0...1 << 20).contains)
    else { throw Diagnostic("columns \(type), image \(image), block \(block), strides, dilations and pads do not fit") }
    let columns = (0..<axes).map { AxisColumns(image[$0], block[$0], strides[$0], dilations[$0], pads[$0], pads[axes + $0]) }
    let (cells, places) = (block.reduce(1, *), columns.reduce(1) { $0 * $1.blocks })
    guard let channels = type.shape[1].constant, channels % cells == 0, type.shape[2] == Dimension(places), places > 0,
      cells <= 1 << 26 / places
    else {
      throw Diagnostic("blocks \(block) in an image \(image) make \(cells) rows a channel and \(places) columns, got \(type)")
    }
    // Rows: positions in a block; columns: blocks. What falls on the border goes to one more element behind the image.
    let size = image.reduce(1, *)
    let targets = (0..<cells * places).map { target($0 / places, $0 % places, columns) ?? size }
    let flat = try node.graph.reshape(x, [type.shape[0], Dimension(channels / cells), Dimension(cells * places)])
    let shape: Shape = [type.shape[0], Dimension(channels / cells), Dimension(size + 1)]
    let sums = try node.graph.scatterAdd(flat, to: node.graph.constant(HostTensor(targets)), shape: shape, axis: 2)
    let inner = try node.graph.slice(sums, axis: 2, from: 0, to: size)
    return [try node.graph.reshape(inner, shape[..<2] + image.map { Dimension($0) })]
  }
]

/// One axis of an image with its blocks.
private struct AxisColumns {
  let (image, block, stride, dilation, before): (Int, Int, Int, Int, Int)
  /// How many blocks there are.
  let blocks: Int

  init(_ image: Int, _ block: Int, _ stride: Int, _ dilation: Int, _ before: Int, _ after: Int) {
    (self.image, self.block, self.stride, self.dilation, self.before) = (image, block, stride, dilation, before)
    let room = image + before + after - dilation * (block - 1) - 1
    blocks = room < 0 ? 0 : room / stride + 1
  }
}

/// The place in the image of a position in a block; nil on the border.
private func target(_ cell: Int, _ place: Int, _ columns: [AxisColumns]) -> Int? {
  var (cell, place, result, factor) = (cell, place, 0, 1)
  for axis in columns.reversed() {
    let position = place % axis.blocks * axis.stride + cell % axis.block * axis.dilation - axis.before
    guard (0..<axis.image).contains(position) else { return nil }
    result += position * factor
    factor *= axis.image
    (cell, place) = (cell / axis.block, place / axis.blocks)
  }
  return result
}
