import Basics
import GraphIR
import LoopIR

/// Forward and input gradient as products of patches with the packed filter: for a block of result pixels the rows of patches are gathered
/// into working memory of a part, and register tiles run over them. Works for every convolution.
struct PatchConvolution: ConvolutionMethod {
  let name = "patches"

  /// Bytes of gathered rows, about: what the second-level cache holds beside a panel of the filter.
  private static let patchBytes = 1 << 18
  /// Parts at most: each has working memory of its own.
  private static let mostParts = 16
  /// Floating point operations in a part, at least.
  private static let partOperations = 1 << 21

  func cost(of shape: ConvolutionShape) -> Double? {
    guard shape.direction != .filterGradient else { return nil }
    return shape.operations * 1.15
  }

  func plan(_ convolution: Convolution, _ operands: [ValueID], result: TensorType, shape: ConvolutionShape, in builder: inout GraphBuilder)
    throws -> ValueID
  {
    let packed = try builder.add(PackedFilter(groups: shape.groups, isTurned: convolution.direction == .inputGradient), [operands[1]])
    return try builder.add(PlannedConvolution(name, convolution, kernel: shape.kernel, result: result), [operands[0], packed])
  }

  func kernels(_ planned: ConvolutionCluster) -> [LoweredKernel] {
    let (shape, id) = (planned.shape, planned.id)
    var context = planned.context
    let patches = Patches(shape)
    let element = shape.element
    let results = shape.direction == .forward ? shape.outputs : shape.inputs
    let groupResults = results / shape.groups
    let source = context.buffer(of: planned.operands[0], .read)
    let filter = context.buffer(of: planned.operands[1], .read)

    let block = patches.isInPlace ? 64 : min(128, max(8, Self.patchBytes / (patches.width * element.size) / 8 * 8))
    let total = Dimension(patches.pixels * shape.batch.coefficient, symbol: shape.batch.symbol)
    let most = context.maximum(total)
    let partCount = max(1, min(Self.mostParts, Int(shape.operations) / Self.partOperations, (most + block - 1) / block))
    let chunk = ((most + partCount - 1) / partCount + block - 1) / block * block
    let (lower, upper, parts) = most > chunk ? partition(total, chunk: chunk) : (.constant(0), total.index, .constant(1))
    let memory =
      patches.isInPlace
      ? nil : context.scratch("patches", element, count: block * patches.width, parts: (most + chunk - 1) / chunk, of: id)

    let first = context.loopVariable("block", total)
    let count = Index.minimum(.variable(first) + block, upper) - .variable(first)
    var body: [Statement] = []
    for group in 0..<shape.groups {
      if let memory {
        body += context.nested {
          patches.gather(
            &$0, from: source, channel: .constant(group * patches.groupChannels), to: memory.buffer, at: memory.offset,
            first: .variable(first), count: count, atMost: block, images: shape.maximumBatch)
        }
      }
      let tiles = GroupTiles(
        cluster: planned.cluster, element: element, terms: patches.width, columns: groupResults, firstColumn: group * groupResults,
        filter: filter, filterStride: results, first: .variable(first), count: count, block: block,
        rows: memory.map { ($0.buffer, $0.offset) } ?? (source, .variable(first) * patches.width), position: patches.position)
      body += tiles.statements(&context)
    }
    let loops = Statement.loop(Loop(first, from: lower, to: upper, step: block, body))
    return [context.kernel(named: planned.name, comments: planned.comments, parts: parts, body: [loops])]
  }
}

/// The product of a block of rows with one group's columns of the packed filter.
private struct GroupTiles {
  let cluster: Cluster
  let element: ElementType
  let terms: Int
  let columns: Int
  let firstColumn: Int
  let filter: String
  let filterStride: Int
  /// The block's first pixel, its pixels, and those at most.
  let first: Index
  let count: Index
  let block: Int
  /// The rows of patches.
  let rows: (buffer: String, offset: Index)
  let position: (Index) -> [Index]

  func statements(_ context: inout KernelContext) -> [Statement] {
    let wide = element == .f32 ? 32 : 16
    let lanes = columns >= wide ? wide : columns >= wide / 2 ? wide / 2 : columns
    let whole = columns / lanes * lanes
    let row = context.loopVariable("row", Dimension(block))
    let panel = context.loopVariable("panel", Dimension(columns))
    func overRows(_ body: (Int) -> [Statement]) -> [Statement] {
      let tiled = Index.divide(count, 8) * 8
      return [
        .loop(Loop(row, to: tiled, step: 8, body(8))), .loop(Loop(row, from: tiled, to: count, body(1))),
      ]
    }
    func overPanels(_ body: (Index, Int) -> [Statement]) -> [Statement] {
      [.loop(Loop(panel, to: .constant(whole), step: lanes, body(.variable(panel), lanes)))]
        + (whole < columns ? body(.constant(whole), columns - whole) : [])
    }
    return overPanels { panel, width in overRows { height in tile(&context, .variable(row), height, panel, width) } }
  }

  private func tile(_ context: inout KernelContext, _ row: Index, _ height: Int, _ panel: Index, _ width: Int) -> [Statement] {
    context.registerTile(
      element, height: height, width: width, terms: [("t", Dimension(terms))],
      a: { r, t in .load(rows.buffer, rows.offset + (row + r) * terms + t[0]) },
      b: { t, lane in .load(filter, t[0] * filterStride + firstColumn + panel + lane) },
      finish: { context, r, lane, sum in
        let place = position(first + row + r).map { $0.simplified(context.ranges) } + [panel + lane + firstColumn]
        let core = zip(context.graph.type(cluster.members[0]).shape, place).filter { $0.0 != 1 }.map(\.1)
        context.define(cluster, at: core, as: sum)
      })
  }
}
