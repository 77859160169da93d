import Basics
import GraphIR
import LoopIR

/// Forward and input gradient as products of patches with the packed filter: for a block of result pixels the rows of patches are gathered
/// into working memory of a part, and register tiles run over them. Works for every convolution.
struct PatchConvolution: ConvolutionMethod {
  let name = "patches"

  /// Bytes of gathered rows, about: what the second-level cache holds beside a panel of the filter.
  private static let patchBytes = 3 << 17
  /// Parts at most: each has working memory of its own.
  private static let mostParts = 32
  /// Floating point operations in a part, at least.
  private static let partOperations = 1 << 21
  /// Rows in a block: more than enough to load a panel for.
  private static let (leastRows, mostRows) = (32, 128)

  func cost(of shape: ConvolutionShape) -> Double? {
    guard shape.direction != .filterGradient else { return nil }
    return shape.operations * 1.15
  }

  func plan(_ convolution: Convolution, _ operands: [ValueID], result: TensorType, shape: ConvolutionShape, in builder: inout GraphBuilder)
    throws -> ValueID
  {
    let packed = try builder.add(PanelFilter(groups: shape.groups, isTurned: convolution.direction == .inputGradient), [operands[1]])
    return try builder.add(PlannedConvolution(name, convolution, kernel: shape.kernel, result: result), [operands[0], packed])
  }

  func kernels(_ planned: ConvolutionCluster) -> [LoweredKernel] {
    let shape = planned.shape
    var context = planned.context
    let phases = Patches.phases(shape)
    let first = phases[0]
    let columns = ColumnPanels(
      columns: (shape.direction == .forward ? shape.outputs : shape.inputs) / shape.groups, element: shape.element)
    let most = first.pixels * shape.maximumBatch
    let height = registerTileHeight(rows: most)
    let block = rows(phases, height, most)
    let parts = PartGrid(shape, phases, columns, rows: most, block: block, least: height, wanted: wantedParts(shape))
    let gathered = phases.filter { !$0.isInPlace }.map { $0.width }.max() ?? 0
    let memory =
      gathered == 0
      ? nil : context.scratch("patches", shape.element, count: block * gathered, parts: parts.most, of: planned.id)
    let source = context.buffer(of: planned.operands[0], .read)
    let filter = context.buffer(of: planned.operands[1], .read)
    var body: [Statement] = []
    for phase in phases {
      let total = Dimension(phase.pixels * shape.batch.coefficient, symbol: shape.batch.symbol)
      let variable = context.loopVariable("block", total)
      let (lower, upper) = parts.rows(phase, total)
      let count = Index.minimum(.variable(variable) + block, upper) - .variable(variable)
      let group = context.loopVariable("group", Dimension(shape.groups))
      let number: Index = shape.groups == 1 ? .constant(0) : .variable(group)
      var inner: [Statement] = []
      if let memory, !phase.isInPlace {
        inner += context.nested {
          phase.gather(
            &$0, from: source, channel: number * phase.groupChannels, to: memory.buffer, at: memory.offset, first: .variable(variable),
            count: count, atMost: block, images: shape.maximumBatch)
        }
      }
      let isGathered = memory != nil && !phase.isInPlace
      let tiles = PatchTiles(
        cluster: planned.cluster, patches: phase, columns: columns, group: number, filter: filter, first: .variable(variable), count: count,
        block: block, height: height, images: shape.maximumBatch, rows: isGathered ? memory! : (source, .variable(variable) * phase.width),
        range: parts.columns)
      inner += tiles.statements(&context)
      if shape.groups > 1 { inner = [.loop(Loop(group, to: .constant(shape.groups), inner))] }
      body.append(.loop(Loop(variable, from: lower, to: upper, step: block, inner)))
    }
    return [context.kernel(named: planned.name, comments: planned.comments, parts: parts.count, body: body)]
  }

  private func wantedParts(_ shape: ConvolutionShape) -> Int { max(1, min(Self.mostParts, Int(shape.operations) / Self.partOperations)) }

  /// Rows of patches in a block.
  private func rows(_ phases: [Patches], _ height: Int, _ most: Int) -> Int {
    let bytes = max(1, phases[0].element.size * (phases.map(\.width).max() ?? 1))
    let rows = max(Self.leastRows, min(Self.mostRows, Self.patchBytes / bytes))
    return max(height, min(rows, most) / height * height)
  }
}

/// The height of register tiles for so many rows: what leaves few rows over, which run alone.
func registerTileHeight(rows: Int) -> Int {
  guard rows < 1024 else { return 8 }
  func cost(_ height: Int) -> Int { rows / height * (height + 1) + rows % height * 5 }
  return [8, 9, 7, 6, 5, 4].filter { $0 <= rows }.min { cost($0) < cost($1) } ?? 1
}

/// How rows and columns of a product are shared out: parts of the rows, and where these are few, of the columns too.
private struct PartGrid {
  /// Rows of the first phase in a part.
  let chunk: Int
  let firstPixels: Int
  let isCut: Bool
  /// Parts of the columns, which are whole panels.
  let columnParts: Int
  let columnChunk: Int
  let count: Index
  /// Parts at the largest batch.
  let most: Int
  let panels: ColumnPanels

