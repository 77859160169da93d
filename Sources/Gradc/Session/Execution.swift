import Basics
import CRuntime
import LoopIR

extension Trainer {
  /// Rows that one call takes at most.
  public var maxBatch: Int { Int(descriptor.pointee.max_batch) }

  /// Outputs of all rows, in calls of at most `maxBatch` rows.
  public func run(_ inputs: [AlignedBuffer], _ program: Program, rows: Int) throws -> [AlignedBuffer] {
    let outputs = program.outputs.map { AlignedBuffer($0.element, count: rows * $0.rowCount) }
    let scratch = AlignedBuffer(.u8, count: descriptor.pointee.scratch_bytes)
    if let prepare = descriptor.pointee.prepare { try checkStatus(prepare(memory, scratch.pointer), "prepare") }
    for first in stride(from: 0, to: rows, by: maxBatch) {
      let count = min(maxBatch, rows - first)
      let from = zip(inputs, program.inputs).map { UnsafeRawPointer?($0.row(first, $1)) }
      let to = zip(outputs, program.outputs).map { UnsafeMutableRawPointer?($0.row(first, $1)) }
      try checkStatus(descriptor.pointee.run(memory, from, to, Int32(count), scratch.pointer), "run")
    }
    return outputs
  }

  /// The mean loss of one batch in inference form, without penalties, and the outputs.
  public func evaluate(_ batch: Batch, _ program: Program) throws -> (loss: Double, outputs: [AlignedBuffer]) {
    let outputs = program.outputs.map { AlignedBuffer($0.element, count: batch.rows * $0.rowCount) }
    let scratch = AlignedBuffer(.u8, count: descriptor.pointee.scratch_bytes)
    let to = outputs.map { UnsafeMutableRawPointer?($0.pointer) }
    var loss = 0.0
    let (inputs, targets) = batch.pointers
    try checkStatus(
      descriptor.pointee.evaluate(memory, inputs, targets, nil, Int32(batch.rows), to, &loss, scratch.pointer), "evaluate")
    return (loss, outputs)
  }

  /// One backward pass as if it were the first of the training: the loss with penalties. Gradients are overwritten.
  public func backward(_ batch: Batch) throws -> Double {
    controls.pointee.micro = 0
    let (inputs, targets) = batch.pointers
    let status = descriptor.pointee.backward(memory, inputs, targets, nil, Int32(batch.rows))
    controls.pointee.micro = 0
    try checkStatus(status, "backward")
    return controls.pointee.loss
  }

  /// One training step, backward and update, at the rate in `controls`: the loss with penalties, before the update.
  @discardableResult
  public func step(_ batch: Batch) throws -> Double {
    let (inputs, targets) = batch.pointers
    try checkStatus(descriptor.pointee.train_step(memory, inputs, targets, nil, Int32(batch.rows)), "train_step")
    return controls.pointee.loss
  }

  /// A tensor of the parameter or state block, or its gradient: the elements in place.
  public func elements(_ slot: TensorSlot, gradient: Bool = false) -> UnsafeMutableRawPointer {
    let model = descriptor.pointee
    let block = gradient ? model.gradients_offset : slot.isState ? model.state_offset : model.parameters_offset
    return memory.advanced(by: block + slot.offset * gradc_element_bytes(model.element))
  }

  /// A copy of a tensor or of its gradient.
  public func copy(_ slot: TensorSlot, element: ElementType, gradient: Bool = false) -> AlignedBuffer {
    let buffer = AlignedBuffer(element, count: slot.count)
    buffer.pointer.copyMemory(from: elements(slot, gradient: gradient), byteCount: buffer.bytes)
    return buffer
  }
}

extension AlignedBuffer {
  /// Where a row of a port begins.
  func row(_ index: Int, _ port: Port) -> UnsafeMutableRawPointer { pointer.advanced(by: index * port.rowCount * element.size) }
}

/// Inputs and targets of some rows.
public struct Batch {
  public var rows: Int
  public var inputs: [AlignedBuffer]
  public var targets: [AlignedBuffer]

  public init(rows: Int, inputs: [AlignedBuffer], targets: [AlignedBuffer]) {
    self.rows = rows
    self.inputs = inputs
    self.targets = targets
  }

  var pointers: (inputs: [UnsafeRawPointer?], targets: [UnsafeRawPointer?]) {
    (inputs.map { UnsafeRawPointer($0.pointer) }, targets.map { UnsafeRawPointer($0.pointer) })
  }

  /// Rows of random numbers that fit the ports of a program: normal numbers, whole numbers below a small bound for integer inputs, for
  /// targets labels that the task allows. The same for the same seed.
  public init(random program: Program, rows: Int, seed: UInt64) {
    var stream = RandomStream(key: seed)
    let classes = program.outputs.first?.dims.last ?? 2
    inputs = program.inputs.map { port in
      AlignedBuffer(port.element, (0..<rows * port.rowCount).map { _ in port.element.isFloat ? stream.normal() : Double(stream.below(2)) })
    }
    targets = program.targets.map { port in
      AlignedBuffer(
        port.element,
        (0..<rows * port.rowCount).map { _ in
          guard port.element.isFloat else { return Double(stream.below(classes)) }
          return program.task == .regression ? stream.normal() : Double(stream.below(2))
        })
    }
    self.rows = rows
    // A row of several class probabilities is one of them.
    if program.task == .classes, let port = program.targets.first, port.element.isFloat, port.rowCount > 1 {
      let rowsOfOne = (0..<rows).flatMap { _ -> [Double] in
        let chosen = stream.below(port.rowCount)
        return (0..<port.rowCount).map { $0 == chosen ? 1 : 0 }
      }
      targets[0] = AlignedBuffer(port.element, rowsOfOne)
    }
  }
}

/// Numbers from the runtime's counter-based generator.
struct RandomStream {
  let key: UInt64
  private var counter: UInt64 = 0

  init(key: UInt64) { self.key = key }

  /// In 0 ..< 1.
  mutating func uniform() -> Double {
    counter += 1
    return Double(gradc_random(key, counter) >> 11) * 0x1p-53
  }

  /// In 0 ..< bound.
  mutating func below(_ bound: Int) -> Int { min(Int(uniform() * Double(bound)), bound - 1) }

  /// Nearly normal: the sum of twelve uniform numbers (Irwin and Hall), mean 0 and deviation 1.
  mutating func normal() -> Double { (0..<12).reduce(-6) { sum, _ in sum + uniform() } }
}
