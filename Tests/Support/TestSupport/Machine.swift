import Basics
import CEmitter
import CRuntime
import Foundation
import LoopIR
import Toolchain

/// What runs a program.
enum Code {
  case interpreter(Interpreter)
  case native(UnsafePointer<gradc_model>)
}

/// A program with memory of its own, run by the interpreter or by compiled code through the same calls.
final class Machine {
  let program: Program
  let code: Code
  /// Blocks of the program: in the trainer's memory where the code is native.
  private var blocks: [Block: UnsafeMutableRawBufferPointer] = [:]
  private let trainer: UnsafeMutableRawPointer
  private var pool: OpaquePointer?
  private let atEnd: () -> Void

  init(_ program: Program, _ code: Code, threads: Int = 1, atEnd: @escaping () -> Void = {}) {
    self.program = program
    self.atEnd = atEnd
    self.code = code
    let size = program.element.size
    let counts: [(Block, Int)] = [
      (.parameters, program.parameterCount), (.state, program.stateCount), (.gradients, program.gradientCount),
      (.moments, program.momentCount),
    ]
    switch code {
    case .interpreter:
      trainer = alignedMemory(64)
      for (block, count) in counts {
        blocks[block] = UnsafeMutableRawBufferPointer(start: alignedMemory(count * size), count: count * size)
      }
      blocks[.controls] = UnsafeMutableRawBufferPointer(start: alignedMemory(Controls.size), count: Controls.size)
    case .native(let descriptor):
      let m = descriptor.pointee
      trainer = alignedMemory(max(m.trainer_bytes, m.model_bytes))
      let offsets: [Block: Int] = [
        .parameters: m.parameters_offset, .state: m.state_offset, .gradients: m.gradients_offset, .moments: m.moments_offset,
      ]
      for (block, count) in counts {
        blocks[block] = UnsafeMutableRawBufferPointer(start: trainer.advanced(by: offsets[block]!), count: count * size)
      }
      blocks[.controls] = UnsafeMutableRawBufferPointer(start: trainer.advanced(by: m.controls_offset), count: Controls.size)
      if threads > 1 {
        pool = gradc_pool_create(Int32(threads))
        trainer.advanced(by: m.parallel_offset).assumingMemoryBound(to: gradc_parallel.self).pointee = gradc_pool_parallel(pool)
      }
    }
  }

  deinit {
    gradc_pool_destroy(pool)
    if case .interpreter = code { for block in blocks.values { block.deallocate() } }
    trainer.deallocate()
    atEnd()
  }

  var controls: UnsafeMutablePointer<gradc_controls> { blocks[.controls]!.baseAddress!.assumingMemoryBound(to: gradc_controls.self) }

  /// The bytes of a block: parameters, state, gradients, moments, controls.
  subscript(block: Block) -> [UInt8] {
    get { Array(blocks[block]!) }
    set { blocks[block]!.copyBytes(from: newValue) }
  }

  /// A block's elements, as numbers.
  func numbers(_ block: Block) -> [Double] { doubles(self[block], program.element) }

  /// Everything that a training changes.
  var snapshot: [UInt8] { self[.parameters] + self[.state] + self[.moments] + self[.gradients] + self[.controls] }

  // MARK: Tensors

  private func slot(_ name: String) -> (block: Block, range: Range<Int>) {
    let slot = program.tensors.first { $0.name == name }!
    let size = program.element.size
    return (slot.isState ? .state : .parameters, slot.offset * size..<(slot.offset + slot.count) * size)
  }

  func set(_ name: String, _ values: [Double]) {
    let (block, range) = slot(name)
    precondition(values.count * program.element.size == range.count)
    var all = self[block]
    all.replaceSubrange(range, with: bytes(values, program.element))
    self[block] = all
  }

  /// A tensor of parameters or state.
  func tensor(_ name: String) -> [Double] {
    let (block, range) = slot(name)
    return doubles(Array(self[block][range]), program.element)
  }

  /// The gradient of a parameter.
  func gradient(_ name: String) -> [Double] { doubles(Array(self[.gradients][slot(name).range]), program.element) }

  // MARK: Entries

  func initialize(seed: UInt64) throws {
    guard case .interpreter(let interpreter) = code else {
      if case .native(let descriptor) = code { try check(descriptor.pointee.initialize(trainer, seed)) }
      return
    }
    for block in blocks.keys where block != .controls { blocks[block]!.initializeMemory(as: UInt8.self, repeating: 0) }
    controls.pointee = gradc_controls(rate: controls.pointee.rate, loss: 0, data_loss: 0, norm: 0, seed: seed, step: 0, micro: 0)
    try check(Int32(try interpreter.run("initialize", blocks: blocks, symbols: symbols(1))))
  }

  /// Outputs of rows of input.
  func run(_ inputs: [[UInt8]], rows: Int) throws -> [[UInt8]] {
    try inference("run", inputs, [], weights: nil, rows: rows).outputs
  }

