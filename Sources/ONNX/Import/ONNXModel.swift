import Basics
import GraphIR
import Layers
import LoopIR

/// A model of an .onnx file, to be built into graphs.
public struct ONNXModel {
  /// The file, for messages.
  public let path: String
  /// The file's contents; tensors that it merged because their values were equal are apart.
  public let message: ModelMessage
  /// Sizes of named dimensions that the user gave.
  public var dimensions: [String: Int] = [:]
  /// Values of inputs, by name: the model is then built for these alone, with their shapes and what follows from them.
  public var inputs: [String: HostTensor] = [:]
  /// Whether the first axis of inputs is the batch although the file gives it a number.
  public var opensBatch = false
  /// Whether the first floating point output comes before all others: what is learned and judged is the first output.
  public var judgesFirstFloat = false
  let tensors: [String: TensorMessage]

  /// Reads a file. Throws a diagnostic that names it.
  public init(path: String) throws {
    try self.init(ModelMessage(path: path), path: path)
  }

  /// A model that was read already; external data lies beside `path`.
  public init(_ message: ModelMessage, path: String) throws {
    self.path = path
    var message = message
    message.graph.separateEqualTensors()
    self.message = message
    var tensors: [String: TensorMessage] = [:]
    for tensor in message.graph.initializer {
      guard tensors.updateValue(tensor, forKey: tensor.name) == nil else {
        throw Diagnostic("\(path): initializer '\(tensor.name)' stands twice")
      }
    }
    self.tensors = tensors
  }

  /// The model's name, as C and file names want it: the file's.
  public var name: String {
    let file = path.split(separator: "/").last.map(String.init) ?? "model"
    let stem = file.hasSuffix(".onnx") ? String(file.dropLast(5)) : file
    let word = String(
      stem.unicodeScalars.map { $0.isASCII && ($0.properties.isAlphabetic || $0.properties.numericType != nil) ? Character($0) : "_" })
    return word.first.map { $0.isNumber } ?? true ? "model_" + word : word
  }

  /// The inputs that a caller gives: those that no initialiser is for.
  public var inputNames: [String] { message.graph.input.map(\.name).filter { tensors[$0] == nil } }

  /// Whether its inputs have numbers of rows in the file, and the same first size throughout: exported without a batch.
  public var hasFixedBatch: Bool {
    let firsts = message.graph.input.filter { tensors[$0.name] == nil }.map { info -> Int64? in
      guard case .tensor(_, let shape)? = info.type?.kind, case .value(let size)? = shape?.first?.size else { return nil }
      return size
    }
    return !firsts.isEmpty && firsts.allSatisfy { $0 != nil && $0 == firsts[0] }
  }

  /// f64 when the model computes in double precision throughout, else f32.
  public var element: ElementType {
    var hasSingle = false, hasDouble = false
    func see(_ type: Int32) {
      if type == TensorDataType.float.rawValue { hasSingle = true }
      if type == TensorDataType.double.rawValue { hasDouble = true }
    }
    for tensor in message.graph.initializer { see(tensor.dataType) }
    for info in message.graph.input + message.graph.output {
      if case .tensor(let element, _)? = info.type?.kind { see(element) }
    }
    return hasDouble && !hasSingle ? .f64 : .f32
  }

  /// Builds an entry graph: declares inputs, parameters and outputs.
  public func build(_ builder: inout ModelBuilder) throws {
    guard builder.mode != .generation else {
      throw Diagnostic("\(path): text is generated with model files of gradc's language, not with a network from ONNX", kind: .unsupported)
    }
    let reader = GraphReader(self, builder)
    // The reader's builder must be the only one, or each node would copy it.
    builder = ModelBuilder(name: "", mode: .inference, element: .f32, symbols: [])
    try reader.readModel()
    builder = reader.builder
  }

  /// The outputs in the order of the model's ports.
  func orderedOutputs() throws -> [ValueInfoMessage] {
    var outputs = message.graph.output
    let first = outputs.firstIndex { info in
      guard case .tensor(let number, _)? = info.type?.kind else { return false }
      return ElementType(onnx: Int(number))?.isReal ?? false
    }
    if judgesFirstFloat, let first, first > 0 { outputs.insert(outputs.remove(at: first), at: 0) }
    return outputs
  }

  /// The values of an initialiser.
  public func tensor(_ name: String) throws -> HostTensor? {
    guard let tensor = tensors[name] else { return nil }
    do {
      return try tensor.hostTensor()
    } catch let error as Diagnostic {
      throw error.prefixed("\(path): initializer '\(name)': ")
    }
  }

  /// The folder that external data lies in.
  var folder: String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }
}

extension Diagnostic {
  /// The same with words before its message.
  func prefixed(_ words: String) -> Diagnostic {
    var copy = self
    copy.message = words + message
    return copy
  }
}
