import Basics
import CRuntime
import Gradc
import LoopIR

/// For each relu layer the share of its units that are zero on every training row.
func deadUnits(_ input: ModelInput, _ trainer: Trainer, _ data: Dataset, element: ElementType) throws -> [TrainingHistory.DeadUnits] {
  let rows = data.part(GRADC_PART_TRAIN)
  guard !rows.isEmpty, let (compilation, layers) = try activationModel(input.definition, element: element, maxBatch: 256) else {
    return []
  }
  let session = try Session(compilation, CodeOptions(mode: .tcc))
  let observer = try Trainer(session)
  try copyTensors(from: trainer, to: observer)
  let ports = compilation.model.outputs
  let buffers = ports.map { AlignedBuffer(element, count: rows.count * $0.rowCount) }
  try predictRows(observer, data, rows, buffers)
  return zip(zip(layers, ports), buffers).map { named, buffer in
    let (layer, port) = named
    let values = buffer.numbers
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
func predictRows(_ trainer: Trainer, _ data: Dataset, _ rows: UnsafeBufferPointer<UInt32>, _ buffers: [AlignedBuffer]) throws {
  let pointers: [UnsafeMutableRawPointer?] = buffers.map(\.pointer)
  try callRuntime { error in
    pointers.withUnsafeBufferPointer { gradc_predict(trainer.pointer, data.pointer, rows.baseAddress, rows.count, $0.baseAddress, error) }
  }
}