  func evaluate(_ inputs: [[UInt8]], _ targets: [[UInt8]], weights: [UInt8]? = nil, rows: Int) throws -> (loss: Double, outputs: [[UInt8]])
  {
    try inference("evaluate", inputs, targets, weights: weights, rows: rows)
  }

  /// The status of a backward pass.
  func backward(_ inputs: [[UInt8]], _ targets: [[UInt8]], weights: [UInt8]? = nil, rows: Int) throws -> Int {
    let memory = Rows(inputs + targets + (weights.map { [$0] } ?? []))
    let (x, t) = (Array(memory.pointers[..<inputs.count]), Array(memory.pointers[inputs.count..<(inputs.count + targets.count)]))
    let w = weights == nil ? nil : memory.pointers.last!
    switch code {
    case .native(let descriptor):
      return Int(
        descriptor.pointee.backward(
          trainer, x.map { UnsafeRawPointer($0) }, t.map { UnsafeRawPointer($0) }, w.map { UnsafeRawPointer($0) }, Int32(rows)))
    case .interpreter(let interpreter):
      let status = try interpreter.run(
        "backward", blocks: blocks.merging(caller(inputs, x, targets, t, weights, w, rows)) { a, _ in a }, symbols: symbols(rows))
      if status == 0 { controls.pointee.micro += 1 }
      return status
    }
  }

  /// The status of an update.
  func update() throws -> Int {
    switch code {
    case .native(let descriptor): return Int(descriptor.pointee.update(trainer))
    case .interpreter(let interpreter):
      let status = try interpreter.run("update", blocks: blocks, symbols: symbols(1))
      guard status == 0 else { return status }
      controls.pointee.micro = 0
      controls.pointee.step += 1
      return 0
    }
  }

  /// One step; throws unless it was committed.
  func step(_ inputs: [[UInt8]], _ targets: [[UInt8]], weights: [UInt8]? = nil, rows: Int) throws {
    try check(Int32(try backward(inputs, targets, weights: weights, rows: rows)))
    try check(Int32(try update()))
  }

  // MARK: Text

  /// Memory of a text that is about to begin.
  func textMemory() -> [UInt8] {
    guard case .native(let descriptor) = code else { return Array(repeating: 0, count: program.memoryBytes) }
    return Array(repeating: 0, count: descriptor.pointee.memory_bytes)
  }

  /// The status of one token of each row, with the scores of what follows; the memory goes on.
  func generate(_ tokens: [UInt8], memory: inout [UInt8], rows: Int) throws -> (status: Int, scores: [UInt8]) {
    let count = rows * program.outputs[0].dims.last! * program.element.size
    let own = Rows([tokens, Array(repeating: 0x7F, count: count), memory])
    let status: Int
    switch code {
    case .native(let descriptor):
      let scratch = alignedMemory(descriptor.pointee.scratch_bytes)
      defer { scratch.deallocate() }
      status = Int(descriptor.pointee.generate(trainer, own.pointers[2], own.pointers[0], own.pointers[1], Int32(rows), scratch))
    case .interpreter(let interpreter):
      var all = blocks
      all[.input(0)] = UnsafeMutableRawBufferPointer(start: own.pointers[0], count: tokens.count)
      all[.output(0)] = UnsafeMutableRawBufferPointer(start: own.pointers[1], count: count)
      all[.memory] = UnsafeMutableRawBufferPointer(start: own.pointers[2], count: memory.count)
      status = try interpreter.run("generate", blocks: all, symbols: symbols(rows))
    }
    memory = Array(UnsafeRawBufferPointer(start: own.pointers[2], count: memory.count))
    return (status, Array(UnsafeRawBufferPointer(start: own.pointers[1], count: count)))
  }

  // MARK: Details

  private func check(_ status: Int32) throws {
    guard status == 0 else { throw Diagnostic("an entry of '\(program.name)' gave status \(status)") }
  }

  private func symbols(_ rows: Int) -> [String: Int] { Dictionary(uniqueKeysWithValues: program.symbols.map { ($0.name, rows) }) }

  private func caller(
    _ inputs: [[UInt8]], _ x: [UnsafeMutableRawPointer], _ targets: [[UInt8]], _ t: [UnsafeMutableRawPointer], _ weights: [UInt8]?,
    _ w: UnsafeMutableRawPointer?, _ rows: Int
  ) -> [Block: UnsafeMutableRawBufferPointer] {
    var result: [Block: UnsafeMutableRawBufferPointer] = [:]
    for k in x.indices { result[.input(k)] = UnsafeMutableRawBufferPointer(start: x[k], count: inputs[k].count) }
    for k in t.indices { result[.target(k)] = UnsafeMutableRawBufferPointer(start: t[k], count: targets[k].count) }
    if let w, let weights {
      result[.weights] = UnsafeMutableRawBufferPointer(start: w, count: weights.count)
    } else {
      let ones = bytes(Array(repeating: 1, count: rows), program.element)
      result[.weights] = UnsafeMutableRawBufferPointer(start: onesMemory.pointers[0], count: ones.count)
      result[.weights]!.copyBytes(from: ones)
    }
    return result
  }

