import Basics
import CEmitter
import CRuntime
import GraphIR
import Layers
import LoopIR
import Lowering
import Toolchain
import Training

/// How a model is turned into code that runs in this process.
public struct CodeOptions: Sendable {
  /// Which compilers make the code.
  public var mode: CompileMode
  /// The C compiler for the modes that need one.
  public var compiler: CCompiler?
  /// Who multiplies large matrices.
  public var blas: EmitOptions.BLAS
  /// Whether the code is called once and then done with.
  public var isCalledOnce = false

  /// Tiered, with the compiler of the machine and CBLAS. Looking for the compiler is left to the moment when it is needed.
  public init(mode: CompileMode = .tiered, compiler: CCompiler? = nil, blas: EmitOptions.BLAS = .cblas) {
    self.mode = mode
    self.compiler = compiler
    self.blas = blas
  }
}

/// A model compiled and loaded: graphs, loop program, C, and machine code.
public final class Session {
  public let compilation: Compilation
  public let project: EmittedProject
  public let code: CompiledModel

  /// Compiles a program to C, and that to machine code.
  public init(_ compilation: Compilation, _ options: CodeOptions) throws {
    self.compilation = compilation
    project = try emitC(compilation.program, options: EmitOptions(blas: options.blas))
    let source = ModelSource(
      text: project.translationUnit, descriptorSymbol: project.descriptorSymbol, callsBLAS: project.callsBLAS,
      operations: compilation.program.longestCall, units: { [project] in project.units($0) })
    let compiler = options.mode == .tcc ? nil : options.compiler ?? CCompiler.find()
    code = try CompiledModel(source, mode: options.mode, isCalledOnce: options.isCalledOnce, compiler: compiler)
  }

  /// The code to begin with.
  public var descriptor: UnsafePointer<gradc_model> { code.first.descriptor }

  /// What one row more in the largest batch costs.
  public var bytesPerRow: Int {
    let program = compilation.program
    let rows = max(1, program.symbols.first?.maximum ?? 1)
    return (program.entries.map(\.arenaBytes).max() ?? 0) / rows
  }
}

/// A model in memory: parameters, and when it can learn gradients, moments and arena.
public final class Trainer {
  public let pointer: OpaquePointer
  /// The code must stay as long as the memory that it works on.
  private let session: Session

  /// Allocates; refuses, with the batch that would fit, what the machine's memory cannot hold.
  public init(_ session: Session, threads: Int = 1) throws {
    self.session = session
    var created: OpaquePointer?
    try callRuntime { gradc_trainer_create(session.descriptor, Int32(threads), session.bytesPerRow, &created, $0) }
    pointer = created!
  }

  deinit { gradc_trainer_free(pointer) }

  /// The model's own memory.
  public var memory: UnsafeMutableRawPointer { gradc_trainer_memory(pointer) }
  /// The descriptor in use.
  public var descriptor: UnsafePointer<gradc_model> { gradc_trainer_model(pointer) }
  /// The controls of a model that can learn.
  public var controls: UnsafeMutablePointer<gradc_controls> { gradc_trainer_controls(pointer) }

  /// Fresh parameters, state and moments.
  public func initialize(seed: UInt64) throws { try callRuntime { gradc_initialize(pointer, seed, $0) } }

  /// Reads parameters and state from a safetensors file.
  public func loadWeights(_ path: String) throws { try callRuntime { gradc_load_weights(pointer, path, $0) } }
}

/// A descriptor that tells the ports of a model and nothing else: enough to read its data before it is compiled.
public final class PortDescriptor {
  public let pointer: UnsafeMutablePointer<gradc_model>
  private let texts = TextPool()
  private var blocks: [UnsafeMutableRawPointer] = []

  public init(_ model: Model) {
    pointer = .allocate(capacity: 1)
    pointer.initialize(to: gradc_model())
    pointer.pointee.version = GRADC_MODEL_VERSION
    pointer.pointee.name = texts.keep(model.name)
    pointer.pointee.element = model.element == .f64 ? GRADC_F64 : GRADC_F32
    pointer.pointee.max_batch = 1
    pointer.pointee.input_count = Int32(model.inputs.count)
    pointer.pointee.inputs = ports(model.inputs)
    pointer.pointee.output_count = Int32(model.outputs.count)
    pointer.pointee.outputs = ports(model.outputs)
    pointer.pointee.target_count = Int32(model.targets.count)
    pointer.pointee.targets = ports(model.targets)
    pointer.pointee.task =
      switch model.task {
      case .regression: GRADC_TASK_REGRESSION
      case .binary: GRADC_TASK_BINARY
      case .classes: GRADC_TASK_CLASSES
      }
  }

  deinit {
    for block in blocks { block.deallocate() }
    pointer.deallocate()
  }

  private func ports(_ ports: [Port]) -> UnsafePointer<gradc_port> {
    let memory = UnsafeMutablePointer<gradc_port>.allocate(capacity: max(1, ports.count))
    blocks.append(UnsafeMutableRawPointer(memory))
    for (index, port) in ports.enumerated() {
      let dims = UnsafeMutablePointer<Int64>.allocate(capacity: port.dims.count + 1)
      blocks.append(UnsafeMutableRawPointer(dims))
      for (axis, size) in ([-1] + port.dims).enumerated() { dims[axis] = Int64(size) }
      memory.advanced(by: index).initialize(
        to: gradc_port(
          name: texts.keep(port.name), element: port.element.runtimeElement, rank: Int32(port.dims.count + 1), dims: dims,
          row_count: port.rowCount))
    }
    return UnsafePointer(memory)
  }
}

extension ElementType {
  /// The runtime's name of the type.
  public var runtimeElement: gradc_element {
    switch self {
    case .f32: GRADC_F32
    case .f64: GRADC_F64
    case .i8: GRADC_I8
    case .i16: GRADC_I16
    case .i32: GRADC_I32
    case .i64: GRADC_I64
    case .u8: GRADC_U8
    case .u16: GRADC_U16
    case .u32: GRADC_U32
    case .u64: GRADC_U64
    case .bool: GRADC_BOOL
    case .f16: GRADC_F16
    case .bf16: GRADC_BF16
    }
  }
}
