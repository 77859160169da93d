import Basics
import GraphIR
import Layers
import LoopIR

extension ModelDefinition {
  /// The layer that decides how many numbers the first output has: of the layers that choose their number of outputs, the last one on the
  /// way to that output. Throws where there is none.
  public func head() throws -> Head {
    let builder = try built("head", .inference, .f32, [Symbol(name: "n", maximum: 1)])
    let graph = builder.graph.graph
    var reached = Set<ValueID>()
    var pending = [builder.outputs[0].value]
    while let id = pending.popLast() { if reached.insert(id).inserted { pending += graph[id].operands } }
    for id in graph.ids.reversed() where reached.contains(id) && graph[id].op != nil {
      if let head = builder.heads.first(where: { $0.path == graph[id].path }) { return head }
    }
    throw Diagnostic(
      "there is no head to replace: no dense layer or convolution with parameters leads to the output '\(builder.outputs[0].name)' of model "
        + "'\(name)'")
  }

  /// How many outputs the head has in a weights file with tensors of these shapes, where that is another number than the model's and all of
  /// the head's tensors agree; else nil.
  public func outputs(of head: Head, in shapes: [String: [Int]]) throws -> Int? {
    func tensors(_ definition: ModelDefinition) throws -> [Parameter] {
      let symbols = [Symbol(name: "n", maximum: 1)]
      return try definition.built("head", .inference, .f32, symbols).parameters.filter { head.owns($0.name) }
    }
    for parameter in try tensors(self) {
      guard let found = shapes[parameter.name], found.count == parameter.shape.count else { return nil }
      let others = found.indices.filter { found[$0] != parameter.shape[$0] }
      guard others.count == 1, parameter.shape[others[0]] == head.outputs, found[others[0]] >= 1 else { continue }
      let outputs = found[others[0]]
      guard let replaced = try? replacingHead(classes: outputs) else { return nil }
      return try tensors(replaced).allSatisfy { shapes[$0.name] == $0.shape } ? outputs : nil
    }
    return nil
  }

  /// The same model with another number of classes: its head gives `classes` outputs. Throws where the model has no head, or where the
  /// head's outputs are not those of the model.
  public func replacingHead(classes: Int) throws -> ModelDefinition {
    guard classes >= 1 else { throw Diagnostic("a head gives at least one output, got \(classes)") }
    let head = try head()
    let build = self.build
    let replaced = ModelDefinition(name: name) { builder in
      builder.replacedHead = Head(path: head.path, outputs: classes, tensors: head.tensors)
      try build(&builder)
    }
    let builder: ModelBuilder
    do {
      builder = try replaced.built("head", .inference, .f32, [Symbol(name: "n", maximum: 1)])
    } catch let error as Diagnostic {
      throw Diagnostic("the head '\(head.path)' cannot give \(classes) outputs instead of \(head.outputs): \(error.message)")
    }
    let dims = try builder.rowDims(builder.outputs[0].value)
    guard dims.last == classes || dims.reduce(1, *) == classes else {
      throw Diagnostic(
        "the head '\(head.path)' with \(classes) outputs instead of \(head.outputs) gives the output '\(builder.outputs[0].name)' rows of "
          + "shape \(dims), not \(classes) classes: what follows the head does not keep its outputs apart")
    }
    return replaced
  }
}
