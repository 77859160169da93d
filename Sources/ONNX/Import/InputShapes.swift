import Basics
import GraphIR
import LoopIR

/// What the sizes of a model's inputs are: numbers, given values of names, and the batch in the first axis of what is left.
struct InputShapes {
  let model: ONNXModel
  /// The name of the batch's size in the file; nil where it has none, or no input has a batch.
  private let batchName: String?

  init(_ model: ONNXModel) {
    self.model = model
    batchName =
      model.message.graph.input.lazy.filter { model.tensors[$0.name] == nil }.compactMap { info -> String? in
        guard case .tensor(_, let shape)? = info.type?.kind, case .parameter(let name)? = shape?.first?.size, model.dimensions[name] == nil
        else { return nil }
        return name
      }.first
  }

  /// The shape of an input.
  func shape(of info: ValueInfoMessage) throws -> Shape {
    if let given = model.inputs[info.name] { return given.shape.map { Dimension($0) } }
    guard case .tensor(_, let sizes)? = info.type?.kind, let sizes else {
      throw Diagnostic("input '\(info.name)': the file does not say how many axes it has")
    }
    return try sizes.enumerated().map { axis, dimension in
      switch dimension.size {
      case .value(let size):
        guard size >= 0, size <= Int64(Int32.max) else { throw Diagnostic("input '\(info.name)': axis \(axis) has size \(size)") }
        return axis == 0 && model.opensBatch ? .batch : Dimension(Int(size))
      case .parameter(let name):
        if let size = model.dimensions[name] { return Dimension(size) }
        if name == batchName {
          guard axis == 0 else {
            throw Diagnostic(
              "input '\(info.name)': axis \(axis) has the batch's size '\(name)', which may stand first only: give --dim \(name)=SIZE")
          }
          return .batch
        }
        if axis == 0 { return .batch }
        throw Diagnostic("input '\(info.name)': axis \(axis) has size '\(name)', which must be known: give --dim \(name)=SIZE")
      case .unknown:
        guard axis == 0 else {
          throw Diagnostic("input '\(info.name)': the file does not say the size of axis \(axis): export it with a size or a name")
        }
        return .batch
      }
    }
  }
}

extension TensorMessage {
  /// Its type, FLOAT as the model's float type.
  func type(float: ElementType) throws -> TensorType {
    let element = try elementType()
    return TensorType(element == .f32 ? float : element, try shape().map { Dimension($0) })
  }
}
