import Basics
import LoopIR

/// The entries `run` of several programs as one program, so that a C compiler is called once for all of them. Inputs and outputs follow one
/// another; the programs have no parameters and share the arena.
func joined(_ programs: [Program], name: String) -> Program {
  var result = Program(name: name, element: programs[0].element, symbols: programs[0].symbols)
  var steps: [Step] = []
  var arenaBytes = 0
  for (number, program) in programs.enumerated() {
    let prefix = "e\(number)_"
    let (inputs, outputs, buffers, kernels) = (result.inputs.count, result.outputs.count, result.buffers.count, result.kernels.count)
    result.inputs += program.inputs.map { Port(name: prefix + $0.name, element: $0.element, dims: $0.dims) }
    result.outputs += program.outputs.map { Port(name: prefix + $0.name, element: $0.element, dims: $0.dims) }
    result.buffers += program.buffers.map { buffer in
      var buffer = buffer
      buffer.name = prefix + buffer.name
      switch buffer.block {
      case .input(let k): buffer.block = .input(inputs + k)
      case .output(let k): buffer.block = .output(outputs + k)
      default: break
      }
      return buffer
    }
    result.kernels += program.kernels.map { kernel in
      var kernel = kernel
      kernel.name = prefix + kernel.name
      return kernel
    }
    let entry = program.entry("run")!
    arenaBytes = max(arenaBytes, entry.arenaBytes)
    steps += entry.steps.map { step in
      switch step {
      case .call(let kernel, let arguments): .call(kernel: kernels + kernel, buffers: arguments.map { buffers + $0 })
      case .requireFinite(let buffer): .requireFinite(buffer: buffers + buffer)
      }
    }
  }
  result.entries = [Entry(name: "run", steps: steps, arenaBytes: arenaBytes)]
  return result
}
