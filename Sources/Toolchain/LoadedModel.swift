import Basics
import CRuntime
import Glibc

/// C source of a compiled model, ready for a compiler: one translation unit.
public struct ModelSource: Sendable {
  public var text: String
  /// The same as so many texts at most, to be compiled side by side and linked together; nil where it can only be compiled whole.
  public var units: (@Sendable (_ count: Int) -> [String])?
  /// The symbol of its `gradc_model`.
  public var descriptorSymbol: String
  /// Whether it calls CBLAS, which then has to be loaded.
  public var callsBLAS: Bool
  /// Scalar operations of its longest call, about, those inside CBLAS left out; 0 where that is not known.
  public var operations: Int

  public init(
    text: String, descriptorSymbol: String, callsBLAS: Bool, operations: Int = 0, units: (@Sendable (_ count: Int) -> [String])? = nil
  ) {
    self.operations = operations
    self.units = units
    self.text = text
    self.descriptorSymbol = descriptorSymbol
    self.callsBLAS = callsBLAS
  }
}

extension ModelSource {
  /// How many compilers shall work on it side by side: one a processor, none for so little that starting it would take as long.
  var unitCount: Int {
    units == nil ? 1 : max(1, min(sysconf(Int32(_SC_NPROCESSORS_ONLN)), Self.mostUnits, text.utf8.count / Self.unitBytes))
  }

  private static let mostUnits = 16
  /// Bytes of a unit, at least.
  private static let unitBytes = 50_000
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
