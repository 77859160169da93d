import LoopIR

extension Program {
  /// The program with these entries alone, without the kernels that nothing calls any longer; what `run` is prepared by stays with it.
  /// Buffers and their places stay.
  public func keeping(entries names: [String]) -> Program {
    keeping(entries.filter { names.contains($0.name) || $0.name == "prepare" && names.contains("run") })
  }

  /// The program with these entries instead of its own, without the kernels that nothing calls any longer.
  public func keeping(_ entries: [Entry]) -> Program {
    var copy = self
    var numbers: [Int: Int] = [:]
    copy.kernels = []
    copy.entries = entries
    for (index, entry) in entries.enumerated() {
      copy.entries[index].steps = entry.steps.map { step in
        step.mappingCalls { kernel, buffers in
          let number = numbers[kernel] ?? copy.kernels.count
          if numbers.updateValue(number, forKey: kernel) == nil { copy.kernels.append(kernels[kernel]) }
          return .call(kernel: number, buffers: buffers)
        }
      }
    }
    let trains = entries.contains { !["prepare", "run", "evaluate", "generate"].contains($0.name) }
    if !trains { (copy.gradientCount, copy.momentCount) = (0, 0) }
    return copy
  }
}
