import Basics
import LoopIR

/// What the emitted C should be like.
public struct EmitOptions: Sendable {
  /// Who multiplies matrices.
  public enum BLAS: String, Sendable, CaseIterable {
    /// `cblas_sgemm` and `cblas_dgemm` of whatever library is linked.
    case cblas
    /// A blocked product in plain C in the same file: no library at all.
    case none
  }

  public var blas: BLAS
  /// Whether `NAME_load` (a strict safetensors reader) is emitted.
  public var load: Bool
  /// The definitions of scalar functions.
  public var scalarFunction: @Sendable (MathFunction, ElementType) throws -> ScalarFunction

  /// CBLAS, without `NAME_load`, unless said otherwise.
  public init(
    blas: BLAS = .cblas, load: Bool = false,
    scalarFunction: @escaping @Sendable (MathFunction, ElementType) throws -> ScalarFunction = { $0.definition(for: $1) }
  ) {
    self.blas = blas
    self.load = load
    self.scalarFunction = scalarFunction
  }
}

/// One file of an emitted project: a path relative to the project's folder, and its content.
public struct EmittedFile: Hashable, Sendable {
  public var path: String
  public var bytes: [UInt8]

  public init(_ path: String, bytes: [UInt8]) {
    self.path = path
    self.bytes = bytes
  }

  public init(_ path: String, _ text: String) { self.init(path, bytes: Array(text.utf8)) }

  /// The content as text.
  public var text: String { String(decoding: bytes, as: UTF8.self) }
}

/// Everything that is emitted for one program.
public struct EmittedProject: Sendable {
  /// The program's name as a C identifier: the prefix of functions, and the stem of files.
  public var name: String
  /// `NAME.c`, `NAME.h`, `gradc_model.h`, and whatever else was asked for, sorted by path.
  public var files: [EmittedFile]
  /// Whether the code calls CBLAS.
  public var callsBLAS: Bool
  /// What `NAME.c` is made of.
  let parts: SourceParts

  /// The name of the descriptor's symbol.
  public var descriptorSymbol: String { name + "_model" }

  /// The file of that path.
  public func file(_ path: String) -> EmittedFile? { files.first { $0.path == path } }

  /// `NAME.c` with its two own headers put in where it includes them: what is handed to a compiler in memory.
  public var translationUnit: String { withHeaders(file("\(name).c")?.text ?? "") }

  /// A text with the two own headers put in where it includes them.
  func withHeaders(_ text: String) -> String {
    let header = (file("\(name).h")?.text ?? "").replacingLine("#include \"gradc_model.h\"", by: descriptorHeader)
    return text.replacingLine("#include \"\(name).h\"", by: header)
  }
}

extension String {
  /// The text with the first line equal to `line` replaced.
  fileprivate func replacingLine(_ line: String, by text: String) -> String {
    guard let found = lines.first(where: { $0 == line }) else { return self }
    return String(self[..<found.startIndex]) + text + self[found.endIndex...]
  }
}
