import Basics
import LoopIR

/// The transforms of Winograd's minimal filtering F(4x4, 3x3) as straight-line code (Lavin and Gray, "Fast Algorithms for Convolutional Neural
/// Networks", 2016): a 4x4 tile of outputs takes 36 products instead of 144.
///
///     y = A^T [(G g G^T) * (B^T d B)] A          d: 6x6 inputs, g: 3x3 filter, y: 4x4 outputs, * element by element, summed over channels
///     dg = G^T [(B^T d B) * (A dy A^T)] G        the same bilinear form solved for the filter's gradient
///
/// The points of interpolation are 0, a, -a, b, -b and infinity with a = 5/8 and b = 3/2: with the usual 1 and 2 the error is twice to four
/// times as large. B^T, and the powers of a and b that stand in A, are exact in f32.
struct WinogradTransforms {
  /// Inputs on a tile's side, which are also the products on a side.
  static let inputSide = 6
  /// Outputs on a tile's side.
  static let outputSide = 4
  /// The filter's side.
  static let filterSide = 3
  /// Products of a tile: matrices in the transformed domain.
  static let products = inputSide * inputSide

  /// The values' type.
  let element: ElementType
  /// What the names of intermediate values begin with.
  let prefix: String
  /// The definitions so far.
  private(set) var statements: [Statement] = []
  private var count = 0

  private static let a = 0.625
  private static let b = 1.5

  init(_ element: ElementType, prefix: String) {
    self.element = element
    self.prefix = prefix
  }

  /// One side of a transform: a vector in, a vector out.
  typealias Side = (inout WinogradTransforms, [Scalar]) -> [Scalar]

  /// Names a value.
  mutating func named(_ value: Scalar) -> Scalar {
    let name = "\(prefix)\(count)"
    count += 1
    statements.append(.define(name, element, value))
    return .variable(name)
  }

  /// `side` on the columns of a matrix: T m. The results are named.
  mutating func columns(_ matrix: [[Scalar]], _ side: Side) -> [[Scalar]] {
    let columns = matrix[0].indices.map { column in
      side(&self, matrix.map { $0[column] }).map { named($0) }
    }
    return columns[0].indices.map { row in columns.map { $0[row] } }
  }

  /// `side` on the columns and then on the rows: T m T^T.
  mutating func both(_ matrix: [[Scalar]], _ side: Side) -> [[Scalar]] {
    columns(matrix, side).map { side(&self, $0) }
  }

  /// B^T d: 6 inputs to 6.
  static func input(_ code: inout WinogradTransforms, _ d: [Scalar]) -> [Scalar] {
    let (a2, b2) = (a * a, b * b)
    let evenA = code.named(code.fma(-b2, d[2], d[4])), oddA = code.named(code.fma(-b2, d[1], d[3]))
    let evenB = code.named(code.fma(-a2, d[2], d[4])), oddB = code.named(code.fma(-a2, d[1], d[3]))
    return [
      code.fma(a2 * b2, d[0], code.fma(-(a2 + b2), d[2], d[4])), code.fma(a, oddA, evenA), code.fma(-a, oddA, evenA),
      code.fma(b, oddB, evenB), code.fma(-b, oddB, evenB), code.fma(a2 * b2, d[1], code.fma(-(a2 + b2), d[3], d[5])),
    ]
  }

  /// A^T m: 6 products to 4 outputs.
  static func output(_ code: inout WinogradTransforms, _ m: [Scalar]) -> [Scalar] {
    let sumA = code.named(m[1] + m[2]), differenceA = code.named(m[1] - m[2])
    let sumB = code.named(m[3] + m[4]), differenceB = code.named(m[3] - m[4])
    return [
      m[0] + sumA + sumB, code.fma(b, differenceB, code.times(a, differenceA)), code.fma(b * b, sumB, code.times(a * a, sumA)),
      code.fma(b * b * b, differenceB, code.fma(a * a * a, differenceA, m[5])),
    ]
  }

  /// A y: 4 cotangents of outputs to 6.
  static func outputTransposed(_ code: inout WinogradTransforms, _ y: [Scalar]) -> [Scalar] {
    let evenA = code.named(code.fma(a * a, y[2], y[0])), oddA = code.named(code.fma(a * a * a, y[3], code.times(a, y[1])))
    let evenB = code.named(code.fma(b * b, y[2], y[0])), oddB = code.named(code.fma(b * b * b, y[3], code.times(b, y[1])))
    return [y[0], evenA + oddA, evenA - oddA, evenB + oddB, evenB - oddB, y[3]]
  }

  /// 1 / product of (x - y) over the other finite points y, for x = 0, a (and -a), b (and -b).
  private static let (scale0, scaleA, scaleB) = (1 / (a * a * b * b), 1 / (2 * a * a * (a * a - b * b)), 1 / (2 * b * b * (b * b - a * a)))

  /// G g: 3 of a filter to 6.
  static func filter(_ code: inout WinogradTransforms, _ g: [Scalar]) -> [Scalar] {
    let evenA = code.named(code.fma(scaleA * a * a, g[2], code.times(scaleA, g[0]))), oddA = code.named(code.times(scaleA * a, g[1]))
    let evenB = code.named(code.fma(scaleB * b * b, g[2], code.times(scaleB, g[0]))), oddB = code.named(code.times(scaleB * b, g[1]))
    return [code.times(scale0, g[0]), evenA + oddA, evenA - oddA, evenB + oddB, evenB - oddB, g[2]]
  }

  /// G^T m: 6 products to 3 of a filter's gradient.
  static func filterTransposed(_ code: inout WinogradTransforms, _ m: [Scalar]) -> [Scalar] {
    let sumA = code.named(m[1] + m[2]), differenceA = code.named(m[1] - m[2])
    let sumB = code.named(m[3] + m[4]), differenceB = code.named(m[3] - m[4])
    return [
      code.fma(scaleB, sumB, code.fma(scaleA, sumA, code.times(scale0, m[0]))),
      code.fma(scaleB * b, differenceB, code.times(scaleA * a, differenceA)),
      code.fma(scaleB * b * b, sumB, code.fma(scaleA * a * a, sumA, m[5])),
    ]
  }

  private func fma(_ factor: Double, _ x: Scalar, _ y: Scalar) -> Scalar { .fma(.float(factor, element), x, y) }

  private func times(_ factor: Double, _ x: Scalar) -> Scalar { .float(factor, element) * x }
}