  private lazy var onesMemory = Rows([Array(repeating: 0, count: (program.symbols.first?.maximum ?? 1) * program.element.size)])

  private func inference(
    _ entry: String, _ inputs: [[UInt8]], _ targets: [[UInt8]], weights: [UInt8]?, rows: Int
  ) throws -> (loss: Double, outputs: [[UInt8]]) {
    let memory = Rows(inputs + targets + (weights.map { [$0] } ?? []))
    let (x, t) = (Array(memory.pointers[..<inputs.count]), Array(memory.pointers[inputs.count..<(inputs.count + targets.count)]))
    let w = weights == nil ? nil : memory.pointers.last!
    // What is not written shows.
    let sizes = program.outputs.map { $0.rowCount * $0.element.size * rows }
    let outputs = Rows(sizes.map { Array(repeating: 0x7F, count: $0) })
    var loss = 0.0
    switch code {
    case .native(let descriptor):
      let scratch = alignedMemory(descriptor.pointee.scratch_bytes)
      defer { scratch.deallocate() }
      let (from, to) = (x.map { Optional(UnsafeRawPointer($0)) }, outputs.pointers.map { Optional($0) })
      try check(
        entry == "run"
          ? descriptor.pointee.run(trainer, from, to, Int32(rows), scratch)
          : descriptor.pointee.evaluate(
            trainer, from, t.map { UnsafeRawPointer($0) }, w.map { UnsafeRawPointer($0) }, Int32(rows), to, &loss, scratch))
    case .interpreter(let interpreter):
      var all = caller(inputs, x, targets, t, weights, w, rows)
      for (k, pointer) in outputs.pointers.enumerated() { all[.output(k)] = UnsafeMutableRawBufferPointer(start: pointer, count: sizes[k]) }
      let own = UnsafeMutableRawBufferPointer(start: alignedMemory(Controls.size), count: Controls.size)
      defer { own.deallocate() }
      all[.controls] = own
      try check(Int32(try interpreter.run(entry, blocks: blocks.merging(all) { _, b in b }, symbols: symbols(rows))))
      loss = own.baseAddress!.assumingMemoryBound(to: gradc_controls.self).pointee.loss
    }
    return (loss, zip(outputs.pointers, sizes).map { Array(UnsafeRawBufferPointer(start: $0, count: $1)) })
  }
}

/// Aligned copies of byte arrays, for as long as the value lives.
final class Rows {
  let pointers: [UnsafeMutableRawPointer]

  init(_ arrays: [[UInt8]]) {
    pointers = arrays.map { array in
      let memory = alignedMemory(array.count)
      array.withUnsafeBytes { if let base = $0.baseAddress { memory.copyMemory(from: base, byteCount: array.count) } }
      return memory
    }
  }

  deinit { for pointer in pointers { pointer.deallocate() } }
}

/// Zeroed memory at a multiple of 64 bytes.
func alignedMemory(_ count: Int) -> UnsafeMutableRawPointer {
  let memory = UnsafeMutableRawPointer.allocate(byteCount: max(count, 64), alignment: 64)
  memset(memory, 0, max(count, 64))
  return memory
}

/// Numbers as memory holds them.
func bytes(_ values: [Double], _ element: ElementType) -> [UInt8] {
  func raw<Number>(_ convert: (Double) -> Number) -> [UInt8] {
    values.map(convert).withUnsafeBytes { Array($0) }
  }
  return switch element {
  case .f32: raw { Float($0) }
  case .f64: raw { $0 }
  default: Tensor(element, [values.count], values.map { Scalar.constant($0, element).literalBits }).bytes
  }
}

/// Memory as numbers.
func doubles(_ bytes: [UInt8], _ element: ElementType) -> [Double] {
  bytes.withUnsafeBytes { raw in
    switch element {
    case .f64: Array(raw.bindMemory(to: Double.self))
    case .f32: raw.bindMemory(to: Float.self).map { Double($0) }
    default: Tensor(element, [bytes.count / element.size], bytes: bytes).doubles
    }
  }
}

/// Whether the bytes are equal, or stand for the same numbers with NaNs in the same places: no standard fixes a NaN's payload and sign.
func sameBits(_ a: [UInt8], _ b: [UInt8], _ element: ElementType) -> Bool {
  if a == b { return true }
  guard element.isFloat, a.count == b.count else { return false }
  return zip(doubles(a, element), doubles(b, element)).allSatisfy { $0.bitPattern == $1.bitPattern || ($0.isNaN && $1.isNaN) }
}

/// sin(1.7 i + phase): numbers that PyTorch can make again.
func wave(_ count: Int, _ phase: Double) -> [Double] { (0..<count).map { sin(1.7 * Double($0) + phase) } }
