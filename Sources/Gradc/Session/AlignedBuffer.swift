import Basics
import CRuntime
import LoopIR

/// Elements at a multiple of 64 bytes, zero at first; the memory goes with the last copy of the value.
public struct AlignedBuffer {
  private final class Memory {
    let pointer: UnsafeMutableRawPointer

    init(_ bytes: Int) {
      pointer = .allocate(byteCount: max(bytes, 1), alignment: 64)
      pointer.initializeMemory(as: UInt8.self, repeating: 0, count: max(bytes, 1))
    }

    deinit { pointer.deallocate() }
  }

  private let memory: Memory
  public let element: ElementType
  /// Elements.
  public let count: Int

  public init(_ element: ElementType, count: Int) {
    memory = Memory(count * element.size)
    self.element = element
    self.count = count
  }

  /// Elements from numbers, rounded or saturated.
  public init(_ element: ElementType, _ numbers: [Double]) {
    self.init(element, count: numbers.count)
    gradc_convert(numbers, GRADC_DTYPE_F64, count, pointer, dtype)
  }

  public var pointer: UnsafeMutableRawPointer { memory.pointer }
  public var bytes: Int { count * element.size }
  /// The array type of the elements.
  public var dtype: gradc_dtype { element.dtype }

  /// The elements as numbers.
  public var numbers: [Double] {
    var numbers = [Double](repeating: 0, count: count)
    gradc_convert(pointer, dtype, count, &numbers, GRADC_DTYPE_F64)
    return numbers
  }

  /// Whether all bytes are equal.
  public func hasSameBytes(as other: AlignedBuffer) -> Bool {
    bytes == other.bytes
      && UnsafeRawBufferPointer(start: pointer, count: bytes).elementsEqual(
        UnsafeRawBufferPointer(start: other.pointer, count: bytes))
  }
}
