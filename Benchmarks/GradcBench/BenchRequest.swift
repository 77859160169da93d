import Basics
import CEmitter
import Glibc
import Gradc
import LoopIR
import Toolchain

/// What to measure: the arguments of `gradc-bench`.
struct BenchRequest {
  /// Where models, weights and batches are; `workloads.py` writes it.
  var folder: String
  var workload: String
  var isTraining: Bool
  var rows: Int
  var threads: Int
  var mode = CompileMode.tiered
  var blas = EmitOptions.BLAS.cblas
  var element = ElementType.f32
  var convolutions = ConvolutionChoices()
  /// Where the gradients of the first step go; nil: nowhere.
  var gradients: String?

  init(_ arguments: [String]) throws {
    var arguments = arguments
    if let value = try Self.flag("--jit", &arguments) {
      guard let mode = CompileMode(rawValue: value) else { throw Diagnostic("--jit: found \"\(value)\", expected tcc, clang or tiered") }
      self.mode = mode
    }
    if let value = try Self.flag("--blas", &arguments) {
      guard let blas = EmitOptions.BLAS(rawValue: value) else { throw Diagnostic("--blas: found \"\(value)\", expected cblas or none") }
      self.blas = blas
    }
    if let value = try Self.flag("--precision", &arguments) {
      guard let element = ElementType(rawValue: value), element.isFloat else {
        throw Diagnostic("--precision: found \"\(value)\", expected f32 or f64")
      }
      self.element = element
    }
    if let index = arguments.firstIndex(of: "--no-winograd") {
      convolutions = .withoutWinograd
      arguments.remove(at: index)
    }
    gradients = try Self.flag("--gradients", &arguments)
    guard arguments.count == 5, ["train", "infer"].contains(arguments[2]), let rows = Int(arguments[3]), let threads = Int(arguments[4]),
      rows > 0, threads > 0
    else {
      throw Diagnostic("expected FOLDER WORKLOAD train|infer BATCH THREADS, found \"\(arguments.joined(separator: " "))\"")
    }
    (folder, workload, isTraining) = (arguments[0], arguments[1], arguments[2] == "train")
    (self.rows, self.threads) = (rows, threads)
  }

  /// A file of the folder; nil when it is not there.
  func file(_ name: String) -> String? {
    let path = "\(folder)/\(name)"
    return access(path, R_OK) == 0 ? path : nil
  }

  /// The model: inference may have a file of its own.
  func model() throws -> String {
    if !isTraining, let own = file("\(workload).infer.gradc") { return own }
    guard let model = file("\(workload).gradc") else { throw Diagnostic("there is no \(folder)/\(workload).gradc") }
    return model
  }

  /// Takes a flag and its value out of the arguments.
  private static func flag(_ name: String, _ arguments: inout [String]) throws -> String? {
    guard let index = arguments.firstIndex(of: name) else { return nil }
    guard index + 1 < arguments.count else { throw Diagnostic("\(name) needs a value") }
    let value = arguments[index + 1]
    arguments.removeSubrange(index...index + 1)
    return value
  }
}
