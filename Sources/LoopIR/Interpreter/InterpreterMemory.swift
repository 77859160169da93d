import Basics

/// A buffer or local array while a kernel runs.
struct InterpreterArray {
  var base: UnsafeMutableRawPointer
  var element: ElementType
  var count: Int
  /// One byte for each byte of the array, nonzero once it is written; nil where everything counts as written.
  var defined: UnsafeMutablePointer<UInt8>?

  static func local(_ element: ElementType, count: Int) -> InterpreterArray {
    let bytes = max(1, count * element.size)
    let defined = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes)
    defined.update(repeating: 0, count: bytes)
    return InterpreterArray(
      base: .allocate(byteCount: bytes, alignment: 64), element: element, count: count, defined: defined)
  }

  func deallocate() {
    base.deallocate()
    defined?.deallocate()
  }

  /// Marks all elements as not written.
  func forget() { defined?.update(repeating: 0, count: count * element.size) }

  func isDefined(_ position: Int) -> Bool {
    guard let defined else { return true }
    return defined[position * element.size] != 0 && defined[(position + 1) * element.size - 1] != 0
  }

  func define(_ position: Int) {
    guard let defined else { return }
    var byte = position * element.size
    let end = byte + element.size
    while byte < end {
      defined[byte] = 1
      byte += 1
    }
  }
}

/// The blocks of a running entry.
struct InterpreterMemory {
  private let program: Program
  private var blocks: [Block: UnsafeMutableRawBufferPointer]
  private var owned: [UnsafeMutableRawBufferPointer] = []
  private var defined: UnsafeMutableBufferPointer<UInt8>?

  init(_ program: Program, _ entry: Entry, _ blocks: [Block: UnsafeMutableRawBufferPointer], checksDefinedness: Bool) {
    self.program = program
    self.blocks = blocks
    if blocks[.arena] == nil {
      let arena = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, entry.arenaBytes), alignment: 64)
      self.blocks[.arena] = arena
      owned.append(arena)
    }
    for (number, table) in program.constants.enumerated() {
      let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, table.bytes.count), alignment: 64)
      copy.copyBytes(from: table.bytes)
      self.blocks[.constant(number)] = UnsafeMutableRawBufferPointer(rebasing: copy[..<table.bytes.count])
      owned.append(copy)
    }
    if checksDefinedness {
      let map = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: self.blocks[.arena]!.count)
      map.initialize(repeating: 0)
      defined = map
    }
  }

  func deallocate() {
    for pointer in owned { pointer.deallocate() }
    defined?.deallocate()
  }

  /// A buffer, as far as its block reaches: a caller's block may hold fewer rows than the symbols' maxima.
  func array(_ number: Int) throws(Diagnostic) -> InterpreterArray {
    guard program.buffers.indices.contains(number) else { throw .bug("there is no buffer \(number)") }
    let buffer = program.buffers[number]
    guard let block = blocks[buffer.block] else { throw .bug("no memory is given for the block of buffer `\(buffer.name)`") }
    guard let base = block.baseAddress, buffer.offset >= 0, buffer.offset <= block.count else {
      throw .bug("buffer `\(buffer.name)` begins at byte \(buffer.offset) of \(block.count)")
    }
    let available = (block.count - buffer.offset) / buffer.element.size
    return InterpreterArray(
      base: base + buffer.offset, element: buffer.element, count: min(buffer.count, available),
      defined: buffer.block == .arena ? defined.map { $0.baseAddress! + buffer.offset } : nil)
  }
}

extension UnsafeMutableRawPointer {
  /// The bits of an element. (Typed pointers, as the generic loads of raw ones are slow in debug builds.)
  func bits(_ position: Int, _ element: ElementType) -> UInt64 {
    switch element.size {
    case 1: UInt64(assumingMemoryBound(to: UInt8.self)[position])
    case 2: UInt64(assumingMemoryBound(to: UInt16.self)[position])
    case 4: UInt64(assumingMemoryBound(to: UInt32.self)[position])
    default: assumingMemoryBound(to: UInt64.self)[position]
    }
  }
}
