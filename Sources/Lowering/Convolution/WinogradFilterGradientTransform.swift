import Basics
import GraphIR
import LoopIR

/// Gathers tiles of an image, with zeros outside of it, and writes their transforms as matrices for the products: target[xi, panel, tile, lane],
/// a panel being neighbouring channels.
///
/// The gathered copy costs less than it saves: its loads run ahead through memory, and the loads of the transform meet none of the 36 streams
/// that it stores to (those share their addresses' low bits, which halves its speed).
struct TileTransform {
  let source: String
  let element: ElementType
  let maximumBatch: Int
  /// Height and width of the image, and its channels.
  let size: [Int]
  let channels: Int
  /// Of the tile: its side, and what of it lies before the first element of the image.
  let side: Int
  let padding: [Int]
  let tiles: [Int]
  let transform: WinogradTransforms.Side
  /// Channels of a vector, a panel, a gathered patch, and a block.
  let vector: Int
  let panel: Int
  let chunk: Int
  let block: Int
  let blockCount: Int
  let blockTiles: Int
  let stride: Int
  let patches: (buffer: String, offset: Index)
  let target: (buffer: String, offset: Index)

  /// Channels of a patch, about: it should stay in the first-level cache.
  private static let patchBytes = 256

  /// B^T d B of the image.
  static func image(_ planned: ConvolutionCluster, _ blocks: WinogradFilterBlocks, _ context: inout KernelContext) -> TileTransform {
    TileTransform(
      planned, blocks, &context, operand: 0, named: "inputs", size: planned.shape.image, channels: planned.shape.inputs,
      side: WinogradTransforms.inputSide, padding: planned.shape.padding, transform: WinogradTransforms.input, panel: blocks.vector,
      block: blocks.inputBlock, blockCount: blocks.inputBlocks, stride: blocks.inputStride)
  }

  /// A dy A^T of the result's cotangent.
  static func cotangent(_ planned: ConvolutionCluster, _ blocks: WinogradFilterBlocks, _ context: inout KernelContext) -> TileTransform {
    TileTransform(
      planned, blocks, &context, operand: 1, named: "cotangents", size: planned.shape.result, channels: planned.shape.outputs,
      side: WinogradTransforms.outputSide, padding: [0, 0], transform: WinogradTransforms.outputTransposed, panel: blocks.lanes,
      block: blocks.outputBlock, blockCount: blocks.outputBlocks, stride: blocks.outputStride)
  }

  private init(
    _ planned: ConvolutionCluster, _ blocks: WinogradFilterBlocks, _ context: inout KernelContext, operand: Int, named name: String,
    size: [Int], channels: Int, side: Int, padding: [Int], transform: @escaping WinogradTransforms.Side, panel: Int, block: Int,
    blockCount: Int, stride: Int
  ) {
    source = context.buffer(of: planned.operands[operand], .read)
    element = planned.shape.element
    maximumBatch = planned.shape.maximumBatch
    self.size = size
    self.channels = channels
    self.side = side
    self.padding = padding
    self.transform = transform
    self.panel = panel
    self.block = block
    self.blockCount = blockCount
    self.stride = stride
    tiles = [blocks.tilesDown, blocks.tilesAcross]
    vector = blocks.vector
    blockTiles = blocks.blockTiles
    // The largest divisor of the block that the cache holds, preferably one that divides the channels too.
    let candidates = (1...block / panel).map { $0 * panel }.filter { block % $0 == 0 && $0 * planned.shape.element.size <= Self.patchBytes }
    chunk = candidates.last { channels % $0 == 0 } ?? candidates.last ?? panel
    patches = context.scratch(
      name + "_patch", element, count: side * side * chunk, parts: blocks.mostParts, of: planned.id)
    target = context.scratch(
      name + "_transformed", element, count: WinogradTransforms.products * stride, parts: blocks.mostParts, of: planned.id)
  }

  /// Where an element of the transforms lies.
  func place(_ xi: Index, _ panel: Index, _ tile: Index, _ lane: Index) -> Index {
    target.offset + xi * stride + (panel * blockTiles + tile) * self.panel + lane
  }

  /// Transforms tiles first ..< first + count of a block of channels.
  mutating func statements(_ context: inout KernelContext, block number: Index, first: Index, count: Index) -> [Statement] {
    let frame = self
    let tile = context.loopVariable("k", Dimension(blockTiles))
    let body = context.nested { context in
      let at = frame.position(&context, first + .variable(tile))
      let chunks = frame.block / frame.chunk
      let all = ceiling(frame.channels, frame.chunk)
      let part = context.loopVariable("part_of_block", Dimension(chunks))
      let q = chunks == 1 && frame.blockCount == 1 ? Index.constant(0) : .variable(part)
      let inner = context.nested { context in
        frame.gather(&context, at, channel: number * frame.block + q * frame.chunk).forEach { context.append($0) }
        frame.transformed(&context, tile: .variable(tile), chunk: q).forEach { context.append($0) }
      }
      guard case .variable = q else { return inner.forEach { context.append($0) } }
      let upper = chunks * frame.blockCount == all ? Index.constant(chunks) : .minimum(.constant(chunks), .constant(all) - number * chunks)
      context.append(.loop(Loop(part, to: upper, inner)))
    }
    return [.loop(Loop(tile, to: count, body))]
  }

