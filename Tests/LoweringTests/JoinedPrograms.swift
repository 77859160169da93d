import Basics
import LoopIR

/// The entries `run` of several programs as one program, so that a C compiler is called once for all of them. All inputs lie in one input of
/// bytes and all outputs in one output, at multiples of 64 bytes and with room for the largest batch; the programs have no parameters and
/// share the arena.
struct JoinedProgram {
  private(set) var program: Program
  /// Where the inputs and outputs of each program begin.
  private(set) var inputs: [[Int]] = []
  private(set) var outputs: [[Int]] = []
  /// The first bytes are no program's: what begins where a port begins would go by the port's name, and has another type.
  private(set) var inputBytes = 64
  private(set) var outputBytes = 64

  init(_ programs: [Program], name: String) {
    program = Program(name: name, element: programs[0].element, symbols: programs[0].symbols)
    var steps: [Step] = []
    var arenaBytes = 0
    for (number, part) in programs.enumerated() {
      let (buffers, kernels, constants) = (program.buffers.count, program.kernels.count, program.constants.count)
      let rows = part.symbols.first?.maximum ?? 1
      inputs.append(part.inputs.map { Self.place($0, rows, &inputBytes) })
      outputs.append(part.outputs.map { Self.place($0, rows, &outputBytes) })
      program.buffers += part.buffers.map { buffer in
        var buffer = buffer
        buffer.name = "e\(number)_\(buffer.name)"
        switch buffer.block {
        case .input(let k): (buffer.block, buffer.offset) = (.input(0), inputs[number][k])
        case .output(let k): (buffer.block, buffer.offset) = (.output(0), outputs[number][k])
        case .constant(let k): buffer.block = .constant(constants + k)
        default: break
        }
        return buffer
      }
      program.constants += part.constants.map { table in
        var table = table
        table.name = "e\(number)_\(table.name)"
        return table
      }
      program.kernels += part.kernels.map { kernel in
        var kernel = kernel
        kernel.name = "e\(number)_\(kernel.name)"
        return kernel
      }
      let entry = part.entry("run")!
      arenaBytes = max(arenaBytes, entry.arenaBytes)
      steps += entry.steps.map { step in
        switch step {
        case .call(let kernel, let arguments): .call(kernel: kernels + kernel, buffers: arguments.map { buffers + $0 })
        case .requireFinite(let buffer): .requireFinite(buffer: buffers + buffer)
        case .loop: step.mappingCalls { .call(kernel: kernels + $0, buffers: $1.map { buffers + $0 }) }
        }
      }
    }
    program.inputs = [Port(name: "inputs", element: .u8, dims: [inputBytes])]
    program.outputs = [Port(name: "outputs", element: .u8, dims: [outputBytes])]
    program.entries = [Entry(name: "run", steps: steps, arenaBytes: arenaBytes)]
  }

  private static func place(_ port: Port, _ rows: Int, _ bytes: inout Int) -> Int {
    defer { bytes += (rows * port.rowCount * port.element.size + 63) / 64 * 64 }
    return bytes
  }
}
