import Basics
import CRuntime

/// C source of a compiled model, ready for a compiler: one translation unit.
public struct ModelSource: Sendable {
  public var text: String
  /// The symbol of its `gradc_model`.
  public var descriptorSymbol: String
  /// Whether it calls CBLAS, which then has to be loaded.
  public var callsBLAS: Bool

  public init(text: String, descriptorSymbol: String, callsBLAS: Bool) {
    self.text = text
    self.descriptorSymbol = descriptorSymbol
    self.callsBLAS = callsBLAS
  }
}

/// A model that is compiled and in memory. Its code stays as long as a copy of this value does.
public struct LoadedModel: @unchecked Sendable {
  public let descriptor: UnsafePointer<gradc_model>
  let code: CodeHandle

  init(descriptor: UnsafeRawPointer, code: CodeHandle) throws {
    self.descriptor = descriptor.assumingMemoryBound(to: gradc_model.self)
    self.code = code
    guard self.descriptor.pointee.version == GRADC_MODEL_VERSION else {
      throw Diagnostic.bug("compiled code of descriptor version \(self.descriptor.pointee.version), expected \(GRADC_MODEL_VERSION)")
    }
  }
}

/// Frees machine code when nobody refers to it any longer.
final class CodeHandle {
  private let free: () -> Void

  init(free: @escaping () -> Void) { self.free = free }

  deinit { free() }
}
