import Basics
import GraphIR
import LoopIR

/// A spatial axis cut into blocks of neighbouring result positions, and what of the image each of them is made of. Blocks that meet the
/// image in the same way are one class: the code of a class has no guards, zeros outside the image are simply not there.
struct AxisBlocks {
  /// A tap of the filter that a result position takes, and the image's position, counted from the block's origin in the image.
  struct Meeting: Hashable {
    var tap: Int
    var place: Int
  }

  /// Neighbouring blocks with the same meetings.
  struct BlockClass {
    /// The class has blocks lower ..< upper.
    var lower: Int
    var upper: Int
    /// For each position of a block, what it takes.
    var meetings: [[Meeting]]
  }

  /// Positions in a block.
  let size: Int
  /// Image positions between the origins of neighbouring blocks.
  let advance: Int
  let blocks: Int
  let classes: [BlockClass]

  /// `isTransposed`: result position s takes image positions (s + padding - dilation t) / stride where that is whole, otherwise
  /// s stride + t dilation - padding. In a transposed axis the size of blocks is a multiple of the stride.
  init(image: Int, result: Int, kernel: Int, stride: Int, dilation: Int, padding: Int, isTransposed: Bool, size: Int) {
    self.size = size
    advance = isTransposed ? size / stride : size * stride
    blocks = (result + size - 1) / size
    var classes: [BlockClass] = []
    for block in 0..<blocks {
      let origin = block * advance
      let meetings = (block * size..<min(result, (block + 1) * size)).map { position -> [Meeting] in
        (0..<kernel).compactMap { tap in
          let distance = isTransposed ? position + padding - dilation * tap : position * stride + tap * dilation - padding
          guard !isTransposed || (distance >= 0 && distance % stride == 0) else { return nil }
          let place = isTransposed ? distance / stride : distance
          return place >= 0 && place < image ? Meeting(tap: tap, place: place - origin) : nil
        }
      }
      if let last = classes.indices.last, classes[last].meetings == meetings {
        classes[last].upper = block + 1
      } else {
        classes.append(BlockClass(lower: block, upper: block + 1, meetings: meetings))
      }
    }
    self.classes = classes
  }

  /// Statements that run `body` for a given block, which must be one of `blocks`: a chain of conditions over the classes.
  func choose(_ block: Index, _ body: (BlockClass, Index) -> [Statement]) -> [Statement] {
    func chain(_ rest: ArraySlice<BlockClass>) -> [Statement] {
      let first = rest.first!
      let statements = body(first, first.upper - first.lower == 1 ? .constant(first.lower) : block)
      guard rest.count > 1 else { return statements }
      return [.when(.compare(.lt, .index(block, .i32), .integer(first.upper, .i32)), statements, otherwise: chain(rest.dropFirst()))]
    }
    return chain(classes[...])
  }

  /// Statements that run `body` for all blocks in turn.
  func forEach(_ context: inout KernelContext, _ name: String, _ body: (inout KernelContext, BlockClass, Index) -> [Statement])
    -> [Statement]
  {
    classes.flatMap { part -> [Statement] in
      guard part.upper - part.lower > 1 else { return body(&context, part, .constant(part.lower)) }
      let variable = context.loopVariable(name, Dimension(part.upper))
      let statements = body(&context, part, .variable(variable))
      return [.loop(Loop(variable, from: .constant(part.lower), to: .constant(part.upper), statements))]
    }
  }

  /// A size of blocks up to `most`, a multiple of `step`, that leaves no rest or the largest.
  static func size(result: Int, most: Int, step: Int) -> Int {
    guard result > most else { return (result + step - 1) / step * step }
    let sizes = stride(from: max(step, most / step * step), through: max(step, most / 2), by: -step)
    return sizes.first { result % $0 == 0 } ?? sizes.max { result % $0 * $1 < result % $1 * $0 } ?? step
  }
}