  init(_ shape: ConvolutionShape, _ phases: [Patches], _ columns: ColumnPanels, rows: Int, block: Int, least: Int, wanted: Int) {
    panels = columns
    firstPixels = phases[0].pixels
    let rowParts = max(1, min(wanted, (rows + block - 1) / block))
    let size = (rows + rowParts - 1) / rowParts
    chunk = rowParts == 1 ? rows : (size + least - 1) / least * least
    let panelCount = columns.whole / columns.wide
    let cuts = shape.groups == 1 && panelCount > 1 ? max(1, min(wanted / rowParts, panelCount)) : 1
    columnChunk = max(1, (panelCount + cuts - 1) / cuts)
    columnParts = max(1, (panelCount + columnChunk - 1) / columnChunk)
    isCut = rowParts > 1
    let total = Dimension(phases[0].pixels * shape.batch.coefficient, symbol: shape.batch.symbol)
    let parts: Index =
      !isCut
      ? .constant(1) : total.constant.map { [chunk] in .constant(($0 + chunk - 1) / chunk) } ?? .divide(total.index + (chunk - 1), chunk)
    count = parts * columnParts
    most = (isCut ? (rows + chunk - 1) / chunk : 1) * columnParts
  }

  /// The rows of a phase in this part.
  func rows(_ phase: Patches, _ total: Dimension) -> (Index, Index) {
    guard isCut else { return (.constant(0), total.index) }
    let own = phase.pixels == firstPixels ? chunk : (phase.pixels * chunk + firstPixels - 1) / firstPixels
    let number: Index = columnParts == 1 ? .variable("part") : .divide(.variable("part"), columnParts)
    return (number * own, .minimum(number * own + own, total.index))
  }

  /// The columns of whole panels in this part, and whether it has those that are left over.
  var columns: (lower: Index, upper: Index, hasRest: Scalar?) {
    guard columnParts > 1 else { return (.constant(0), .constant(panels.whole), nil) }
    let number: Index = isCut ? .remainder(.variable("part"), columnParts) : .variable("part")
    let size = columnChunk * panels.wide
    let isLast = Scalar.compare(.eq, .index(number, .i32), .integer(columnParts - 1, .i32))
    return (number * size, .minimum(number * size + size, .constant(panels.whole)), isLast)
  }
}

/// The product of a block of rows with one group's columns of the packed filter.
private struct PatchTiles {
  let cluster: Cluster
  let patches: Patches
  let columns: ColumnPanels
  let group: Index
  let filter: String
  /// The block's first pixel, its pixels, and those at most.
  let first: Index
  let count: Index
  let block: Int
  let height: Int
  let images: Int
  /// The rows of patches.
  let rows: (buffer: String, offset: Index)
  let range: (lower: Index, upper: Index, hasRest: Scalar?)

  func statements(_ context: inout KernelContext) -> [Statement] {
    let row = context.loopVariable("row", Dimension(block))
    let panel = context.loopVariable("panel", Dimension(max(1, columns.whole)))
    let tiled = height == 1 ? count : Index.divide(count, height) * height
    func overRows(_ panel: Index, _ width: Int, kept: Int) -> [Statement] {
      [.loop(Loop(row, to: tiled, step: height, tile(&context, .variable(row), height, panel, width, kept)))]
        + (height == 1 ? [] : [.loop(Loop(row, from: tiled, to: count, tile(&context, .variable(row), 1, panel, width, kept)))])
    }
    var statements: [Statement] = []
    if columns.whole > 0 {
      statements.append(
        .loop(
          Loop(panel, from: range.lower, to: range.upper, step: columns.wide, overRows(.variable(panel), columns.wide, kept: columns.wide)))
      )
    }
    let rest = columns.rest.flatMap { overRows(.constant($0.first), $0.width, kept: $0.kept) }
    guard let hasRest = range.hasRest, !rest.isEmpty else { return statements + rest }
    return statements + [.when(hasRest, rest, otherwise: [])]
  }

  private func tile(_ context: inout KernelContext, _ row: Index, _ height: Int, _ panel: Index, _ width: Int, _ kept: Int) -> [Statement] {
    // Rows of the filter in all, of which a phase takes some.
    let depth = patches.kernel.reduce(patches.groupChannels, *)
    return context.registerTile(
      patches.element, height: height, width: width, kept: kept, terms: patches.terms,
      a: { r, terms in .load(rows.buffer, rows.offset + (row + r) * patches.width + patches.rowElement(terms)) },
      b: { terms, lane in
        .load(
          filter,
          group * (depth * columns.padded)
            + columns.offset(rows: depth, row: patches.filterRow(terms), first: panel, width: width, lane: lane))
      },
      finish: { context, r, lane, sum in
        let place = patches.position(of: first + row + r, images: images, &context) + [group * columns.columns + panel + lane]
        let core = zip(context.graph.type(cluster.members[0]).shape, place).filter { $0.0 != 1 }.map(\.1)
        context.define(cluster, at: core, as: sum)
      })
  }
}
