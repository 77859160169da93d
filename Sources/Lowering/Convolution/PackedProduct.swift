import Basics
import GraphIR
import LoopIR

/// A matrix product as a convolution with one tap, whose loops pack operand B into panels: rows are pixels, terms and columns channels.
struct PackedProduct: Operator {
  static let name = "matmul"
  static let operandNames = ["a", "b"]
  static let formula = "c[m, n] = sum over k of a[m, k] b[k, n]"
  static let examples: [OperatorExample] = []
  var planned: PlannedConvolution

  func resultTypes(_ operands: [TensorType]) throws -> [TensorType] { [planned.result] }

  func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering { planned.lowering(operands, results) }
}

/// Sizes of products that are worth packing for.
private enum PackedSizes {
  /// Bytes of operand B: what the first-level cache holds needs no packing.
  static let leastBytes = 1 << 15
  /// Rows for each packing; inside a loop operand B is packed once, before it.
  static let (leastRows, leastRowsInLoop) = (32, 4)
  static let leastColumns = 16
  static let leastTerms = 16
  /// Sums of a product over rows: where they are fewer, tiles read both operands as they are.
  static let leastSums = 1 << 10
  /// Sums over rows this large in all three sizes are left to the BLAS library, where it may be called.
  static let library = 384
}

/// A product of many rows with one matrix in packed form; nil where other forms are better. A of rank 3 keeps its axes, so that what follows
/// element by element is fused.
///
///     matmul(%1: f32[N, 64, 128], %2: f32[128, 512])  =>  %3 = pack(%2); matmul(%1: f32[N, 64, 128], %3)
func buildPackedProduct(
  _ contraction: Contraction, _ operands: [ValueID], result: TensorType, options: LoweringOptions, in builder: inout GraphBuilder
) throws -> ValueID? {
  let (a, b) = (builder.type(operands[0]), builder.type(operands[1]))
  guard result.element.isFloat, !contraction.batchedB, b.rank == 2, options.fuses else { return nil }
  func maximum(_ dimension: Dimension) -> Int { TensorType(.u8, [dimension]).maximumCount(builder.graph.symbols) }
  let convolution = { (direction: Convolution.Direction) in
    Convolution(direction, groups: 1, strides: [1], dilations: [1], padding: [0, 0])
  }
  if contraction.transposeA {
    guard !contraction.transposeB, a.rank == 2, let m = a.shape[1].constant, let n = b.shape[1].constant else { return nil }
    let terms = maximum(a.shape[0])
    let isLibrarys = options.usesBLAS && [m, n, terms].allSatisfy { $0 >= PackedSizes.library }
    guard m >= PackedSizes.leastTerms, n >= PackedSizes.leastColumns, m * n >= PackedSizes.leastSums, terms >= 256, !isLibrarys else {
      return nil
    }
    let x = try builder.reshape(operands[1], b.shape + [1]), dy = try builder.reshape(operands[0], a.shape + [1])
    let filter = TensorType(result.element, result.shape + [1])
    let planned = PlannedConvolution("patches_filter", convolution(.filterGradient), kernel: [1], result: filter)
    return try builder.reshape(builder.add(PackedProduct(planned: planned), [x, dy]), result.shape)
  }
  guard let n = result.shape.last?.constant, let k = a.shape.last?.constant, b.shape.allSatisfy({ $0.constant != nil }),
    a.rank == 2 || a.rank == 3, let rows = Dimension.product(a.shape.dropLast())
  else { return nil }
  let isInLoop = builder.graph.symbols.contains { $0.isCounter }
  guard n >= PackedSizes.leastColumns, k >= PackedSizes.leastTerms, n * k * result.element.size >= PackedSizes.leastBytes,
    maximum(rows) >= (isInLoop ? PackedSizes.leastRowsInLoop : PackedSizes.leastRows)
  else { return nil }
  let isFlat = a.rank == 2
  let image = isFlat ? try builder.reshape(operands[0], a.shape + [1]) : try builder.transpose(operands[0], [0, 2, 1])
  let packed = try builder.add(PanelFilter(groups: 1, isTurned: !contraction.transposeB), [operands[1]])
  let type = TensorType(result.element, isFlat ? result.shape + [1] : [result.shape[0], result.shape[2], result.shape[1]])
  let planned = PlannedConvolution(
    "patches", convolution(contraction.transposeB ? .forward : .inputGradient), kernel: [1], result: type)
  let product = try builder.add(PackedProduct(planned: planned), [image, packed])
  return isFlat ? try builder.reshape(product, result.shape) : try builder.transpose(product, [0, 2, 1])
}
