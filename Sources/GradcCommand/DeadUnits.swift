import Basics
import CRuntime
import Gradc
import LoopIR

/// For each relu layer the share of its units that are zero on every training row.
func deadUnits(_ input: ModelInput, _ trainer: Trainer, _ data: Dataset, element: ElementType) throws -> [TrainingHistory.DeadUnits] {
  let rows = data.part(GRADC_PART_TRAIN)
  guard !rows.isEmpty, let (compilation, layers) = try activationModel(input.file.definition, element: element, maxBatch: 256) else {
    return []
  }
  let session = try Session(compilation, CodeOptions(mode: .tcc))
  let observer = try Trainer(session)
  try copyTensors(from: trainer, to: observer)
  let ports = compilation.model.outputs
  let buffers = ports.map { Buffer64(bytes: rows.count * $0.rowCount * element.size) }
  try predict(observer, data, rows, buffers)
  return zip(zip(layers, ports), buffers).map { named, buffer in
    let (layer, port) = named
    let values = buffer.doubles(element, count: rows.count * port.rowCount)
    let dead = (0..<port.rowCount).filter { unit in (0..<rows.count).allSatisfy { values[$0 * port.rowCount + unit] == 0 } }
    return TrainingHistory.DeadUnits(layer: layer, share: Double(dead.count) / Double(port.rowCount))
  }
}

/// Copies parameters and state by name between two compilations of one model.
private func copyTensors(from source: Trainer, to target: Trainer) throws {
  let (from, to) = (source.descriptor.pointee, target.descriptor.pointee)
  let size = gradc_element_bytes(from.element)
  for index in 0..<Int(to.tensor_count) {
    let tensor = to.tensors[index]
    let name = String(cString: tensor.name)
    guard let match = (0..<Int(from.tensor_count)).map({ from.tensors[$0] }).first(where: { String(cString: $0.name) == name }),
      match.count == tensor.count
    else { throw Diagnostic.bug("tensor '\(name)' is not in the trained model") }
    let begin = (tensor.is_state != 0 ? to.state_offset : to.parameters_offset) + tensor.offset * size
    let origin = (match.is_state != 0 ? from.state_offset : from.parameters_offset) + match.offset * size
    target.memory.advanced(by: begin).copyMemory(from: source.memory.advanced(by: origin), byteCount: tensor.count * size)
  }
}

/// Runs the model over rows of a dataset; one buffer an output.
func predict(_ trainer: Trainer, _ data: Dataset, _ rows: UnsafeBufferPointer<UInt32>, _ buffers: [Buffer64]) throws {
  let pointers: [UnsafeMutableRawPointer?] = buffers.map(\.pointer)
  try callRuntime { error in
    pointers.withUnsafeBufferPointer { gradc_predict(trainer.pointer, data.pointer, rows.baseAddress, rows.count, $0.baseAddress, error) }
  }
}

/// Memory at a multiple of 64 bytes, zeroed, freed with its last copy.
struct Buffer64 {
  private final class Memory {
    let pointer: UnsafeMutableRawPointer

    init(_ bytes: Int) {
      pointer = .allocate(byteCount: max(bytes, 1), alignment: 64)
      pointer.initializeMemory(as: UInt8.self, repeating: 0, count: max(bytes, 1))
    }

    deinit { pointer.deallocate() }
  }

  private let memory: Memory
  let bytes: Int

  init(bytes: Int) {
    memory = Memory(bytes)
    self.bytes = bytes
  }

  var pointer: UnsafeMutableRawPointer { memory.pointer }

  /// The first `count` elements as numbers.
  func doubles(_ element: ElementType, count: Int) -> [Double] {
    var numbers = [Double](repeating: 0, count: count)
    gradc_convert(pointer, gradc_element_dtype(element.runtimeElement), count, &numbers, GRADC_DTYPE_F64)
    return numbers
  }

  /// Elements from numbers.
  func store(_ numbers: [Double], _ element: ElementType) {
    gradc_convert(numbers, GRADC_DTYPE_F64, numbers.count, pointer, gradc_element_dtype(element.runtimeElement))
  }
}