  /// Image, tile down and tile across, named once because they are quotients and remainders.
  private func position(_ context: inout KernelContext, _ tile: Index) -> [Index] {
    let across = Index.divide(tile, tiles[1])
    let parts: [(Index, Int, String)] = [
      (.divide(tile, tiles[0] * tiles[1]), maximumBatch, "image"), (.remainder(across, tiles[0]), tiles[0], "down"),
      (.remainder(tile, tiles[1]), tiles[1], "across"),
    ]
    return parts.map { index, bound, base in
      if bound == 1 { return .constant(0) }
      let name = context.unique(base)
      context.append(.define(name, .i32, .index(index.simplified(context.ranges), .i32)))
      return .indirect(.variable(name), bound: bound)
    }
  }

  /// patch[r, s, c] = the image at row r and column s of the tile, zero outside.
  private func gather(_ context: inout KernelContext, _ at: [Index], channel: Index) -> [Statement] {
    let (r, s) = (context.loopVariable("r", Dimension(side)), context.loopVariable("s", Dimension(side)))
    let places = zip(at.dropFirst(), [r, s]).map { $0 * WinogradTransforms.outputSide + .variable($1) }
    var conditions: [Scalar] = []
    for axis in 0..<2 {
      let place = Scalar.index(places[axis] - padding[axis], .i32)
      if padding[axis] > 0 { conditions.append(.compare(.ge, place, .integer(0, .i32))) }
      if (tiles[axis] - 1) * WinogradTransforms.outputSide + side - 1 - padding[axis] >= size[axis] {
        conditions.append(.compare(.lt, place, .integer(size[axis], .i32)))
      }
    }
    let pixel = (at[0] * size[0] + places[0] - padding[0]) * size[1] + places[1] - padding[1]
    let patch = patches.offset + (Index.variable(r) * side + .variable(s)) * chunk
    let lane = context.loopVariable("c", Dimension(chunk)), v = context.loopVariable("v", Dimension(chunk / vector))
    let isWhole = channels % chunk == 0
    let value = { (c: Index) in Scalar.load(source, pixel * channels + channel + c) }
    // Vector by vector, written out: compilers would call memcpy for the whole.
    func fill(from: Index = .constant(0), to: Index? = nil, _ value: (Index) -> Scalar) -> Statement {
      let c = to == nil ? Index.variable(v) * vector + .variable(lane) : .variable(lane)
      let store = Statement.store(patches.buffer, patch + c, value(c))
      guard to == nil else { return .loop(Loop(lane, from: from, to: to!, [store])) }
      return .loop(Loop(v, to: .constant(chunk / vector), kind: .unrolled, [.loop(Loop(lane, to: .constant(vector), [store]))]))
    }
    let valid = Index.minimum(.constant(chunk), .constant(channels) - channel)
    let zero = { (_: Index) in Scalar.constant(0, element) }
    let copy = isWhole ? [fill(value)] : [fill(to: valid, value), fill(from: valid, to: .constant(chunk), zero)]
    var body = copy
    if let first = conditions.first {
      let isInside = conditions.dropFirst().reduce(first) { .binary(.and, $0, $1) }
      body = [.when(isInside, copy, otherwise: [fill(zero)])]
    }
    return [.loop(Loop(r, to: .constant(side), [.loop(Loop(s, to: .constant(side), body))]))]
  }

  /// The transforms of a gathered patch, a vector of channels at a time.
  private func transformed(_ context: inout KernelContext, tile: Index, chunk number: Index) -> [Statement] {
    let (panels, vectors) = (chunk / panel, panel / vector)
    let p = context.loopVariable("panel", Dimension(panels)), v = context.loopVariable("v", Dimension(vectors))
    let panelIndex = panels == 1 ? Index.constant(0) : .variable(p), vectorIndex = vectors == 1 ? Index.constant(0) : .variable(v)
    let lane = context.loopVariable("lane", Dimension(vector))
    let inside = vectorIndex * vector + .variable(lane)
    var code = WinogradTransforms(element, prefix: "value_")
    let matrix = squareMatrix(side) { r, s in
      code.named(.load(patches.buffer, patches.offset + (r * side + s) * chunk + panelIndex * panel + inside))
    }
    let result = code.both(matrix, transform)
    let stores = result.enumerated().flatMap { row, values in
      values.enumerated().map { column, value in
        Statement.store(
          target.buffer, place(.constant(row * WinogradTransforms.inputSide + column), number * panels + panelIndex, tile, inside), value)
      }
    }
    var statements: [Statement] = [.loop(Loop(lane, to: .constant(vector), code.statements + stores))]
    if vectors > 1 { statements = [.loop(Loop(v, to: .constant(vectors), statements))] }
    if panels > 1 { statements = [.loop(Loop(p, to: .constant(panels), statements))] }
    return statements
  }
}
