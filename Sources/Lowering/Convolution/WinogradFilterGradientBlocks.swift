import Basics
import GraphIR
import LoopIR

/// How Winograd's filter gradient is cut into blocks and parts: a function of the shape alone.
struct WinogradFilterBlocks: Hashable {
  /// Tiles down and across an image, and in a call at most.
  let tilesDown: Int
  let tilesAcross: Int
  let mostTiles: Int
  /// Elements of the widest vector register.
  let vector: Int
  /// Neighbouring output channels of a register tile: two vectors, or one where that leaves fewer of them empty.
  let lanes: Int
  /// Rows of a register tile: neighbouring input channels.
  static let rows = 8
  /// Channels that are multiplied at a time: multiples of `vector` and of `lanes`. There may be fewer in the last block.
  let inputBlock: Int
  let outputBlock: Int
  let inputBlocks: Int
  let outputBlocks: Int
  /// Tiles of a part, and those transformed at a time.
  let rangeTiles: Int
  let blockTiles: Int
  /// Ranges of tiles with sums of their own, at most.
  let ranges: Int
  /// The time in floating point operations at the machine's peak, parts one after another.
  private(set) var cost: Double

  /// Bytes of working memory of all parts together, at most.
  private static let scratchBytes = 1 << 24
  /// Direct floating point operations for which a part is worth while.
  private static let partOperations = 1 << 23
  /// Parts that there should be a multiple of, where the work is large.
  private static let evenParts = 4

  /// Elements between transformed matrices: one line of the cache more than the matrix, so that the 36 stores of a tile do not all fall into
  /// the same set.
  var inputStride: Int { blockTiles * inputBlock + vector }
  var outputStride: Int { blockTiles * outputBlock + vector }
  var sumStride: Int { inputBlock * outputBlock + vector }
  /// Elements of the sums of a block of channels.
  var sumCount: Int { WinogradTransforms.products * sumStride }
  /// Parts at most.
  var mostParts: Int { ranges * outputBlocks }
  /// Blocks of sums that stay until the last kernel reads them, or are used again by a part's next block.
  var sumBlocks: Int { ranges > 1 ? inputBlocks : 1 }

  /// The cheapest cut; nil where the method cannot be used.
  init?(best shape: ConvolutionShape) {
    guard shape.direction == .filterGradient, shape.kernel == [3, 3], shape.strides == [1, 1], shape.dilations == [1, 1], shape.groups == 1,
      shape.element == .f32 || shape.element == .f64
    else { return nil }
    let wanted = Int(min(shape.operations, 1e15)) / Self.partOperations >= Self.evenParts ? Self.evenParts : 1
    var best: (blocks: WinogradFilterBlocks, isEven: Bool)?
    for ranges in [1, 2, 4, 8] {
      for tiles in [32, 64, 128] {
        for inputs in Self.blockCounts(shape.inputs, WinogradFilterBlocks.vector(shape.element)) {
          for outputs in Self.blockCounts(shape.outputs, WinogradFilterBlocks.lanes(shape)) {
            let blocks = WinogradFilterBlocks(shape, ranges: ranges, tiles: tiles, inputBlocks: inputs, outputBlocks: outputs)
            guard blocks.mostParts * blocks.scratchElements * shape.element.size <= Self.scratchBytes else { continue }
            let isEven = blocks.mostParts % wanted == 0 || blocks.mostParts >= 4 * wanted
            if let best, best.isEven != isEven ? best.isEven : best.blocks.cost <= blocks.cost { continue }
            best = (blocks, isEven)
          }
        }
      }
    }
    guard let best else { return nil }
    self = best.blocks
  }

  private init(_ shape: ConvolutionShape, ranges: Int, tiles: Int, inputBlocks: Int, outputBlocks: Int) {
    vector = Self.vector(shape.element)
    lanes = Self.lanes(shape)
    tilesDown = ceiling(shape.result[0], WinogradTransforms.outputSide)
    tilesAcross = ceiling(shape.result[1], WinogradTransforms.outputSide)
    mostTiles = tilesDown * tilesAcross * shape.maximumBatch
    inputBlock = ceiling(ceiling(shape.inputs, vector), inputBlocks) * vector
    outputBlock = ceiling(ceiling(shape.outputs, lanes), outputBlocks) * lanes
    self.inputBlocks = ceiling(shape.inputs, inputBlock)
    self.outputBlocks = ceiling(shape.outputs, outputBlock)
    rangeTiles = ceiling(mostTiles, ranges)
    self.ranges = ceiling(mostTiles, rangeTiles)
    blockTiles = ceiling(rangeTiles, ceiling(rangeTiles, tiles))
    cost = 0
    cost = time(shape)
  }

  /// The time as fitted to measurements on one core (AVX-512, f32, 16 to 512 channels, images of 4x4 to 32x32): register tiles run at 0.95 of
  /// the peak less the time in which sums are loaded and stored, as long as eight tiles take; a channel of a tile costs as much as 1200
  /// operations to gather and transform from x and 950 from dy; a pair of channels costs 1500 and for each range of tiles 500 at the end; a
  /// byte of working memory costs 12, because each part's is new to the caches.
  private func time(_ shape: ConvolutionShape) -> Double {
    let inputs = Double(shape.inputs <= Self.rows ? Self.rows : ceiling(shape.inputs, vector) * vector)
    let outputs = Double(ceiling(shape.outputs, lanes) * lanes)
    let products = Double(2 * WinogradTransforms.products * mostTiles) * inputs * outputs
    let efficiency = (lanes > vector ? 0.95 : 0.85) / (1 + 8 / Double(blockTiles))
    let gathered =
      Double(1200 * mostTiles * outputBlocks * (ceiling(shape.inputs, vector) * vector))
      + Double(950 * mostTiles * inputBlocks * (ceiling(shape.outputs, vector) * vector))
    let finish = Double(shape.inputs * shape.outputs) * Double(1500 + 500 * ranges)
    return products / efficiency + gathered + finish + 12 * Double(mostParts * scratchElements * shape.element.size)
  }

  /// Elements of a part's working memory, about.
  private var scratchElements: Int {
    WinogradTransforms.products * (inputStride + outputStride) + sumBlocks * sumCount
  }

  private static func vector(_ element: ElementType) -> Int { 64 / element.size }

  private static func lanes(_ shape: ConvolutionShape) -> Int {
    let vector = vector(shape.element)
    return ceiling(shape.outputs, vector) % 2 == 0 ? 2 * vector : vector
  }

  /// Numbers of blocks that channels may be cut into, none larger than 256 channels.
  private static func blockCounts(_ channels: Int, _ unit: Int) -> [Int] {
    let units = ceiling(channels, unit)
    let sizes = Set((1...min(units, 64)).map { ceiling(units, $0) }).filter { $0 * unit <= 256 || $0 == 1 }
    return sizes.sorted().map { ceiling(units, $0) }
  }
}

/// The quotient rounded up.
func ceiling(_ a: Int, _ b: Int) -> Int { (a + b - 1) / b }
