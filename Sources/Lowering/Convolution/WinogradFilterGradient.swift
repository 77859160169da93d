import Basics
import GraphIR
import LoopIR

/// The filter's gradient of 3x3 convolutions of stride 1 in Winograd's domain:
///
///     dU[xi] = sum over tiles of (B^T d B)[xi]^T (A dy A^T)[xi]    for the 36 positions xi,    dw = G^T dU G
///
/// with d a tile's 6x6 inputs and dy its 4x4 cotangents: 36 multiplications for each pair of channels and tile, where the direct sum takes 144.
///
/// A part takes a range of output channels, a range of tiles, or both. Block by block it transforms so many tiles that they stay in the
/// caches, and 36 products with register tiles add the block to the part's dU. Parts of one range of tiles write dw; where ranges have
/// sums of their own, a second kernel adds them in order.
struct WinogradFilterGradient: ConvolutionMethod {
  let name = "winograd_filter"

  func cost(of shape: ConvolutionShape) -> Double? { WinogradFilterBlocks(best: shape)?.cost }

  func plan(_ convolution: Convolution, _ operands: [ValueID], result: TensorType, shape: ConvolutionShape, in builder: inout GraphBuilder)
    throws -> ValueID
  {
    try builder.add(PlannedConvolution(name, convolution, kernel: shape.kernel, result: result), operands)
  }

  func kernels(_ planned: ConvolutionCluster) -> [LoweredKernel] {
    guard let blocks = WinogradFilterBlocks(best: planned.shape) else { fatalError("a filter's gradient without blocks") }
    var loops = WinogradFilterLoops(planned, blocks)
    return loops.kernels()
  }
}
