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
    BlockedGemm(name: name(element), element: element).text
  }
}
