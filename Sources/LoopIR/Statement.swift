import Basics

/// A counted loop: `for variable in lower ..< upper by step`.
public struct Loop: Hashable, Sendable {
  /// How the iterations may run.
  ///
  /// A register tile is written `for k { for l lanes { for r unrolled { acc[r*L+l] = fma(x[(i+r)*K+k], w[k*N+j+l], acc[r*L+l]) } } }`: one
  /// flat local array, the lanes loop outside the unrolled rows. First values and epilogue: the same nest, or `for r unrolled { for l lanes
  /// {…} }`; never one flat loop over R*L (a third of the speed). L = 16 with R = 4 or 8, L = 32 with R = 8 keep the accumulators in vector
  /// registers in clang 14, clang 21 and gcc 12 (f32; halve L for f64); rows outside the lanes cost gcc 12 or clang 21 up to 40 times.
  /// Measured in GFLOP/s (clang 14, clang 21, gcc 12; one core peaks at 118): [32x29][29x16] with 4x16: 113, 116, 112;
  /// [64x784][784x512] with 8x16: 108, 115, 116, with 8x32: 105, 115, 116. L = 10: about 45, 50, 32; L = 1: 4, so a dot product is written
  /// as 16 partial sums over k instead.
  public enum Kind: String, Hashable, Sendable, CaseIterable {
    case serial
    /// Independent iterations over neighbouring elements, constant trip count: written so that compilers make vector code of them.
    case lanes
    /// Constant, small trip count, meant to be unrolled whole.
    case unrolled
  }

  public var variable: String
  public var lower: Index
  public var upper: Index
  public var step: Int
  public var kind: Kind
  public var body: [Statement]

  /// A loop; `step` is positive.
  public init(
    _ variable: String, from lower: Index = .constant(0), to upper: Index, step: Int = 1, kind: Kind = .serial, _ body: [Statement]
  ) {
    self.variable = variable
    self.lower = lower
    self.upper = upper
    self.step = step
    self.kind = kind
    self.body = body
  }
}

/// C[m, n] = alpha * op(A)[m, k] * op(B)[k, n] + beta * C, row major, on sub-buffers, by cblas_sgemm or cblas_dgemm.
public struct Gemm: Hashable, Sendable {
  /// A matrix inside a buffer: first element and elements between rows.
  public struct Matrix: Hashable, Sendable {
    public var buffer: String
    public var offset: Index
    public var stride: Int

    public init(_ buffer: String, _ offset: Index, stride: Int) {
      self.buffer = buffer
      self.offset = offset
      self.stride = stride
    }
  }

  public var element: ElementType
  public var transposeA: Bool
  public var transposeB: Bool
  public var m: Index
  public var n: Index
  public var k: Index
  public var alpha: Double
  public var a: Matrix
  public var b: Matrix
  /// A literal, or a scalar computed by the kernel (accumulate or overwrite).
  public var beta: Scalar
  public var c: Matrix

  public init(
    element: ElementType, transposeA: Bool, transposeB: Bool, m: Index, n: Index, k: Index, alpha: Double = 1, a: Matrix, b: Matrix,
    beta: Scalar, c: Matrix
  ) {
    self.element = element
    self.transposeA = transposeA
    self.transposeB = transposeB
    self.m = m
    self.n = n
    self.k = k
    self.alpha = alpha
    self.a = a
    self.b = b
    self.beta = beta
    self.c = c
  }
}

/// One step of a kernel.
public indirect enum Statement: Hashable, Sendable {
  case comment(String)
  case loop(Loop)
  case when(Scalar, [Statement], otherwise: [Statement])
  /// A name for a value that does not change; visible to the end of the enclosing block.
  case define(String, ElementType, Scalar)
  /// A mutable scalar with its first value.
  case variable(String, ElementType, Scalar)
  case assign(String, Scalar)
  /// A kernel-local array, uninitialised.
  case array(String, ElementType, count: Int)
  /// To a buffer or a local array.
  case store(String, Index, Scalar)
  case gemm(Gemm)
  /// Repeats while the condition holds, at most `limit` times.
  case repeatWhile(Scalar, limit: Int, [Statement])
}
