import Basics
import LoopIR

/// How an operator becomes loops. Index variables: `i0`, `i1` … over the result's axes, `r0`, `r1` … over reduced ones.
public enum Lowering {
  /// Each result element is an expression in operand elements (`Scalar.element(k, indices)`) and the index variables: pointwise
  /// functions, views (a bare `.element`), padding (a `.select`), rows chosen by another operand (`Index.indirect`), iota, random numbers.
  case map(Scalar)
  case reduction(Reduction)
  case contraction(Contraction)
  /// One of the directions of a convolution; the lowering chooses the algorithm.
  case convolution(Convolution)
  /// A graph of other operators, built in place.
  case composite((inout GraphBuilder, [ValueID]) throws -> [ValueID])
  /// Its own loop nest.
  case custom(CustomLoops)
  /// A graph that is computed round after round.
  case loop(Scan)
}

/// result[i…] = combine over r… of body(i…, r…).
public struct Reduction {
  /// An associative operation with its neutral element.
  public enum Combiner: String, Sendable, Hashable, Codable { case sum, product, max, min }

  /// Sizes of `r0`, `r1` …
  public var extents: [Dimension]
  public var body: Scalar
  public var combiner: Combiner

  public init(_ combiner: Combiner, extents: [Dimension], body: Scalar) {
    self.combiner = combiner
    self.extents = extents
    self.body = body
  }
}

extension Reduction.Combiner {
  /// The neutral element.
  public func neutral(_ element: ElementType) -> Scalar {
    let least = Scalar.integer(element.isUnsigned ? 0 : -1 << (8 * element.size - 1), element)
    let largest = Scalar.integer(
      element.isUnsigned && element.size < 8 ? 1 << (8 * element.size) - 1 : ~(-1 << (8 * element.size - 1)), element)
    return switch self {
    case .sum: .constant(0, element)
    case .product: .constant(1, element)
    case .max:
      element.isFloat ? .float(-.infinity, element) : least
    case .min:
      element.isFloat ? .float(.infinity, element) : element == .u64 ? .integer(-1, element) : largest
    }
  }
}

/// A batched matrix product: result[b…, m, n] = sum over k of A[b…, m, k] B[b…, k, n].
/// Operand A is [b…, m, k], or [b…, k, m] when transposed; B is [k, n] or [n, k] without batch axes, or with the same batch axes as A.
public struct Contraction {
  public var transposeA: Bool
  public var transposeB: Bool
  /// Whether B has A's batch axes; otherwise it is shared by all of them.
  public var batchedB: Bool

  public init(transposeA: Bool, transposeB: Bool, batchedB: Bool) {
    self.transposeA = transposeA
    self.transposeB = transposeB
    self.batchedB = batchedB
  }
}

/// A loop nest of the operator's own. Operand k is the buffer `xk`, result k the buffer `yk`, both flat and row major.
public struct CustomLoops {
  /// Elements of the first result that a position writes: `inner` are their sizes, `place` says where each stands in the result.
  public struct Region {
    public var inner: Shape
    public var place: (_ outer: [Index], _ inner: [Index]) -> [Index]

    public init(_ inner: Shape, _ place: @escaping (_ outer: [Index], _ inner: [Index]) -> [Index]) {
      self.inner = inner
      self.place = place
    }
  }

  /// The sizes over which the work is independent and uniform; the body is run once for each position, with `i0`, `i1` … set. Nil: the
  /// first `outerRank` axes of the results.
  private var sizes: Shape?
  private var outerRank: Int
  private var ownRegions: [Region]
  public var body: [Statement]

  /// A nest over leading axes of operand 0 and of the results.
  public init(outerRank: Int, body: [Statement]) {
    (sizes, self.outerRank, ownRegions) = (nil, outerRank, [])
    self.body = body
  }

  /// A nest over positions that are no leading axes: sequences times heads, where heads are ranges of columns.
  public init(over sizes: Shape, writing regions: [Region], body: [Statement]) {
    (self.sizes, outerRank, ownRegions) = (sizes, sizes.count, regions)
    self.body = body
  }

  /// The sizes of `i0`, `i1` …
  public func outer(_ results: [TensorType]) -> Shape { sizes ?? Array(results[0].shape.prefix(outerRank)) }

  /// What a position writes of the first result.
  public func regions(_ results: [TensorType]) -> [Region] {
    sizes == nil ? [Region(Array(results[0].shape.dropFirst(outerRank))) { $0 + $1 }] : ownRegions
  }
}

extension Scalar {
  /// The element of operand `k` at the result's own position.
  public static func operand(_ k: Int, rank: Int) -> Scalar { .element(k, (0..<rank).map { .variable("i\($0)") }) }
}

/// An operator that works element by element on operands of one shape.
public protocol PointwiseOperator: Operator {
  /// The element type of the result.
  func resultElement(_ operands: [ElementType]) throws -> ElementType
  /// The result element from the operands' elements.
  func scalar(_ x: [Scalar], _ elements: [ElementType]) -> Scalar
}

extension PointwiseOperator {
  public func resultElement(_ operands: [ElementType]) throws -> ElementType { operands[0] }

  public func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    guard operands.count == Self.operandNames.count else {
      throw TypeError("\(Self.name) takes \(Self.operandNames.count) operands, got \(operands.count)")
    }
    for operand in operands.dropFirst() where operand.shape != operands[0].shape {
      throw TypeError("\(Self.name) needs operands of one shape, got \(operands.map(\.description).joined(separator: " and "))")
    }
    return [TensorType(try resultElement(operands.map(\.element)), operands[0].shape)]
  }

  public func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    .map(scalar(operands.indices.map { .operand($0, rank: results[0].rank) }, operands.map(\.element)))
  }
}
