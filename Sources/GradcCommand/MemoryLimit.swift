import Basics
import CEmitter
import CRuntime
import Gradc
import LoopIR

extension ModelInput {
  /// Refuses a training that does not fit into the machine's memory, with the exact bytes and the largest batch that fits. `compiled` makes
  /// the loops for a batch; nothing is allocated.
  func requireMemory(_ program: Program, batch: Int, compiled: (Int) throws -> Program) throws {
    func bytes(_ program: Program) -> Int {
      let sizes = MemorySizes(program)
      return sizes.trainer + sizes.scratch
    }
    let (wanted, memory) = (bytes(program), Int(clamping: gradc_physical_memory()))
    guard memory > 0, wanted > memory else { return }
    let single = bytes(try compiled(1))
    var advice = "no batch fits: the model itself is too large for this machine"
    if single <= memory {
      var fits = 1
      // Bytes grow nearly in proportion: a few trials find the batch.
      var (low, high) = ((rows: 1, bytes: single), (rows: batch, bytes: wanted))
      for _ in 0..<6 where high.rows - low.rows > max(1, low.rows / 50) {
        let slope = Double(high.bytes - low.bytes) / Double(high.rows - low.rows)
        let guess = low.rows + Int(Double(memory - low.bytes) / slope)
        let rows = min(max(guess, low.rows + 1), high.rows - 1)
        let needed = bytes(try compiled(rows))
        if needed <= memory {
          low = (rows, needed)
          fits = rows
        } else {
          high = (rows, needed)
        }
      }
      advice = "a batch of \(fits) fits: --batch-size \(fits)"
    }
    throw Diagnostic(
      "training with a batch of \(NumberText.grouped(batch)) needs \(NumberText.grouped(wanted)) bytes of memory, this machine has "
        + "\(NumberText.grouped(memory)); \(advice)")
  }
}

/// Refuses a run on so many rows whose memory the machine does not have: its inputs and outputs, the model, and what it works in. Nothing is
/// allocated; a file of a hundred bytes may ask for terabytes.
func requireMemory(_ program: Program, rows: Int) throws {
  let ports = (program.inputs + program.outputs).reduce(0.0) { sum, port in
    port.shape(rows: rows).reduce(Double(port.element.size)) { $0 * Double($1) } + sum
  }
  let sizes = MemorySizes(program)
  let (wanted, memory) = (ports + Double(max(sizes.model, sizes.trainer)) + Double(sizes.scratch), gradc_physical_memory())
  guard memory > 0, wanted > Double(memory) else { return }
  throw Diagnostic(
    "\(NumberText.grouped(rows)) row\(rows == 1 ? " needs" : "s need") \(NumberText.grouped(Int(min(wanted, 0x1p62)))) bytes of memory, this machine "
      + "has \(NumberText.grouped(Int(clamping: memory)))")
}
