import Basics
import GraphIR
import LoopIR

/// Forward and input gradient of 3x3 filters at stride 1 by Winograd's F(4x4, 3x3): a quarter of the multiplications.
///
///     for each block of tiles {
///       for each tile { V[p, tile, channel] = B^T d B }                            36 matrices V[p], rows of channels
///       for each product p { M[p] = V[p] U[p] }                                    register tiles, panels of U side by side
///       for each tile { y = A^T M[.., tile, ..] A, and the members over it } }
///
/// V[p] lies one plane above M[p] in the same working memory: M[p] is written where V[p - 1] was read, so that a block of both stays in
/// the second-level cache. Each element of M is one chain of products over the channels in their order.
struct WinogradConvolution: ConvolutionMethod {
  let name = "winograd"

  func cost(of shape: ConvolutionShape) -> Double? { WinogradSizes(shape)?.cost }

  func plan(_ convolution: Convolution, _ operands: [ValueID], result: TensorType, shape: ConvolutionShape, in builder: inout GraphBuilder)
    throws -> ValueID
  {
    guard let sizes = WinogradSizes(shape) else { throw Diagnostic.bug("Winograd's method is for 3x3 filters at stride 1") }
    let filter = WinogradFilter(isTurned: convolution.direction == .inputGradient, width: sizes.width)
    let transformed = try builder.add(filter, [operands[1]])
    return try builder.add(PlannedConvolution(name, convolution, kernel: shape.kernel, result: result), [operands[0], transformed])
  }

  func kernels(_ planned: ConvolutionCluster) -> [LoweredKernel] {
    guard let sizes = WinogradSizes(planned.shape) else { fatalError("not a convolution for Winograd's method") }
    var emission = WinogradEmission(planned, sizes)
    return [emission.kernel()]
  }
}

/// The sizes of one Winograd convolution: what it reads, its tiles, its panels, and how the work is cut.
struct WinogradSizes {
  let element: ElementType
  let batch: Dimension
  let maximumBatch: Int
  /// Channels that are summed over, and channels of the result.
  let terms: Int
  let columns: Int
  /// Height and width of the image that is read and of the result; zeros before the image.
  let image: [Int]
  let result: [Int]
  let padding: [Int]
  /// Columns of a panel of the transformed filter; the last panel is filled up with zeros.
  let width: Int

  private typealias Transforms = WinogradTransforms

  init?(_ shape: ConvolutionShape) {
    guard shape.direction != .filterGradient, shape.element.isFloat, shape.groups == 1, shape.kernel == [3, 3],
      shape.strides == [1, 1], shape.dilations == [1, 1]
    else { return nil }
    let isForward = shape.direction == .forward
    element = shape.element
    batch = shape.batch
    maximumBatch = shape.maximumBatch
    terms = isForward ? shape.inputs : shape.outputs
    columns = isForward ? shape.outputs : shape.inputs
    image = isForward ? shape.image : shape.result
    result = isForward ? shape.result : shape.image
    padding = isForward ? shape.padding : shape.padding.map { Transforms.filterSide - 1 - $0 }
    let (lanes, columns) = (Self.lanes(shape.element), columns)
    // Wider panels take fewer loads a product; narrower ones are filled up with fewer zeros.
    width =
      [(4 * lanes, 1.0), (2 * lanes, 1.2), (lanes, 1.5)].min { Self.padded(columns, $0.0) * $0.1 < Self.padded(columns, $1.0) * $1.1 }!.0
  }

  private static func padded(_ columns: Int, _ width: Int) -> Double { Double((columns + width - 1) / width * width) }

  /// Elements of a 512-bit vector.
  static func lanes(_ element: ElementType) -> Int { 64 / element.size }
  var lanes: Int { Self.lanes(element) }

  var panels: Int { (columns + width - 1) / width }
  /// Rows of a register tile: sixteen vectors of sums.
  var height: Int { width == 4 * lanes ? 4 : 8 }
  /// Tiles down and across an image.
  var grid: [Int] { result.map { ($0 + Transforms.outputSide - 1) / Transforms.outputSide } }
  var imageTiles: Int { grid[0] * grid[1] }
  var maximumTiles: Int { imageTiles * maximumBatch }
  /// Bytes of the transformed filter.
  var filterBytes: Int { Transforms.products * terms * panels * width * element.size }

  /// Tiles of a block: V and M stay in the second-level cache. Where the filter is larger than the third-level cache, it is read half as often.
  var block: Int { min(filterBytes > 1 << 24 ? 64 : 32, (maximumTiles + height - 1) / height * height) }
  /// Elements of a plane of working memory: V[p] or M[p] of a block; a line more, so that planes do not fall on the same cache sets.
  var plane: Int { block * max(terms, groupColumns) + lanes }
  /// Elements of a part's working memory.
  var memory: Int { (Transforms.products + 1) * plane }

  /// Groups of panels, each with parts of its own that transform the input again: few blocks would keep few threads busy.
  var groups: Int {
    let blocks = (maximumTiles + block - 1) / block
    guard blocks < 4, columns % width == 0 else { return 1 }
    return (1...(4 / blocks)).last { panels % $0 == 0 && panels / $0 >= 2 } ?? 1
  }
  /// Columns of a group, with those that fill up the last panel.
  var groupColumns: Int { panels / groups * width }

  /// Tiles of a part: at most 16 parts, and working memory of at most 8 MB, but for four parts.
  var partTiles: Int {
    let parts = max(4, min(16, (8 << 20) / (memory * element.size)))
    let blocks = (maximumTiles + block - 1) / block
    return (blocks + parts - 1) / parts * block
  }

  /// Vectors that channels are transformed in: those of fewer than a vector one by one.
  private func vectors(_ channels: Int) -> Double { Double(channels < lanes ? channels : (channels + lanes - 1) / lanes) }

  /// The time in floating point operations at the machine's peak, from measurements on one core: products at nine tenths of it, where they are
  /// not fewer than a register tile; 11,000 operations a tile and vector for the input's transform, 6,500 for the result's; or, where few
  /// tiles share it, the way of the filter from memory. The filter's own transform takes as long as its packing for other methods.
  var cost: Double {
    let (tiles, pairs) = (Double(maximumTiles), Double(terms + 12) * Double(panels * width))
    let products = 2 * Double(Transforms.products) * pairs * max(tiles, Double(height)) / 0.95
    let blocks = (tiles / Double(block)).rounded(.up)
    let transfer = Double(filterBytes) * blocks * (filterBytes > 1 << 24 ? 4.7 : 2.2)
    return max(products, transfer) + tiles * (11_000 * vectors(terms) + 6_500 * vectors(columns))
  }
}
