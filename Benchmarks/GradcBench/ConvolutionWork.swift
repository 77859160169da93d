import Basics
import Differentiation
import Glibc
import Gradc
import GraphIR
import LoopIR
import Lowering
import Operators
import Toolchain

/// One convolution with both gradients, x, w, dy -> y, dx, dw: what `Benchmarks/convolutions` measures.
final class ConvolutionWork {
  private let session: Session
  private let trainer: Trainer
  private let rows: Int
  private let operands: [AlignedBuffer]
  private let results: [AlignedBuffer]
  private let counts: [Int]
  private let scratch: AlignedBuffer

  /// FILE.safetensors STRIDE,PADDING,DILATION,GROUPS THREADS; in the file x and dy, channels first or last, and w [O, C/groups, K, K].
  init(_ arguments: [String]) throws {
    let numbers = arguments.count == 3 ? arguments[1].split(separator: ",").compactMap { Int($0) } : []
    guard numbers.count == 4, let threads = Int(arguments[2]), threads > 0 else {
      throw Diagnostic("expected convolution FILE STRIDE,PADDING,DILATION,GROUPS THREADS, found \"\(arguments.joined(separator: " "))\"")
    }
    let tensors = try Tensor.read([arguments[0]])
    func tensor(_ name: String) throws -> Tensor {
      guard let found = tensors.first(where: { $0.name == name }) else { throw Diagnostic("\(arguments[0]) has no \(name)") }
      return found
    }
    let (x, w, dy) = (try tensor("x"), try tensor("w"), try tensor("dy"))
    let window = ConvolutionWindow(rank: 2, stride: numbers[0], dilation: numbers[2], padding: numbers[1], groups: numbers[3])
    rows = x.dims[0]
    let model = try Self.model(window, x: x.dims, w: w.dims, dy: dy.dims)
    session = try Session(Compilation(model: model, program: try lower(model)), CodeOptions(mode: .clang))
    for notice in session.code.notices { fputs("gradc-bench: \(notice)\n", stderr) }
    trainer = try Trainer(session, threads: threads)
    operands = [x, dy].map { $0.converted(to: .f32) }
    let filter = w.converted(to: .f32)
    trainer.elements(session.compilation.program.tensors[0]).copyMemory(from: filter.pointer, byteCount: filter.bytes)
    counts = [dy, x, w].map { $0.dims.reduce(1, *) }
    // A port without rows is given room for them all the same.
    results = zip(counts, [1, 1, rows]).map { AlignedBuffer(.f32, count: $0 * $1) }
    scratch = AlignedBuffer(.u8, count: trainer.descriptor.pointee.scratch_bytes)
  }

  /// Calls the compiled code; gives the root mean square of the elements of y, dx and dw.
  func run(steps: Int) throws -> Double {
    let (model, memory) = (trainer.descriptor.pointee, trainer.memory)
    let inputs = operands.map { Optional(UnsafeRawPointer($0.pointer)) }
    let outputs = results.map { Optional($0.pointer) }
    var status: Int32 = 0
    for _ in 0..<steps where status == 0 { status = model.run(memory, inputs, outputs, Int32(rows), scratch.pointer) }
    guard status == 0 else { throw Diagnostic.bug("a convolution failed with status \(status)") }
    let sum = zip(results, counts).reduce(0.0) { sum, result in
      sum + result.0.numbers.prefix(result.1).reduce(0) { $0 + $1 * $1 }
    }
    return (sum / Double(counts.reduce(0, +))).squareRoot()
  }

  /// Where the filter's inputs do not fit x's second axis, its channels are last.
  private static func model(_ window: ConvolutionWindow, x: [Int], w: [Int], dy: [Int]) throws -> Model {
    let isLast = x[1] != w[1] * window.groups || dy[1] != w[0]
    var builder = GraphBuilder(name: "run", symbols: [Symbol(name: "n", maximum: x[0])])
    func image(_ dims: [Int], _ number: Int) throws -> ValueID {
      let type = TensorType(.f32, [.batch] + dims.dropFirst().map { Dimension($0) })
      let leaf = builder.leaf(Leaf("image\(number)", .input(number)), type)
      return isLast ? try builder.transpose(leaf, [0, 3, 1, 2]) : leaf
    }
    let input = try image(x, 0), cotangent = try image(dy, 1)
    let filter = builder.leaf(Leaf("w", .parameter), TensorType(.f32, w.map { Dimension($0) }))
    let y = try builder.convolution(input, filter, window)
    let gradients = try builder.gradients(of: [y], cotangents: [cotangent], withRespectTo: [input, filter])
    for (name, value) in [("y", y), ("dx", gradients[0]!)] {
      builder.output(name, isLast ? try builder.transpose(value, [0, 2, 3, 1]) : value)
    }
    builder.output("dw", gradients[1]!)
    var model = Model(name: "convolution", element: .f32, symbols: builder.graph.symbols)
    model.parameters = [Parameter(name: "w", shape: w)]
    model.inputs = [x, dy].enumerated().map { Port(name: "image\($0.offset)", element: .f32, dims: Array($0.element.dropFirst())) }
    let images = [dy, x].map { Array($0.dropFirst()) }
    model.outputs = zip(["y", "dx", "dw"], images + [w]).map { Port(name: $0, element: .f32, dims: $1) }
    model.graphs = [builder.graph]
    return model
  }
}
