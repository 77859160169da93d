import Basics
import LoopIR

/// Emits matrix products: calls of CBLAS, or of a blocked product in plain C that stands in the same file.
struct GemmText {
  let library: EmitOptions.BLAS
  private(set) var elements: Set<ElementType> = []

  init(library: EmitOptions.BLAS) { self.library = library }

  /// The call for one product.
  mutating func call(_ gemm: Gemm, scope: inout ScalarText) throws -> String {
    elements.insert(gemm.element)
    var arguments = library == .cblas ? ["GRADC_ROW_MAJOR"] : []
    arguments += [gemm.transposeA, gemm.transposeB].map { $0 ? "GRADC_TRANSPOSE" : "GRADC_NO_TRANSPOSE" }
    for size in [gemm.m, gemm.n, gemm.k] {
      arguments.append(scope.indexType == "int" ? try scope.index(size) : "(int)(\(try scope.index(size)))")
    }
    arguments.append(floatText(gemm.alpha, gemm.element))
    arguments += try operand(gemm.a, &scope) + operand(gemm.b, &scope)
    arguments.append(try scope.stored(gemm.beta, as: gemm.element))
    arguments += try operand(gemm.c, &scope)
    return "\(name(gemm.element))(\(arguments.joined(separator: ", ")));"
  }

  private func operand(_ matrix: Gemm.Matrix, _ scope: inout ScalarText) throws -> [String] {
    guard let array = scope.arrays[matrix.buffer] else { throw Diagnostic.bug("the buffer '\(matrix.buffer)' is not in scope") }
    let offset = try scope.index(matrix.offset, .additive)
    return [offset == "0" ? array.name : "\(array.name) + \(offset)", "\(matrix.stride)"]
  }

  private func name(_ element: ElementType) -> String {
    (library == .cblas ? "cblas_" : "gradc_") + (element == .f32 ? "sgemm" : "dgemm")
  }

  /// Declarations or definitions of what the calls need.
  var text: String {
    if elements.isEmpty { return "" }
    let constants =
      "enum { \(library == .cblas ? "GRADC_ROW_MAJOR = 101, " : "")GRADC_NO_TRANSPOSE = 111, GRADC_TRANSPOSE = 112 };\n\n"
    return constants
      + elements.sorted { $0.rawValue < $1.rawValue }.map(library == .cblas ? declaration : definition).joined(separator: "\n")
  }

  private func declaration(_ element: ElementType) -> String {
    let type = element.cValueType
    return """
      /* CBLAS, declared here: its header is not needed, and differs between libraries. */
      extern void \(name(element))(int order, int transpose_a, int transpose_b, int m, int n, int k, \(type) alpha, const \(type) *a, int lda,
                              const \(type) *b, int ldb, \(type) beta, \(type) *c, int ldc);

      """
  }

  private func definition(_ element: ElementType) -> String {
    let type = element.cValueType
    let lanes = element == .f32 ? 32 : 16
    let fma = element == .f32 ? "fmaf" : "fma"
    let zero = floatText(0, element)
    let one = floatText(1, element)
    let name = name(element)
    return """
      /* \(name)_tile: sum[8][\(lanes)] += a[k][8] x b[k][\(lanes)], k ascending, one rounding a term. The lanes loop stands outside the rows, which
       * are written out: so compilers keep the sums in vector registers. */
      GRADC_NOINLINE
      static void \(name)_tile(int depth, const \(type) *restrict a, const \(type) *restrict b, \(type) *restrict sum) {
        \(type) tile[8 * \(lanes)];
        for (int l = 0; l < 8 * \(lanes); ++l) {
          tile[l] = sum[l];
        }
        for (int k = 0; k < depth; ++k) {
          for (int l = 0; l < \(lanes); ++l) {
      \((0..<8).map { "      tile[\($0 * lanes) + l] = \(fma)(a[k * 8 + \($0)], b[k * \(lanes) + l], tile[\($0 * lanes) + l]);" }.joined(separator: "\n"))
          }
        }
        for (int l = 0; l < 8 * \(lanes); ++l) {
          sum[l] = tile[l];
        }
      }

      /* C[m, n] = alpha * op(A) * op(B) + beta * C, row major. Each element is one ascending chain of fused multiply-adds from zero, whatever
       * the blocking; C is not read when beta is zero. Panels of B (256 x \(lanes)) and A (256 x 8) are packed, padded with zeros. */
      static void \(name)(int transpose_a, int transpose_b, int m, int n, int k, \(type) alpha, const \(type) *a, int lda, const \(type) *b, int ldb,
                              \(type) beta, \(type) *c, int ldc) {
        \(type) sums[64 * \(lanes)], panel_a[256 * 8], panel_b[256 * \(lanes)];
        const ptrdiff_t row_a = transpose_a == GRADC_TRANSPOSE ? 1 : lda, step_a = transpose_a == GRADC_TRANSPOSE ? lda : 1;
        const ptrdiff_t row_b = transpose_b == GRADC_TRANSPOSE ? 1 : ldb, step_b = transpose_b == GRADC_TRANSPOSE ? ldb : 1;
        for (int j = 0; j < n; j += \(lanes)) {
          const int width = n - j < \(lanes) ? n - j : \(lanes);
          for (int i = 0; i < m; i += 64) {
            const int height = m - i < 64 ? m - i : 64;
            for (int l = 0; l < 64 * \(lanes); ++l) {
              sums[l] = \(zero);
            }
            for (int p = 0; p < k; p += 256) {
              const int depth = k - p < 256 ? k - p : 256;
              for (int q = 0; q < depth; ++q) {
                const \(type) *row = b + (p + q) * row_b + j * step_b;
                if (step_b == 1 && width == \(lanes)) {
                  for (int l = 0; l < \(lanes); ++l) {
                    panel_b[q * \(lanes) + l] = row[l];
                  }
                } else {
                  for (int l = 0; l < \(lanes); ++l) {
                    panel_b[q * \(lanes) + l] = l < width ? row[l * step_b] : \(zero);
                  }
                }
              }
              for (int r = 0; r < height; r += 8) {
                const int rows = height - r < 8 ? height - r : 8;
                for (int s = 0; s < 8; ++s) {
                  const \(type) *row = a + (i + r + (s < rows ? s : 0)) * row_a + p * step_a;
                  for (int q = 0; q < depth; ++q) {
                    panel_a[q * 8 + s] = s < rows ? row[q * step_a] : \(zero);
                  }
                }
                \(name)_tile(depth, panel_a, panel_b, sums + r * \(lanes));
              }
            }
            for (int r = 0; r < height; ++r) {
              \(type) *row = c + (ptrdiff_t)(i + r) * ldc + j;
              for (int l = 0; l < width; ++l) {
                const \(type) product = alpha == \(one) ? sums[r * \(lanes) + l] : alpha * sums[r * \(lanes) + l];
                row[l] = beta == \(zero) ? product : product + beta * row[l];
              }
            }
          }
        }
      }

      """
  }
}
