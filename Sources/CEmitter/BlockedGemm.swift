import Basics

/// A matrix product in plain C, for programs without a BLAS. Measured on one core that peaks at 117 GFLOP/s (f32; clang 14, gcc 12): 98 and 102
/// at 64x512x784, 42 and 77 at 32x16x29, B transposed 75 and 78; OpenBLAS reaches 107.
struct BlockedGemm {
  let name: String
  let element: ElementType

  private var type: String { element.cValueType }
  private var zero: String { floatText(0, element) }
  private var one: String { floatText(1, element) }

  /// Strips of this many columns, and of half of it for what is left over.
  private var lanes: Int { element == .f32 ? 32 : 16 }

  var text: String { [tile(lanes), strip(lanes), tile(lanes / 2), strip(lanes / 2), whole].joined(separator: "\n") }

  /// The lanes loop stands outside the rows, which are written out: so compilers keep the sums in vector registers.
  private func tile(_ width: Int) -> String {
    let rows = (0..<8).map { "  const \(type) *restrict a\($0) = a + (\($0) < rows ? \($0) : 0) * row_a;" }
    let fma = element == .f32 ? "fmaf" : "fma"
    let sums = (0..<8).map { "      tile[\($0 * width) + l] = \(fma)(a\($0)[k * step_a], b[k * \(width) + l], tile[\($0 * width) + l]);" }
    return """
      /* sum[8][\(width)] += a[8][depth] x b[depth][\(width)], one rounding a term. Rows that are not there are read from the first. */
      GRADC_NOINLINE
      static void \(name)_tile_\(width)(int depth, const \(type) *restrict a, ptrdiff_t row_a, ptrdiff_t step_a, int rows, const \(type) *restrict b,
                                  \(type) *restrict sum) {
      \(rows.joined(separator: "\n"))
        \(type) tile[\(8 * width)];
        for (int l = 0; l < \(8 * width); ++l) {
          tile[l] = sum[l];
        }
        for (ptrdiff_t k = 0; k < depth; ++k) {
          for (int l = 0; l < \(width); ++l) {
      \(sums.joined(separator: "\n"))
          }
        }
        for (int l = 0; l < \(8 * width); ++l) {
          sum[l] = tile[l];
        }
      }

      """
  }

  private func strip(_ width: Int) -> String {
    """
    /* The product for the first `width` columns, \(width) at most: blocks of 64 rows, panels of B of 256 rows. */
    GRADC_NOINLINE
    static void \(name)_strip_\(width)(int width, int transpose_a, int transpose_b, int m, int k, \(type) alpha, const \(type) *a, int lda, const \(type) *b,
                                 int ldb, \(type) beta, \(type) *c, int ldc) {
      \(type) sums[\(64 * width)], panel[\(256 * width)];
      const ptrdiff_t row_a = transpose_a == GRADC_TRANSPOSE ? 1 : lda, step_a = transpose_a == GRADC_TRANSPOSE ? lda : 1;
      for (int i = 0; i < m; i += 64) {
        const int height = m - i < 64 ? m - i : 64;
        for (int l = 0; l < \(64 * width); ++l) {
          sums[l] = \(zero);
        }
        for (int p = 0; p < k; p += 256) {
          const int depth = k - p < 256 ? k - p : 256;
          if (transpose_b == GRADC_TRANSPOSE) {
            for (int l = 0; l < \(width); ++l) {
              const \(type) *column = b + (ptrdiff_t)(l < width ? l : 0) * ldb + p;
              for (int q = 0; q < depth; ++q) {
                panel[q * \(width) + l] = column[q];
              }
            }
          } else if (width == \(width)) {
            for (int q = 0; q < depth; ++q) {
              const \(type) *row = b + (ptrdiff_t)(p + q) * ldb;
              for (int l = 0; l < \(width); ++l) {
                panel[q * \(width) + l] = row[l];
              }
            }
          } else {
            for (int q = 0; q < depth; ++q) {
              const \(type) *row = b + (ptrdiff_t)(p + q) * ldb;
              for (int l = 0; l < \(width); ++l) {
                panel[q * \(width) + l] = row[l < width ? l : 0];
              }
            }
          }
          for (int r = 0; r < height; r += 8) {
            \(name)_tile_\(width)(depth, a + (i + r) * row_a + p * step_a, row_a, step_a, height - r, panel, sums + r * \(width));
          }
        }
        for (int r = 0; r < height; ++r) {
          \(type) *row = c + (ptrdiff_t)(i + r) * ldc;
          for (int l = 0; l < width; ++l) {
            const \(type) product = alpha == \(one) ? sums[r * \(width) + l] : alpha * sums[r * \(width) + l];
            row[l] = beta == \(zero) ? product : product + beta * row[l];
          }
        }
      }
    }

    """
  }

  private var whole: String {
    """
    /* C[m, n] = alpha * op(A) * op(B) + beta * C, row major. Each element is one chain of fused multiply-adds from zero, k ascending, whatever the
     * blocking; C is not read when beta is zero. */
    static void \(name)(int transpose_a, int transpose_b, int m, int n, int k, \(type) alpha, const \(type) *a, int lda, const \(type) *b, int ldb,
                            \(type) beta, \(type) *c, int ldc) {
      for (int j = 0; j < n;) {
        const int left = n - j;
        const \(type) *columns = b + (transpose_b == GRADC_TRANSPOSE ? (ptrdiff_t)j * ldb : j);
        if (left > \(lanes / 2)) {
          \(name)_strip_\(lanes)(left < \(lanes) ? left : \(lanes), transpose_a, transpose_b, m, k, alpha, a, lda, columns, ldb, beta, c + j, ldc);
          j += \(lanes);
        } else {
          \(name)_strip_\(lanes / 2)(left, transpose_a, transpose_b, m, k, alpha, a, lda, columns, ldb, beta, c + j, ldc);
          j += \(lanes / 2);
        }
      }
    }

    """
  }
}
