import Basics
import CRuntime

/// C source of a compiled model, ready for a compiler: one translation unit.
public struct ModelSource: Sendable {
  public var text: String
  /// The symbol of its `gradc_model`.
  public var descriptorSymbol: String
  /// Whether it calls CBLAS, which then has to be loaded.
  public var callsBLAS: Bool
  /// Scalar operations of its longest call, about, those inside CBLAS left out; 0 where that is not known.
  public var operations: Int

  public init(text: String, descriptorSymbol: String, callsBLAS: Bool, operations: Int = 0) {
    self.operations = operations
    self.text = text
    self.descriptorSymbol = descriptorSymbol
    self.callsBLAS = callsBLAS
  }
}

/// A model that is compiled and in memory. Its code stays until `unload` or the end of the process: what was copied out of the descriptor
/// (function pointers, first of all) must not die with the last mention of this value.
public struct LoadedModel: @unchecked Sendable {
  public let descriptor: UnsafePointer<gradc_model>
  private let free: @Sendable () -> Void

  init(descriptor: UnsafeRawPointer, free: @escaping @Sendable () -> Void) throws {
    self.descriptor = descriptor.assumingMemoryBound(to: gradc_model.self)
    self.free = free
    guard self.descriptor.pointee.version == GRADC_MODEL_VERSION else {
      throw Diagnostic.bug("compiled code of descriptor version \(self.descriptor.pointee.version), expected \(GRADC_MODEL_VERSION)")
    }
  }

  /// Gives the code's memory back; nothing of the descriptor may be used afterwards. Once.
  public func unload() { free() }
}
