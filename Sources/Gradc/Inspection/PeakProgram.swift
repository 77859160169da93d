import LoopIR

/// A program that does nothing but fused multiply-adds on values in registers, written as the tiles of products and convolutions are: what it
/// reaches is the most that the machine gives to generated code.
public struct PeakProgram {
  public let program: Program
  /// Floating point operations of one call.
  public let operations: Double

  /// Tiles of `height` rows by `width` columns, one for each of `threads` threads.
  public init(_ element: ElementType, height: Int, width: Int, threads: Int) {
    let steps = 1 << 13
    let count = height * width
    let (row, lane) = (Index.variable("r"), Index.variable("l"))
    let slot = row * width + lane
    func nest(_ body: Statement) -> Statement {
      .loop(Loop("l", to: .constant(width), kind: .lanes, [.loop(Loop("r", to: .constant(height), kind: .unrolled, [body]))]))
    }
    let sum = Scalar.load("sums", slot)
    let body: [Statement] = [
      .array("sums", element, count: count), nest(.store("sums", slot, .load("x", lane))),
      .loop(
        Loop(
          "step", to: .constant(steps), [nest(.store("sums", slot, .fma(.load("x", row), .load("x", .constant(width) + lane), sum)))])),
      nest(.store("y", .variable("part") * count + slot, sum)),
    ]
    let kernel = Kernel(
      name: "peak", comments: ["\(height) x \(width) sums in registers"],
      parameters: [
        BufferParameter(name: "x", element: element, count: 2 * width, access: .read),
        BufferParameter(name: "y", element: element, count: threads * count, access: .write),
      ], symbols: [], parts: .constant(threads), body: body)
    var program = Program(
      name: "peak", element: element, symbols: [Symbol(name: "n", maximum: 1)],
      inputs: [Port(name: "x", element: element, dims: [2 * width])], outputs: [Port(name: "y", element: element, dims: [threads * count])])
    program.buffers = [
      Buffer(name: "x", element: element, count: 2 * width, block: .input(0), offset: 0),
      Buffer(name: "y", element: element, count: threads * count, block: .output(0), offset: 0),
    ]
    program.kernels = [kernel]
    program.entries = [Entry(name: "run", steps: [.call(kernel: 0, buffers: [0, 1])], arenaBytes: 0)]
    self.program = program
    operations = 2 * Double(threads) * Double(steps) * Double(count)
  }

  /// The tiles that are worth trying: which is the fastest depends on the processor's registers.
  public static func candidates(_ element: ElementType, threads: Int) -> [PeakProgram] {
    let wide = element == .f64 ? 16 : 32
    return [(8, wide), (8, wide / 2), (4, wide / 2)].map { PeakProgram(element, height: $0.0, width: $0.1, threads: threads) }
  }
}
